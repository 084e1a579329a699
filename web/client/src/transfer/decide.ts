/** What to do when something fails: the one table, as a function of what was seen. No clock, no I/O. */
import type { UploadState } from '../wire.js';

/** Fresh URLs that storage may refuse for one part before we stop. */
const SIGNATURES_REFUSED_MAX = 3;
/** How often storage may call bytes corrupted that hash the same here, or forget a multipart upload. */
const CONTRADICTIONS_MAX = 5;
/** How often the gateway may answer `internal` before we stop. */
const INTERNAL_ERRORS_MAX = 4;

/** An error answer of storage. */
export interface StorageAnswer {
  status: number;
  /** From the XML body; empty when there was none. */
  code: string;
  message: string;
  retryAfterMs: number | null;
  /** The URL's lifetime was over when the answer came. */
  urlExpired: boolean;
}

/** An error answer of the gateway, or of a proxy in front of it (then without code). */
export interface GatewayAnswer {
  status: number;
  code: string;
  retryAfterMs: number | null;
  state: UploadState | null;
}

/** What went wrong. */
export type Seen =
  /** No answer: refused, reset, name not found, TLS failed, or an answer that CORS hides. */
  | { kind: 'network' }
  /** No progress for longer than a part usually takes. */
  | { kind: 'stall' }
  /** The file cannot be read. */
  | { kind: 'unreadable'; cause: unknown }
  | { kind: 'storage'; answer: StorageAnswer }
  | { kind: 'gateway'; answer: GatewayAnswer };

/** What happened before, to the same part or the same call. */
export interface History {
  failures: number;
  /** URLs refused in a row. */
  signaturesRefused: number;
  /** Answers in a row that spoke of corrupted bytes or of an object that exists. */
  contradictions: number;
  internalErrors: number;
  /** How often the gateway asked to slow down. */
  slowed: number;
  /** The token hook was asked since the last success. */
  tokenAsked: boolean;
  /** The file is one PutObject, not a multipart upload. */
  onePut: boolean;
}

export const newHistory = (onePut: boolean): History => ({
  failures: 0,
  signaturesRefused: 0,
  contradictions: 0,
  internalErrors: 0,
  slowed: 0,
  tokenAsked: false,
  onePut,
});

/** Why to stop. */
export type Stop =
  | 'signature_refused'
  | 'storage_refused'
  | 'file_unreadable'
  | 'unauthorized'
  | 'gone'
  | 'rejected';

/** What to do about it. */
export type Action =
  /** Ask status with refresh: the part may be there; else sign again and retry after backoff. Halve. */
  | { do: 'refresh_then_retry' }
  | { do: 'sign_again' }
  /** Hash the slice again: the same means it was sent wrongly, another means that the file changed. */
  | { do: 'hash_again' }
  /** Ask status with refresh and go on with what is missing then. */
  | { do: 'refresh_then_continue' }
  /** Wait as told, or back off; halve. */
  | { do: 'back_off'; retryAfterMs: number | null }
  | { do: 'ask_token' }
  /** It is completed: fetch the answer. */
  | { do: 'fetch_answer' }
  | { do: 'stop'; why: Stop };

const stop = (why: Stop): Action => ({ do: 'stop', why });

/** The table. */
export function decide(seen: Seen, history: History): Action {
  switch (seen.kind) {
    case 'network':
    case 'stall':
      return { do: 'refresh_then_retry' };
    case 'unreadable':
      return stop('file_unreadable');
    case 'storage':
      return decideStorage(seen.answer, history);
    case 'gateway':
      return decideGateway(seen.answer, history);
  }
}

function decideStorage(answer: StorageAnswer, history: History): Action {
  const { status, code } = answer;
  if (signatureIsStale(answer)) {
    const tooOften = history.signaturesRefused + 1 >= SIGNATURES_REFUSED_MAX;
    return tooOften ? stop('signature_refused') : { do: 'sign_again' };
  }
  const contradicted = history.contradictions >= CONTRADICTIONS_MAX;
  if (['BadDigest', 'InvalidDigest', 'XAmzContentChecksumMismatch'].includes(code) && !contradicted) {
    return { do: 'hash_again' };
  }
  if (status === 412 && history.onePut && history.contradictions === 0) return { do: 'refresh_then_continue' };
  if (status === 404 && code === 'NoSuchUpload' && !contradicted) return { do: 'refresh_then_continue' };
  // S3 says so when a body arrives too slowly: the network's fault, with a 400.
  if (status === 400 && code === 'RequestTimeout') return { do: 'refresh_then_retry' };
  if (status === 429 || code === 'SlowDown' || status >= 500) {
    return { do: 'back_off', retryAfterMs: answer.retryAfterMs };
  }
  return stop('storage_refused');
}

function signatureIsStale({ status, code, message, urlExpired }: StorageAnswer): boolean {
  const saysSo =
    code === 'ExpiredToken' ||
    code === 'ExpiredRequest' ||
    message.includes('Request has expired') ||
    message.includes('Date is too old');
  return (status === 400 || status === 403) && (urlExpired || saysSo);
}

function decideGateway(answer: GatewayAnswer, history: History): Action {
  const { status, code, retryAfterMs, state } = answer;
  if (status === 401) return history.tokenAsked ? stop('unauthorized') : { do: 'ask_token' };
  if (code === 'upload_closed') return decideClosed(state);
  if (code === 'upload_gone' || code === 'upload_not_found') return stop('gone');
  if (status === 429 || status === 503) return { do: 'back_off', retryAfterMs };
  // A request that came too slowly for the gateway, or for a proxy before it.
  if (status === 408) return { do: 'back_off', retryAfterMs };
  // A proxy in front of a gateway that restarts.
  if (code === '' && [502, 504].includes(status)) return { do: 'back_off', retryAfterMs };
  if (status === 500 && history.internalErrors < INTERNAL_ERRORS_MAX) return { do: 'back_off', retryAfterMs };
  return stop('rejected');
}

function decideClosed(state: UploadState | null): Action {
  switch (state) {
    case 'completed':
      return { do: 'fetch_answer' };
    // Somebody else completes it: status tells how that ends.
    case 'completing':
    case 'creating':
    case 'open':
    case null:
      return { do: 'refresh_then_continue' };
    case 'failed':
    case 'aborting':
    case 'aborted':
    case 'expired':
      return stop('gone');
  }
}

/** What was seen in words, for people. */
export function describe(seen: Seen): string {
  switch (seen.kind) {
    case 'network':
      return 'the connection to storage failed';
    case 'stall':
      return 'the connection to storage stalled';
    case 'unreadable':
      return 'the file cannot be read';
    case 'storage':
      return `storage answered ${`${seen.answer.status} ${seen.answer.code}`.trim()}`;
    case 'gateway':
      return `the gateway answered ${`${seen.answer.status} ${seen.answer.code}`.trim()}`;
  }
}
