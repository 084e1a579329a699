/** What names a file by its content, so that a renamed file or another device finds the same upload. */
import type { HashPool } from '../hashing/pool.js';
import type { ChecksumAlgorithm } from '../wire.js';

/** How much of the beginning, the middle and the end is read. */
const SAMPLE_BYTES = 64 << 10;

/**
 * SHA-256 (hex) of the size in decimal, a line feed, and the first, middle and last 64 KiB.
 *
 * The middle starts at half of what is before the last 64 KiB, rounded down; a shorter file is taken whole three
 * times. The Rust client computes the same (`fingerprint.rs`).
 */
export function fingerprint(file: Blob, pool: HashPool): Promise<string> {
  const last = Math.max(0, file.size - SAMPLE_BYTES);
  const samples = [0, Math.floor(last / 2), last].map((offset) => file.slice(offset, offset + SAMPLE_BYTES));
  return pool.hex(new Blob([`${file.size}\n`, ...samples]), 'sha256');
}

/** What the caller asks of the upload, besides the content. */
export interface Purpose {
  key: string | null;
  overwrite: boolean;
  checksum: ChecksumAlgorithm;
}

/**
 * The fingerprint of a file for this purpose: the same content under another key, with another kind of checksum, or
 * one that may replace an object, is another upload. That of the usual purpose is the content's own.
 */
export async function forPurpose(content: string, { key, overwrite, checksum }: Purpose, pool: HashPool): Promise<string> {
  if (key === null && !overwrite && checksum === 'crc64nvme') return content;
  return pool.hex(new Blob([`${content}\n${key ?? ''}\n${overwrite}\n${checksum}`]), 'sha256');
}
