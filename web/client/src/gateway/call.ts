/** One call to the gateway: attempts, waits, other addresses, and when to give up. */
import { UploadError } from '../errors.js';
import { isOffline, now, onNetworkChange, sleep, unlessAborted } from '../runtime.js';
import { backoffMs, toldMs } from '../transfer/backoff.js';
import { type History, type Seen, decide, newHistory } from '../transfer/decide.js';
import type { Notice } from '../types.js';
import type { Problem } from '../wire.js';
import type { Credential, Credentials } from './credentials.js';

/** Refusals that say nothing about the upload itself: it can be gone on with when the reason is gone. */
const RESUMABLE: readonly number[] = [401, 403, 408, 421, 429];
/** How long a gateway that never answered is tried: a wrong address should be told soon. */
const FIRST_CONTACT_MS = 15_000;
/** An answer takes at most this long; then it is asked for again, at another gateway if there is one. */
const ATTEMPT_MS = 30_000;
/** Complete waits for storage, by itself about 20 s. */
const COMPLETE_MS = 90_000;
/** Offline, the event that says otherwise is not waited for longer than this. */
const OFFLINE_RETRY_MS = 30_000;

/** A call to make. */
export interface Call {
  /** For words. */
  name: string;
  method: 'GET' | 'POST' | 'DELETE';
  /** After the base, which ends in `/`. */
  path: string;
  /** The upload that it is about, whose own token is good for it; `null` for init and list. */
  uploadId: string | null;
  body?: unknown;
  idempotencyKey?: string;
}

/** A successful answer. */
export interface Answer {
  status: number;
  body: unknown;
  date: number | null;
  retryAfterMs: number | null;
}

/** The gateway as all calls of one upload see it. */
export interface Connection {
  /** Base URLs, each ending in `/`; the first is the one that answered last. */
  bases: URL[];
  credentials: Credentials;
  giveUpAfterMs: number;
  /** Whether anything ever answered. */
  reached: boolean;
  /** When the call that is being repeated will be tried again; else `null`. */
  waitingUntil: number | null;
  notice: (code: Notice['code'], message: string) => void;
}

/** Makes a call until it succeeds, is refused for good, or nothing came for `giveUpAfterMs`. */
export async function makeCall(connection: Connection, call: Call, signal: AbortSignal): Promise<Answer> {
  let started = now();
  const history = newHistory(false);
  for (;;) {
    const attempt = await tryOnce(connection, call, signal);
    if ('answer' in attempt) {
      if (history.failures > 0) connection.notice('gateway_trouble', 'The gateway answers again.');
      return attempt.answer;
    }
    const { seen, error, words } = attempt;
    if (await hasAnotherCredential(connection, call, attempt, history)) {
      // It answered: what went before was no silence.
      started = now();
      continue;
    }
    const action = decide(seen, history);
    // The caller knows what to make of a closed upload; and there is no other credential.
    if (['stop', 'ask_token', 'fetch_answer', 'refresh_then_continue'].includes(action.do)) throw error;
    const told = action.do === 'back_off' ? action.retryAfterMs : null;
    if (statusOf(seen) === 429) {
      await slowDown(connection, error, { told, history, left: started + connection.giveUpAfterMs - now() }, signal);
      continue;
    }
    history.failures += 1;
    if (statusOf(seen) === 500) history.internalErrors += 1;
    // Another gateway may answer at once; only after all were asked it is time to wait.
    const addresses = connection.bases.length;
    const anotherIsLeft = history.failures % addresses !== 0;
    const backoff = () => backoffMs(Math.ceil(history.failures / addresses), Math.random());
    const wait = anotherIsLeft ? 0 : told === null ? backoff() : toldMs(told, Math.random());
    if (isOffline()) started = now();
    else giveUp(connection, call, now() - started, wait, words);
    if (history.failures === 1) connection.notice('gateway_trouble', `${words}; trying again.`);
    connection.bases.push(...connection.bases.splice(0, 1));
    await pause(connection, wait, signal);
  }
}

/** After a refusal: an upload's own token gives way to the caller's, and the caller's is asked for anew, once. */
async function hasAnotherCredential(connection: Connection, call: Call, refusal: Refusal, history: History): Promise<boolean> {
  const { seen, credential } = refusal;
  if (credential === null || seen.kind !== 'gateway') return false;
  const { status, code } = seen.answer;
  if (credential.from === 'upload') {
    return (status === 401 || code === 'forbidden') && connection.credentials.refused(credential, call.uploadId);
  }
  if (status !== 401 || history.tokenAsked) return false;
  history.tokenAsked = true;
  return connection.credentials.refused(credential, call.uploadId);
}

/**
 * The gateway answers, it only wants to be asked less often: no reason to ask another one, nor to doubt the network.
 * What is in flight to storage goes on meanwhile.
 */
async function slowDown(
  connection: Connection,
  error: UploadError,
  { told, history, left }: { told: number | null; history: History; left: number },
  signal: AbortSignal,
): Promise<void> {
  history.slowed += 1;
  const wait = told === null ? backoffMs(history.slowed, Math.random()) : toldMs(told, Math.random());
  if (wait > left) throw error;
  if (history.slowed === 1) {
    connection.notice('slow_down', `The gateway asks to slow down; going on in ${Math.ceil(wait / 1000)} s.`);
  }
  await pause(connection, wait, signal);
}

