/** Hashing of Blobs, with hash-wasm. Only the worker's bundle has this. */
import {
  type IHasher,
  createCRC32,
  createCRC64,
  createMD5,
  createSHA1,
  createSHA256,
} from 'hash-wasm';

import type { ChecksumAlgorithm } from '../wire.js';
import { HashingUnavailable } from './unavailable.js';

/** What can be computed. */
export type HashKind = Exclude<ChecksumAlgorithm, 'none'>;

/** The reflected polynomials. CRC-64/NVME of "123456789" is ae8b14860a799888. */
const CRC64NVME = '9a6c9329ac4bc9b5';
const CRC32C = 0x82f63b78;
/** Read at a time. */
const PIECE_BYTES = 1 << 20;

const create: Record<HashKind, () => Promise<IHasher>> = {
  crc64nvme: () => createCRC64(CRC64NVME),
  crc32c: () => createCRC32(CRC32C),
  crc32: () => createCRC32(),
  sha1: createSHA1,
  sha256: createSHA256,
  md5: createMD5,
};

const hashers = new Map<HashKind, Promise<IHasher>>();
/** A hasher has one state: jobs take turns. */
let last: Promise<unknown> = Promise.resolve();

/** The raw digest of a Blob, as S3 writes it: big-endian. Rejects with what reading says. */
export function hashBlob(blob: Blob, kind: HashKind): Promise<Uint8Array> {
  const hash = last.then(() => hashNow(blob, kind));
  last = hash.catch(() => undefined);
  return hash;
}

async function hashNow(blob: Blob, kind: HashKind): Promise<Uint8Array> {
  let made = hashers.get(kind);
  if (made === undefined) hashers.set(kind, (made = create[kind]()));
  const hasher = await made.catch((cause: unknown) => {
    // Most often the page's policy, which forbids WebAssembly.
    throw new HashingUnavailable(cause instanceof Error ? cause.message : String(cause), { cause });
  });
  hasher.init();
  await forEachPiece(blob, (piece) => hasher.update(piece));
  return hasher.digest('binary');
}

/** Reads into one buffer over and over where the browser can: a third less work than a new one for each piece. */
async function forEachPiece(blob: Blob, take: (piece: Uint8Array) => void): Promise<void> {
  const stream = blob.stream();
  const reader = byob(stream);
  if (reader === null) {
    const pieces = stream.getReader();
    for (let { value } = await pieces.read(); value !== undefined; { value } = await pieces.read()) take(value);
    return;
  }
  let buffer = new Uint8Array(PIECE_BYTES);
  for (;;) {
    const { done, value } = await reader.read(buffer);
    if (done) return;
    take(value);
    buffer = new Uint8Array(value.buffer);
  }
}

/** Not every browser gives byte streams of a Blob. */
function byob(stream: ReadableStream): ReadableStreamBYOBReader | null {
  try {
    return stream.getReader({ mode: 'byob' });
  } catch {
    return null;
  }
}
