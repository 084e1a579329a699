/** Who calls: an upload's own token for that upload's calls, else whatever the app gives. */
import { UploadError } from '../errors.js';
import type { GatewayOptions } from '../types.js';

/** What a call is sent with. */
export interface Credential {
  headers: Headers;
  /** `upload`: the upload's own token; `hook`: from `fetchToken`; `headers`: nothing beside the app's own headers. */
  from: 'upload' | 'hook' | 'headers';
}

/** The credentials of one gateway. They are for its API only: storage's URLs carry their own. */
export class Credentials {
  readonly #options: GatewayOptions;
  /** By upload. */
  readonly #own = new Map<string, string>();
  #token: string | null = null;
  #asking: Promise<string> | null = null;
  /** The token that was given last was refused. */
  #refused = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  /** Uses an upload's own token for its calls from now on. */
  adopt(uploadId: string, token: string): void {
    this.#own.set(uploadId, token);
  }

  /** The upload's own token, unless there is none or it was refused. */
  tokenOf(uploadId: string): string | null {
    return this.#own.get(uploadId) ?? null;
  }

  /** For a call about this upload, or about none. Rejects with what the app's functions reject with. */
  async forCall(uploadId: string | null): Promise<Credential> {
    const headers = await this.#given();
    const own = uploadId === null ? null : this.tokenOf(uploadId);
    if (own !== null) return { headers: withToken(headers, own), from: 'upload' };
    if (this.#options.fetchToken === undefined) return { headers, from: 'headers' };
    return { headers: withToken(headers, await this.#fetched()), from: 'hook' };
  }

  /** The gateway refused what was sent: whether there is something else to try. */
  async refused({ headers, from }: Credential, uploadId: string | null): Promise<boolean> {
    switch (from) {
      case 'upload':
        if (uploadId !== null) this.#own.delete(uploadId);
        return this.#options.fetchToken !== undefined || [...(await this.#given().catch(() => new Headers()))].length > 0;
      case 'hook':
        // Another call may have fetched a new one meanwhile.
        if (this.#token !== null && headers.get('authorization') === `Bearer ${this.#token}`) this.#refused = true;
        return true;
      case 'headers': {
        if (typeof this.#options.headers !== 'function') return false;
        const fresh = await this.#given().catch(() => headers);
        return fresh.get('authorization') !== headers.get('authorization');
      }
    }
  }

  async #given(): Promise<Headers> {
    const { headers } = this.#options;
    return new Headers(typeof headers === 'function' ? await headers() : headers);
  }

  /** One answer serves all calls that wait for it. */
  #fetched(): Promise<string> {
    if (this.#token !== null && !this.#refused) return Promise.resolve(this.#token);
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #ask(): Promise<string> {
    this.#token = (await this.#options.fetchToken?.({ expired: this.#refused })) ?? '';
    this.#refused = false;
    return this.#token;
  }
}

/** What a header can carry, and every key, grant and token is made of (https://www.rfc-editor.org/rfc/rfc6750#section-2.1). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

function withToken(headers: Headers, token: string): Headers {
  if (!TOKEN.test(token)) {
    const message = 'The gateway was not asked: what was given as its token is none (empty, or with characters that tokens do not have).';
    throw new UploadError('unauthorized', message, { resumable: true });
  }
  headers.set('authorization', `Bearer ${token}`);
  return headers;
}
