// Hashes a Blob with CRC64NVME, read in the way that the message says; for hash.mjs.
import { createCRC64 } from 'hash-wasm';

const MiB = 1 << 20;
let hasher;
const sync = new FileReaderSync();

// A stream that nothing refers to is collected in the middle of a read, which then never ends.
let reading = null;

const pieces = (blob, size) => Array.from({ length: Math.ceil(blob.size / size) }, (_, i) => blob.slice(i * size, (i + 1) * size));

// [read, unit] = "buffer-4": pieces of 4 MiB
const readers = {
  async buffer(blob, size, use) {
    for (const piece of pieces(blob, size)) use(new Uint8Array(await piece.arrayBuffer()));
  },
  // The next piece is being read while this one is hashed.
  async ahead(blob, size, use) {
    const all = pieces(blob, size);
    let next = all[0].arrayBuffer();
    for (let i = 0; i < all.length; i++) {
      const bytes = await next;
      if (i + 1 < all.length) next = all[i + 1].arrayBuffer();
      use(new Uint8Array(bytes));
    }
  },
  async sync(blob, size, use) {
    for (const piece of pieces(blob, size)) use(new Uint8Array(sync.readAsArrayBuffer(piece)));
  },
  async stream(blob, _, use) {
    const reader = reading = blob.stream().getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      use(value);
    }
  },
  async byob(blob, size, use) {
    const reader = reading = blob.stream().getReader({ mode: 'byob' });
    let buffer = new ArrayBuffer(size);
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (value?.byteLength) use(value);
      if (done) return;
      buffer = value.buffer;
    }
  },
  async none() {},
};

onmessage = async ({ data: { id, blob, method, hash } }) => {
  try {
    hasher ??= await createCRC64('9a6c9329ac4bc9b5');
    const [name, size] = method.split('-');
    hasher.init();
    let bytes = 0;
    await readers[name](blob, Number(size) * MiB, (piece) => {
      bytes += piece.byteLength;
      if (hash) hasher.update(piece);
    });
    postMessage({ id, bytes, crc: hash ? hasher.digest('hex') : null });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
};
postMessage('ready');
