/** The gateway under test: the real `partgate serve`. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Completion, UploadList, UploadStatus } from '../../client/src/wire.js';
import { PARTGATE } from './means.js';
import { freePort } from './ports.js';
import { Server } from './server.js';
import type { Store } from './store.js';

/** Settings over the usual ones: `{ 'urls.ttl': '2s' }`. */
export type Settings = Record<string, string>;

export class Gateway {
  readonly url: string;
  readonly server: Server;

  private constructor(url: string, server: Server) {
    this.url = url;
    this.server = server;
  }

  /** Starts one whose clients reach storage at `publicEndpoint`. Those of one folder share a database. */
  static async start(folder: string, store: Store, publicEndpoint: string, settings: Settings = {}): Promise<Gateway> {
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
      ...settings,
    }));
    const server = await Server.start({
      program: PARTGATE,
      arguments: ['serve', '--config', config],
      environment: { RUST_LOG: 'warn,partgate=debug' },
      log: join(folder, `gateway-${port}.log`),
      ready: async () => (await fetch(`${url}/readyz`)).ok,
    });
    return new Gateway(url, server);
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
    return new Gateway(url, server);
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

  /** What a person gets who downloads the object. */
  async download(uploadId: string): Promise<{ size: number; sha256: string; disposition: string; type: string }> {
    const answer = await fetch(`${this.url}/upload/${uploadId}/file`);
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
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await fetch(`${this.url}${path}`, { method, ...json });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }
}

function toml(settings: Settings): string {
  return Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`).join('');
}
