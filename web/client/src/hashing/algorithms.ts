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
import { toBase64 } from './bytes.js';
import { HashingUnavailable } from './unavailable.js';

/** What can be computed. */
export type HashKind = Exclude<ChecksumAlgorithm, 'none'>;

/** What a file is known by. */
export interface Identified {
  /** The fingerprint (hex) of the content alone. */
  content: string;
  /** Of content and purpose. */
  fingerprint: string;
  /** Of the whole file (base64), where it was asked for. */
  checksum: string | null;
}

/** The reflected polynomials. CRC-64/NVME of "123456789" is ae8b14860a799888. */
const CRC64NVME = '9a6c9329ac4bc9b5';
const CRC32C = 0x82f63b78;
/** Read at a time. */
const PIECE_BYTES = 1 << 20;
/** How much of the beginning, the middle and the end the fingerprint reads. */
const SAMPLE_BYTES = 64 << 10;

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
  return inTurn(async () => {
    const hasher = await fresh(kind);
    if (blob.size <= PIECE_BYTES) hasher.update(await bytesOf(blob));
    else await forEachPiece(blob, (piece) => hasher.update(piece));
    return hasher.digest('binary');
  });
}

/**
 * The fingerprint of a file: SHA-256 (hex) of its size in decimal, a line feed, and the first, middle and last 64 KiB.
 * The middle starts at half of what is before the last 64 KiB, rounded down; a shorter file is taken whole three times.
 * The Rust client computes the same (`fingerprint.rs`).
 *
 * With a `purpose`, the fingerprint is the SHA-256 of that of the content and the purpose. With a `kind`, the checksum
 * of the whole file comes with it; small files are read once for all of it.
 */
export function identify(file: Blob, purpose: string | null, kind: HashKind | null): Promise<Identified> {
  return inTurn(async () => {
    const whole = file.size <= PIECE_BYTES ? await bytesOf(file) : null;
    const from = Math.max(0, file.size - SAMPLE_BYTES);
    const sha256 = await fresh('sha256');
    sha256.update(`${file.size}\n`);
    for (const offset of [0, Math.floor(from / 2), from]) {
      const end = offset + SAMPLE_BYTES;
      sha256.update(whole?.subarray(offset, end) ?? (await bytesOf(file.slice(offset, end))));
    }
    const content = sha256.digest('hex');
    const fingerprint = purpose === null ? content : (await fresh('sha256')).update(content + purpose).digest('hex');
    if (kind === null) return { content, fingerprint, checksum: null };
    const hasher = await fresh(kind);
    if (whole !== null) hasher.update(whole);
    else await forEachPiece(file, (piece) => hasher.update(piece));
    return { content, fingerprint, checksum: toBase64(hasher.digest('binary')) };
  });
}

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = last.then(work);
  last = done.catch(() => undefined);
  return done;
}

async function fresh(kind: HashKind): Promise<IHasher> {
  let made = hashers.get(kind);
  if (made === undefined) hashers.set(kind, (made = create[kind]()));
  const hasher = await made.catch((cause: unknown) => {
    // Most often the page's policy, which forbids WebAssembly.
    throw new HashingUnavailable(cause instanceof Error ? cause.message : String(cause), { cause });
  });
  return hasher.init();
}

async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

/**
 * What is being read. Chromium (156) and WebKit forget the stream of a Blob that nothing refers to but the read that is
 * under way, which then never settles.
 */
const reading = new Set<unknown>();

/** Reads into one buffer over and over where the browser can: a third less work than a new one for each piece. */
async function forEachPiece(blob: Blob, take: (piece: Uint8Array) => void): Promise<void> {
  const stream = blob.stream();
  const reader = byob(stream) ?? stream.getReader();
  const held = [stream, reader];
  reading.add(held);
  try {
    let buffer = new Uint8Array(PIECE_BYTES);
    for (;;) {
      const { done, value } = reader instanceof ReadableStreamBYOBReader ? await reader.read(buffer) : await reader.read();
      if (done) return;
      take(value);
      buffer = new Uint8Array(value.buffer);
    }
  } finally {
    reading.delete(held);
  }
}

/** Not every browser gives byte streams of a Blob. */
function byob(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader | null {
  try {
    return stream.getReader({ mode: 'byob' });
  } catch {
    return null;
  }
}

