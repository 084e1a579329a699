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

/** What can be computed. */
export type HashKind = Exclude<ChecksumAlgorithm, 'none'>;

/** The reflected polynomials. CRC-64/NVME of "123456789" is ae8b14860a799888. */
const CRC64NVME = '9a6c9329ac4bc9b5';
const CRC32C = 0x82f63b78;
/** Read at a time. */
const PIECE_BYTES = 4 << 20;

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
  const hasher = await made;
  hasher.init();
  // The next piece is read while this one is hashed.
  let next = read(blob, 0);
  for (let offset = 0; offset < blob.size; offset += PIECE_BYTES) {
    const piece = await next;
    next = read(blob, offset + PIECE_BYTES);
    hasher.update(piece);
  }
  return hasher.digest('binary');
}

function read(blob: Blob, offset: number): Promise<Uint8Array> {
  const piece = blob.slice(offset, Math.min(offset + PIECE_BYTES, blob.size)).arrayBuffer();
  // Its error is told when it is awaited, which may be never.
  piece.catch(() => undefined);
  return piece.then((buffer) => new Uint8Array(buffer));
}
