/** The gateway under test: the real `partgate serve`. */
import { execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Completion, InitRequest, UploadCreated, UploadList, UploadStatus } from '../../client/src/wire.js';
import { PARTGATE } from './means.js';
import { freePort } from './ports.js';
import { Server } from './server.js';
import type { Store } from './store.js';

/** Settings over the usual ones: `{ 'urls.ttl': '2s' }`. */
export type Settings = Record<string, string>;

/** Whether callers must prove who they are. */
export type Auth = 'open' | 'required';

/** What tests that say nothing else run with. */
export const AUTH = (process.env['TEST_AUTH'] ?? 'open') as Auth;

/** What grants are signed with. */
const GRANT_SECRET = 'the-secret-of-the-app-that-the-tests-play';

const REQUIRED: Settings = {
  'auth.mode': 'required',
  'auth.token_secrets': `e2e:${'0123456789abcdef'.repeat(4)}`,
  'auth.issuers.app.secret': GRANT_SECRET,
  'auth.issuers.app.tenant': 'default',
};

export class Gateway {
  readonly url: string;
  readonly server: Server;
  /** An API key; none where nobody is asked for one. */
  readonly key: string | null;
  readonly #config: string | null;

  private constructor(url: string, server: Server, config: string | null, key: string | null) {
    this.url = url;
    this.server = server;
    this.#config = config;
    this.key = key;
  }

  /** Starts one whose clients reach storage at `publicEndpoint`. Those of one folder share a database. */
  static async start(folder: string, store: Store, publicEndpoint: string, settings: Settings = {}, auth: Auth = AUTH): Promise<Gateway> {
    mkdirSync(folder, { recursive: true });
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const config = join(folder, `partgate-${port}.toml`);
    writeFileSync(config, toml({
      listen: `127.0.0.1:${port}`,
      database: `sqlite://${join(folder, 'gateway.db')}`,
      'cors.origins': 'http://127.0.0.1:*',
      'storage.endpoint': store.endpoint,
      'storage.public_endpoint': publicEndpoint,
      'storage.bucket': store.name,
      'storage.access_key_id': store.accessKeyId,
      'storage.secret_access_key': store.secretAccessKey,
      ...(auth === 'required' ? REQUIRED : {}),
      ...settings,
    }));
    const key = auth === 'required' ? createKey(config) : null;
    const server = await Server.start({
      program: PARTGATE,
      arguments: ['serve', '--config', config],
      environment: { RUST_LOG: 'warn,partgate=debug' },
      log: join(folder, `gateway-${port}.log`),
      ready: async () => (await fetch(`${url}/readyz`)).ok,
    });
    return new Gateway(url, server, config, key);
  }

  /** `partgate dev`: gateway and store in one process, with nothing in between. */
  static async dev(folder: string): Promise<Gateway> {
    mkdirSync(folder, { recursive: true });
    const [port, storePort] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${port}`;
    const server = await Server.start({
      program: PARTGATE,
      arguments: ['dev', '--data', join(folder, 'data'), '--listen', `127.0.0.1:${port}`, '--store-listen', `127.0.0.1:${storePort}`],
      environment: { RUST_LOG: 'warn' },
      log: join(folder, 'dev.log'),
      ready: async () => (await fetch(`${url}/readyz`)).ok,
    });
    return new Gateway(url, server, null, null);
  }

  /** What says who calls. */
  get headers(): Record<string, string> {
    return this.key === null ? {} : { authorization: `Bearer ${this.key}` };
  }

  /** Ends an API key, at once. */
  revoke(key: string): void {
    const [, id] = /^pgk_([^_]+)_/.exec(key) ?? [];
    partgate('key', 'revoke', '--config', this.#config!, id!);
  }

  /** Another API key. */
  newKey(...roles: string[]): string {
    return createKey(this.#config!, ...roles);
  }

  async list(state?: string): Promise<UploadList['uploads']> {
    const query = state ? `?state=${state}&limit=1000` : '?limit=1000';
    return (await this.#get<UploadList>(`/upload${query}`)).uploads;
  }

  status(uploadId: string): Promise<UploadStatus> {
    return this.#get(`/upload/${uploadId}/status?refresh=true&parts=true`);
  }

  complete(uploadId: string): Promise<Completion> {
    return this.#call('POST', `/upload/${uploadId}/complete`, {});
  }

  /** Opens an upload, as an app's backend does. */
  init(request: InitRequest): Promise<UploadCreated> {
    return this.#call('POST', '/upload/init', request);
  }

  abort(uploadId: string): Promise<void> {
    return this.#call('DELETE', `/upload/${uploadId}`);
  }

  /** What a person gets who downloads the object. */
  async download(uploadId: string): Promise<{ size: number; sha256: string; disposition: string; type: string }> {
    const told = await fetch(`${this.url}/upload/${uploadId}/file`, { headers: this.headers, redirect: 'manual' });
    const location = told.headers.get('location');
    if (location === null) throw new Error(`the download of ${uploadId} answers ${told.status}: ${await told.text()}`);
    // Storage is not told who asks; the address is signed.
    const answer = await fetch(location);
    if (!answer.ok) throw new Error(`the download of ${uploadId} answers ${answer.status}: ${await answer.text()}`);
    const hash = createHash('sha256');
    let size = 0;
    // The types of the DOM do not know that it can be iterated.
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      size += chunk.length;
    }
    const header = (name: string) => answer.headers.get(name) ?? '';
    return { size, sha256: hash.digest('hex'), disposition: header('content-disposition'), type: header('content-type') };
  }

  #get<T>(path: string): Promise<T> {
    return this.#call('GET', path);
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = { ...this.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    const answer = await fetch(`${this.url}${path}`, { method, headers, ...json });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }
}

function toml(settings: Settings): string {
  return Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`).join('');
}

function createKey(config: string, ...roles: string[]): string {
  const role = roles.length === 0 ? [] : ['--role', roles.join(',')];
  return partgate('key', 'create', '--config', config, '--tenant', 'default', ...role).trim();
}

/** Runs a command; what the tests have in PARTGATE_… would be settings. */
function partgate(...given: string[]): string {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
  return execFileSync(PARTGATE, given, { encoding: 'utf8', stdio: 'pipe', env });
}

/** A grant, as an app's backend signs it: `web/client/README.md` has the same lines. */
export function grant(claims: Record<string, unknown> = {}): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const usual = { aud: 'partgate', sub: 'somebody', exp: Math.floor(Date.now() / 1_000) + 600 };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ ...usual, ...claims })}`;
  return `${signed}.${createHmac('sha256', GRANT_SECRET).update(signed).digest('base64url')}`;
}