function statusOf(seen: Seen): number | null {
  return seen.kind === 'gateway' ? seen.answer.status : null;
}

async function pause(connection: Connection, wait: number, signal: AbortSignal): Promise<void> {
  const ms = isOffline() ? OFFLINE_RETRY_MS : wait;
  connection.waitingUntil = now() + ms;
  try {
    await sleep(ms, signal, onNetworkChange);
  } finally {
    connection.waitingUntil = null;
  }
}

/** Stops trying: soon, if nothing ever answered at this address. */
function giveUp(connection: Connection, call: Call, after: number, wait: number, words: string): void {
  const limit = connection.reached ? connection.giveUpAfterMs : Math.min(connection.giveUpAfterMs, FIRST_CONTACT_MS);
  if (after + wait <= limit) return;
  if (!connection.reached) {
    const where = connection.bases.map((base) => base.origin).join(', ');
    const message = `The gateway at ${where} cannot be reached (${words}). Is the address right, and may this page call it?`;
    throw new UploadError('unreachable', message, { resumable: true });
  }
  const seconds = Math.round(after / 1000);
  throw new UploadError('stalled', `No progress for ${seconds} s: ${words} (${call.name}).`, { resumable: true });
}

/** An attempt that came to nothing. */
interface Refusal {
  seen: Seen;
  error: UploadError;
  words: string;
  /** What it was sent with; `null` when it was not sent. */
  credential: Credential | null;
}

async function tryOnce(connection: Connection, call: Call, signal: AbortSignal): Promise<{ answer: Answer } | Refusal> {
  let credential: Credential;
  try {
    credential = await unlessAborted(connection.credentials.forCall(call.uploadId), signal);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    return noCredential(cause);
  }
  const { headers } = credential;
  if (call.idempotencyKey !== undefined) headers.set('idempotency-key', call.idempotencyKey);
  if (call.body !== undefined) headers.set('content-type', 'application/json');
  const [base] = connection.bases;
  const cut = new AbortController();
  const stop = () => cut.abort(signal.reason);
  const timer = setTimeout(() => cut.abort(), call.name === 'complete' ? COMPLETE_MS : ATTEMPT_MS);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    const response = await fetch(new URL(call.path, base), {
      method: call.method,
      headers,
      signal: cut.signal,
      cache: 'no-store',
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    const text = await response.text();
    connection.reached = true;
    return response.ok ? { answer: readAnswer(call, response, text) } : refusal(response, text, credential);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof UploadError) throw cause;
    const words = 'the gateway did not answer';
    const error = new UploadError('stalled', words, { resumable: true, cause });
    return { seen: { kind: 'network' }, words, error, credential };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** The app could not give one. */
function noCredential(cause: unknown): Refusal {
  if (cause instanceof UploadError) throw cause;
  const words = `no token could be had (${cause instanceof Error ? cause.message : String(cause)})`;
  const error = new UploadError('unauthorized', `The gateway was not asked: ${words}.`, { resumable: true, cause });
  // What fetch rejects with while the network is away: no reason to stop an upload.
  if (cause instanceof TypeError) return { seen: { kind: 'network' }, words, error, credential: null };
  throw error;
}

function readAnswer(call: Call, response: Response, text: string): Answer {
  let body: unknown = null;
  try {
    if (text !== '') body = JSON.parse(text);
  } catch (cause) {
    const message = `The answer of ${call.name} cannot be understood: it is not JSON. Is this the gateway's address?`;
    throw new UploadError('invalid_answer', message, { resumable: false, cause });
  }
  const date = Date.parse(response.headers.get('date') ?? '');
  return {
    status: response.status,
    body,
    date: Number.isNaN(date) ? null : date,
    retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
  };
}

function refusal(response: Response, text: string, credential: Credential): Refusal {
  const problem = readProblem(response.status, text);
  const seen: Seen = {
    kind: 'gateway',
    answer: {
      status: response.status,
      code: problem.code,
      retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
      state: problem.state ?? null,
    },
  };
  const words = `the gateway answered ${problem.status} ${problem.code}`.trim();
  return { seen, error: problemError(problem), words, credential };
}

/** A problem of the gateway, or one without code for the answer of a proxy before it. */
function readProblem(status: number, text: string): Problem {
  try {
    const problem = JSON.parse(text) as Partial<Problem> | null;
    if (typeof problem?.code === 'string' && typeof problem.detail === 'string') return problem as Problem;
  } catch {
    // Not ours: a proxy's page.
  }
  return { type: 'about:blank', title: '', status, code: '', detail: `the answer was ${status}`, request_id: '' };
}

function problemError(problem: Problem): UploadError {
  const gone = problem.code === 'upload_gone' || problem.code === 'upload_not_found';
  const code = gone ? 'gone' : problem.status === 401 ? 'unauthorized' : problem.code || 'invalid_answer';
  // With one bad field, the gateway's own sentence names it already.
  const others = (problem.errors ?? []).filter(({ detail }) => !problem.detail.includes(detail));
  const fields = others.map(({ field, detail }) => `; ${field}: ${detail}`).join('');
  const resumable = !gone && (RESUMABLE.includes(problem.status) || problem.status >= 500);
  return new UploadError(code, `${problem.detail}${fields}`, { resumable, problem });
}

/** `Retry-After`: seconds, or a date. */
export function retryAfterMs(text: string | null): number | null {
  if (text === null || text.trim() === '') return null;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}
