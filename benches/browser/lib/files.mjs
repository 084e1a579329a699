// Files of random bytes, made once and kept.
import { randomBytes } from 'node:crypto';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function randomFile(path, size) {
  await mkdir(dirname(path), { recursive: true });
  if ((await stat(path).catch(() => null))?.size === size) return path;
  const file = await open(path, 'w');
  for (let at = 0; at < size; at += 8 << 20) await file.write(randomBytes(Math.min(8 << 20, size - at)));
  await file.close();
  return path;
}

/// Also brings the file into the page cache, the same for everyone.
export async function sha256(path) {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest('hex');
}
