/** Files on disk whose content follows from a seed. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';

export const KIB = 1024;
export const MIB = 1024 * 1024;

export interface TestFile {
  path: string;
  size: number;
  sha256: string;
}

// The smallest piece that is written at once; any multiple of four.
const PIECE = 4 * MIB;

const WRITTEN_AT = new Date('2026-11-01T12:00:00Z');

/** Writes a file of so many pseudo-random bytes. */
export async function write(path: string, size: number, seed = 1): Promise<TestFile> {
  mkdirSync(dirname(path), { recursive: true });
  const hash = createHash('sha256');
  const random = generator(seed);
  const file = await open(path, 'w');
  for (let at = 0; at < size; at += PIECE) {
    const piece = random().subarray(0, Math.min(PIECE, size - at));
    hash.update(piece);
    await file.write(piece);
  }
  // A whole second: any other would come back from `flip` a little different, and browsers compare it.
  await file.utimes(WRITTEN_AT, WRITTEN_AT);
  await file.close();
  return { path, size, sha256: hash.digest('hex') };
}

/** A file of so many zeros that takes no space on disk. */
export async function sparse(path: string, size: number): Promise<string> {
  await (await open(path, 'w')).close();
  await truncate(path, size);
  return path;
}

/** Changes one byte of the file, and nothing that a directory listing shows. */
export async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 0xff;
  await file.write(byte, 0, 1, at);
  await file.utimes(WRITTEN_AT, WRITTEN_AT);
  await file.close();
}

// Xorshift32 (https://www.jstatsoft.org/article/view/v008i14): fast, and no compression or splice survives it.
function generator(seed: number): () => Uint8Array {
  const words = new Uint32Array(PIECE / 4);
  let state = (seed * 0x9e3779b9) >>> 0 || 1;
  return () => {
    for (let index = 0; index < words.length; index += 1) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[index] = state;
    }
    return new Uint8Array(words.buffer);
  };
}
