/** Proof, before going on with an unfinished upload, that what storage has is this file. */
import type { HashPool } from '../hashing/pool.js';
import { fromHex, toBase64 } from '../hashing/bytes.js';
import type { Grid } from '../transfer/grid.js';
import type { ChecksumAlgorithm, ReceivedPart } from '../wire.js';

/** At least so many parts are compared before anything is sent… */
const SAMPLE_MIN = 3;
/** …and one in so many. The rest is compared while others are sent. */
const SAMPLE_ONE_IN = 100;

/** What the comparison says. */
export type Verdict =
  /** What was compared is equal; the checksums computed here, by part. */
  | { is: 'same'; proven: Map<number, string> }
  /** Storage keeps nothing to compare with. */
  | { is: 'incomparable'; proven: Map<number, string> }
  /** This part reads differently now. */
  | { is: 'changed'; number: number };

/** Whether a part is the file's. By checksum: certain. By ETag: a hint, because an encrypting store's is no MD5. */
export interface Compared {
  number: number;
  checksum: string | null;
  byChecksum: boolean | null;
  byEtag: boolean | null;
}

/** Compares the first, the last and some other parts that storage has with the file; rejects with what reading says. */
export async function prove(
  file: Blob,
  grid: Grid,
  algorithm: ChecksumAlgorithm,
  received: readonly ReceivedPart[],
  pool: HashPool,
): Promise<Verdict> {
  const fitting = received.filter((part) => part.size > 0 && part.size === grid.length(part.number));
  // With no checksum to verify the rest by in passing, every part that can be compared is.
  const sampled = algorithm === 'none' ? fitting.map((_, index) => index) : sample(fitting.length);
  const comparisons = sampled.map((index) => fitting[index]).filter((part) => part !== undefined);
  const compared = await Promise.all(comparisons.map((part) => compare(file, grid, algorithm, part, pool)));
  return judge(compared);
}

async function compare(
  file: Blob,
  grid: Grid,
  algorithm: ChecksumAlgorithm,
  part: ReceivedPart,
  pool: HashPool,
): Promise<Compared> {
  const slice = grid.slice(file, part.number);
  const checksum = algorithm === 'none' ? null : await pool.checksum(slice, algorithm);
  const byChecksum = part.checksum && checksum !== null ? part.checksum === checksum : null;
  const md5 = byChecksum === null ? md5Of(part.etag) : null;
  const byEtag = md5 === null ? null : md5 === (await pool.checksum(slice, 'md5'));
  return { number: part.number, checksum, byChecksum, byEtag };
}

/** The MD5 (base64) that an ETag is, if it is one. */
function md5Of(etag: string | null | undefined): string | null {
  const hex = (etag ?? '').replaceAll('"', '');
  const digest = hex.length === 32 ? fromHex(hex) : null;
  return digest === null ? null : toBase64(digest);
}

export function judge(compared: readonly Compared[]): Verdict {
  const changed = compared.find((part) => part.byChecksum === false);
  if (changed !== undefined) return { is: 'changed', number: changed.number };
  const matches = compared.some((part) => part.byChecksum === true || part.byEtag === true);
  // Where not one part fits its ETag, these ETags may be no MD5s: the whole file's SHA-256 decides at the end.
  const unlike = matches ? compared.find((part) => part.byEtag === false) : undefined;
  if (unlike !== undefined) return { is: 'changed', number: unlike.number };
  const proven = new Map<number, string>();
  for (const { number, checksum, byChecksum, byEtag } of compared) {
    if (checksum !== null && (byChecksum === true || byEtag === true)) proven.set(number, checksum);
  }
  const silent = compared.some((part) => part.byChecksum === null && part.byEtag !== true);
  return { is: silent ? 'incomparable' : 'same', proven };
}

/** Indexes of the first, the last and evenly spread others: at least 3, and 1 %. */
export function sample(count: number): number[] {
  const wanted = Math.max(Math.ceil(count / SAMPLE_ONE_IN), SAMPLE_MIN);
  if (count <= wanted) return Array.from({ length: count }, (_, index) => index);
  return Array.from({ length: wanted }, (_, index) => Math.floor((index * (count - 1)) / (wanted - 1)));
}
