import { UploadError } from '../errors.js';
import { randomId } from '../runtime.js';
import type { GatewayOptions, Notice } from '../types.js';
import type {
  CompleteRequest,
  Completion,
  InitRequest,
  ReportRequest,
  SignRequest,
  SignResponse,
  UploadCreated,
  UploadList,
  UploadState,
  UploadStatus,
} from '../wire.js';
import { type Answer, type Call, type Connection, makeCall } from './call.js';
import { Credentials } from './credentials.js';

/** What complete answers: the object, or that it goes on. */
export type CompleteAnswer =
  | { completion: Completion }
  | { goesOn: UploadStatus; waitMs: number };

/** URLs are tried for so long at least. */
const SHORTEST_LIFETIME_MS = 5_000;
/** How often status of a running completion is asked, unless the gateway says otherwise. */
const POLL_MS = 1_000;

/** The gateway: one method a route. */
export class Gateway {
  readonly #connection: Connection;

  constructor(options: GatewayOptions, giveUpAfterMs: number, notice: Connection['notice'] = () => undefined) {
    this.#connection = {
      bases: basesOf(options.gateway),
      credentials: new Credentials(options),
      giveUpAfterMs,
      reached: false,
      waitingUntil: null,
      notice: (code: Notice['code'], message: string) => notice(code, message),
    };
  }

  /** What names the gateway in this browser's memory: the first address given. */
  static nameOf(options: GatewayOptions): string {
    return basesOf(options.gateway)[0]?.href ?? '';
  }

  get waitingUntil(): number | null {
    return this.#connection.waitingUntil;
  }

  /** The upload's own token, as far as it is known and good. */
  tokenOf(uploadId: string): string | null {
    return this.#connection.credentials.tokenOf(uploadId);
  }

  /** Uses an upload's own token for its calls from now on. */
  adoptToken(uploadId: string, token: string | null | undefined): void {
    if (token) this.#connection.credentials.adopt(uploadId, token);
  }

  async init(request: InitRequest, signal: AbortSignal): Promise<{ created: UploadCreated; found: boolean; date: number | null }> {
    const init = { name: 'init', method: 'POST', path: 'upload/init', uploadId: null } as const;
    const call: Call = { ...init, body: request, idempotencyKey: randomId() };
    const answer = await this.#call(call, signal);
    const created = expect<UploadCreated>('init', answer, ['upload_id', 'part_size']);
    this.adoptToken(created.upload_id, created.token);
    return { created, found: answer.status === 200, date: answer.date };
  }

  /** The signed parts, and for how long their URLs are good. */
  async sign(uploadId: string, request: SignRequest, signal: AbortSignal): Promise<{ response: SignResponse; lifetimeMs: number }> {
    const answer = await this.#call(about('sign', 'POST', uploadId, '/sign', request), signal);
    const response = expect<SignResponse>('sign', answer, ['parts', 'expires_at']);
    return { response, lifetimeMs: lifetimeMs(response.parts[0]?.url, response.expires_at, answer.date) };
  }

  async report(uploadId: string, request: ReportRequest, signal: AbortSignal): Promise<void> {
    await this.#call(about('report', 'POST', uploadId, '/parts', request), signal);
  }

  async status(uploadId: string, what: { refresh: boolean; parts: boolean }, signal: AbortSignal): Promise<UploadStatus> {
    const query = `?refresh=${what.refresh}&parts=${what.parts}`;
    const answer = await this.#call(about('status', 'GET', uploadId, `/status${query}`), signal);
    return expect<UploadStatus>('status', answer, ['upload_id', 'state']);
  }

  async complete(uploadId: string, request: CompleteRequest, signal: AbortSignal): Promise<CompleteAnswer> {
    const answer = await this.#call(about('complete', 'POST', uploadId, '/complete', request), signal);
    if (answer.status === 202) {
      const goesOn = expect<UploadStatus>('complete', answer, ['state']);
      return { goesOn, waitMs: answer.retryAfterMs ?? POLL_MS };
    }
    return { completion: expect<Completion>('complete', answer, ['key', 'size']) };
  }

  /** Aborts an upload that may be gone or completed already: either way it is no longer in the way. */
  async abort(uploadId: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#call(about('abort', 'DELETE', uploadId, ''), signal);
    } catch (error) {
      if (!(error instanceof UploadError) || (error.code !== 'gone' && error.code !== 'upload_closed')) throw error;
    }
  }

  async list(state: UploadState, limit: number, signal: AbortSignal): Promise<UploadList> {
    const path = `upload?state=${state}&limit=${limit}`;
    const answer = await this.#call({ name: 'list', method: 'GET', path, uploadId: null }, signal);
    return expect<UploadList>('list', answer, ['uploads']);
  }

  async #call(call: Call, signal: AbortSignal): Promise<Answer> {
    return makeCall(this.#connection, call, signal);
  }
}

function basesOf(gateway: GatewayOptions['gateway']): URL[] {
  const given = Array.isArray(gateway) ? (gateway as readonly (string | URL)[]) : [(gateway as string | URL | undefined) ?? '/'];
  const here = (globalThis as { location?: { href: string } }).location?.href;
  return given.map((address) => {
    try {
      const base = new URL(address, here);
      if (!base.pathname.endsWith('/')) base.pathname += '/';
      return base;
    } catch (cause) {
      const message = `"${String(address)}" is not the URL of a gateway; give one like https://upload.example.com.`;
      throw new UploadError('unreachable', message, { resumable: false, cause });
    }
  });
}

function about(name: string, method: Call['method'], uploadId: string, rest: string, body?: unknown): Call {
  const path = `upload/${encodeURIComponent(uploadId)}${rest}`;
  return { name, method, path, uploadId, ...(body === undefined ? {} : { body }) };
}

function expect<T>(name: string, answer: Answer, fields: readonly string[]): T {
  const body = answer.body as Record<string, unknown> | null;
  const missing = fields.find((field) => body === null || typeof body !== 'object' || !(field in body));
  if (missing === undefined) return body as T;
  const message = `The answer of ${name} cannot be understood: it has no ${missing}. Is this the gateway's address?`;
  throw new UploadError('invalid_answer', message, { resumable: false });
}

/**
 * How long URLs are good for. The URL says so itself; else the gateway's own clock does, which its Date header tells.
 * The clock of this machine is not asked, because it may be wrong.
 */
export function lifetimeMs(url: string | undefined, expiresAt: string | null | undefined, date: number | null): number {
  const seconds = Number(url === undefined ? Number.NaN : new URL(url).searchParams.get('X-Amz-Expires') ?? Number.NaN);
  if (seconds > 0) return seconds * 1000;
  const left = Date.parse(expiresAt ?? '') - (date ?? Date.now());
  return Number.isNaN(left) ? SHORTEST_LIFETIME_MS : Math.max(left, SHORTEST_LIFETIME_MS);
}
