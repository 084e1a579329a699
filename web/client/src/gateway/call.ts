/** One call to the gateway: attempts, waits, other addresses, and when to give up. */
import { UploadError } from '../errors.js';
import { isOffline, now, onNetworkChange, sleep } from '../runtime.js';
import { backoffMs } from '../transfer/backoff.js';
import { type Seen, decide, newHistory } from '../transfer/decide.js';
import type { Notice } from '../types.js';
import type { Problem } from '../wire.js';

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
  headers: () => Promise<Headers>;
  /** Fresh credentials; false when there are none to be had. */
  renewToken: () => Promise<boolean>;
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
    const action = decide(seen, history);
    history.failures += 1;
    if (action.do === 'ask_token') {
      history.tokenAsked = true;
      if (await connection.renewToken()) continue;
      throw error;
    }
    // The caller knows what to make of a closed upload.
    if (action.do === 'stop' || action.do === 'fetch_answer' || action.do === 'refresh_then_continue') throw error;
    if (seen.kind === 'gateway' && seen.answer.status === 500) history.internalErrors += 1;
    const told = action.do === 'back_off' ? action.retryAfterMs : null;
    // Another gateway may answer at once; only after all were asked it is time to wait.
    const addresses = connection.bases.length;
    const anotherIsLeft = history.failures % addresses !== 0;
    const wait = anotherIsLeft ? 0 : (told ?? backoffMs(Math.ceil(history.failures / addresses), Math.random()));
    if (isOffline()) started = now();
    else giveUp(connection, call, now() - started, wait, words);
    if (history.failures === 1) connection.notice('gateway_trouble', `${words}; trying again.`);
    connection.bases.push(...connection.bases.splice(0, 1));
    await pause(connection, wait, signal);
  }
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

type Attempt = { answer: Answer } | { seen: Seen; error: UploadError; words: string };

async function tryOnce(connection: Connection, call: Call, signal: AbortSignal): Promise<Attempt> {
  const headers = await connection.headers();
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
    return response.ok ? { answer: readAnswer(call, response, text) } : refusal(response, text);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof UploadError) throw cause;
    const words = 'the gateway did not answer';
    return { seen: { kind: 'network' }, words, error: new UploadError('stalled', words, { resumable: true, cause }) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
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

function refusal(response: Response, text: string): Attempt {
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
  return { seen, error: problemError(problem), words: `the gateway answered ${problem.status} ${problem.code}`.trim() };
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
  const resumable = !gone && (problem.status === 401 || problem.status === 403 || problem.status >= 500);
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
