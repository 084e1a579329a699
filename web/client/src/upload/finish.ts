/** Complete, and proof that the object is the file. */
import { UploadError } from '../errors.js';
import type { Gateway } from '../gateway/gateway.js';
import type { HashPool } from '../hashing/pool.js';
import { fullObject } from '../hashing/combine.js';
import { fromBase64 } from '../hashing/bytes.js';
import { sleep } from '../runtime.js';
import type { Uploaded } from '../types.js';
import type { ChecksumAlgorithm, CompleteRequest, Completion, Problem, UploadStatus } from '../wire.js';

/** What the object must be. */
export interface Expected {
  size: number;
  algorithm: ChecksumAlgorithm;
  /** Each part's checksum and size, in order; `null` when one is unknown. */
  parts: readonly (readonly [checksum: string, size: number])[] | null;
  /** Hex, where it is to be proven. */
  sha256: string | null;
}

/** The request that says what the object must be. */
export function completeRequest(expected: Expected): CompleteRequest {
  const checksum = expected.parts === null ? null : fullObject(expected.algorithm, expected.parts);
  return {
    // A gateway that has lost its database does not know it.
    size: expected.size,
    ...(checksum === null ? {} : { checksum }),
    ...(expected.sha256 === null ? {} : { sha256: expected.sha256 }),
  };
}

/** Complete, asked again as long as it goes on: what was reported with the first call is not repeated. */
export async function complete(
  gateway: Gateway,
  uploadId: string,
  request: CompleteRequest,
  signal: AbortSignal,
  onStatus: (status: UploadStatus) => void,
): Promise<Completion> {
  const { stored: _, ...again } = request;
  for (let asked = request; ; asked = again) {
    const answer = await gateway.complete(uploadId, asked, signal);
    if ('completion' in answer) return answer.completion;
    onStatus(answer.goesOn);
    await sleep(Math.max(answer.waitMs, 100), signal);
  }
}

/** The parts that complete found missing or wrong. */
export function partsToSendAgain(problem: Problem | undefined, numbers: (ranges: readonly (readonly number[])[]) => number[]): number[] {
  if (problem?.code === 'parts_missing') return numbers(problem.missing ?? []);
  if (problem?.code === 'part_mismatch') return (problem.parts ?? []).map((part) => part.number);
  return [];
}

/** What the answer proves; throws `wrong_object` when it is not the file that was read here. */
export async function verify(completion: Completion, expected: Expected, pool: HashPool): Promise<Uploaded['proven']> {
  const proven: ('size' | 'checksum' | 'sha256')[] = ['size'];
  if (completion.size !== expected.size) throw wrong(`it has ${completion.size} bytes, not ${expected.size}`);
  const { checksum } = completion;
  const ours = checksum?.algorithm === expected.algorithm ? await objectChecksum(expected, checksum.type, pool) : null;
  if (checksum && ours !== null) {
    if (checksum.value !== ours) throw wrong(`its ${checksum.algorithm} is ${checksum.value}, not ${ours}`);
    proven.push('checksum');
  }
  if (expected.sha256 !== null) {
    if (completion.sha256 !== expected.sha256) throw wrong(`its SHA-256 is ${completion.sha256 ?? 'not proven'}`);
    proven.push('sha256');
  }
  return proven;
}

/** The checksum that the object must have, of the type that storage keeps. */
async function objectChecksum(expected: Expected, type: 'FULL_OBJECT' | 'COMPOSITE', pool: HashPool): Promise<string | null> {
  const { parts, algorithm } = expected;
  if (parts === null || parts.length === 0 || algorithm === 'none') return null;
  const [only] = parts;
  if (type === 'FULL_OBJECT') return parts.length === 1 ? (only?.[0] ?? null) : fullObject(algorithm, parts);
  const digests = parts.map(([checksum]) => fromBase64(checksum) as BlobPart);
  return `${await pool.checksum(new Blob(digests), algorithm)}-${parts.length}`;
}

function wrong(what: string): UploadError {
  const message = `The object in storage is not the file: ${what}. Do not use it; tell whoever runs the gateway.`;
  return new UploadError('wrong_object', message, { resumable: false });
}
