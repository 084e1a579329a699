import type { HashKind } from './algorithms.js';
import { toBase64, toHex } from './bytes.js';
import { HashingUnavailable } from './unavailable.js';
import type { HashResult } from './worker.js';

/** Reading is the bound, not hashing: two readers saturate most disks. */
const WORKERS = 2;
/** Idle workers are ended: each holds some megabytes. */
const IDLE_MS = 10_000;

type Settle = { resolve: (digest: Uint8Array) => void; reject: (error: unknown) => void };
type Engine = { hash(blob: Blob, kind: HashKind): Promise<Uint8Array>; end(): void };

/** Where the worker's file is; beside this module unless an app's bundler wants it elsewhere. */
export type WorkerUrl = string | URL;

/** Hashes Blobs in workers, or right here where there are none (Node, or a worker that cannot be loaded). */
export class HashPool {
  readonly #url: WorkerUrl;
  #engines: { engine: Engine; busy: boolean }[] = [];
  #waiting: (() => void)[] = [];
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(url: WorkerUrl) {
    this.#url = url;
  }

  /** Base64, as S3 writes checksums. */
  async checksum(blob: Blob, kind: HashKind): Promise<string> {
    return toBase64(await this.#hash(blob, kind));
  }

  /** Hex. */
  async hex(blob: Blob, kind: HashKind): Promise<string> {
    return toHex(await this.#hash(blob, kind));
  }

  /** SHA-256 (hex) of a whole file, in a worker of its own, so that parts need not wait for it. */
  async whole(file: Blob, signal: AbortSignal): Promise<string> {
    const engine = newEngine(this.#url);
    const end = () => engine.end();
    signal.addEventListener('abort', end, { once: true });
    try {
      return toHex(await engine.hash(file, 'sha256'));
    } finally {
      signal.removeEventListener('abort', end);
      engine.end();
    }
  }

  async #hash(blob: Blob, kind: HashKind): Promise<Uint8Array> {
    const slot = await this.#take();
    try {
      return await slot.engine.hash(blob, kind);
    } finally {
      slot.busy = false;
      this.#waiting.shift()?.();
      this.#endWhenIdle();
    }
  }

  async #take(): Promise<{ engine: Engine; busy: boolean }> {
    clearTimeout(this.#idle);
    for (;;) {
      const free = this.#engines.find((slot) => !slot.busy);
      if (free !== undefined) {
        free.busy = true;
        return free;
      }
      if (this.#engines.length < WORKERS) {
        const slot = { engine: newEngine(this.#url), busy: true };
        this.#engines.push(slot);
        return slot;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #endWhenIdle(): void {
    if (this.#engines.some((slot) => slot.busy)) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      for (const slot of this.#engines.splice(0)) slot.engine.end();
    }, IDLE_MS);
    // Node: nothing must stay alive for this.
    (this.#idle as { unref?: () => void }).unref?.();
  }
}

const pools = new Map<string, HashPool>();

/** The pool of this page, one for each worker file. */
export function hashPool(url: WorkerUrl | undefined): HashPool {
  const resolved = url ?? new URL('./hash-worker.js', import.meta.url);
  const key = String(resolved);
  let pool = pools.get(key);
  if (pool === undefined) pools.set(key, (pool = new HashPool(resolved)));
  return pool;
}

function newEngine(url: WorkerUrl): Engine {
  if (typeof Worker === 'undefined') return inThread(url);
  try {
    return inWorker(url);
  } catch {
    // The page's policy forbids it, or the file is on another origin.
    return inThread(url);
  }
}

function inWorker(url: WorkerUrl): Engine {
  const worker = new Worker(url, { type: 'module', name: 'partgate-hash' });
  const jobs = new Map<number, Settle & { blob: Blob; kind: HashKind }>();
  let ready = false;
  let substitute: Engine | null = null;
  let count = 0;
  worker.onmessage = ({ data }: MessageEvent<HashResult | 'ready'>) => {
    if (data === 'ready') {
      ready = true;
      return;
    }
    const job = jobs.get(data.id);
    jobs.delete(data.id);
    if ('digest' in data) job?.resolve(data.digest);
    else job?.reject(failure(data.error));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const waiting = [...jobs.values()];
    jobs.clear();
    if (ready) {
      for (const job of waiting) job.reject(new HashingUnavailable(`the hashing worker failed: ${event.message}`));
      return;
    }
    // It could not be loaded at all: hash in this thread rather than not at all.
    substitute ??= inThread(url);
    for (const job of waiting) substitute.hash(job.blob, job.kind).then(job.resolve, job.reject);
  };
  return {
    hash(blob, kind) {
      if (substitute !== null) return substitute.hash(blob, kind);
      return new Promise((resolve, reject) => {
        count += 1;
        jobs.set(count, { resolve, reject, blob, kind });
        worker.postMessage({ id: count, blob, kind });
      });
    },
    end() {
      worker.terminate();
      for (const job of jobs.values()) job.reject(new DOMException('hashing was stopped', 'AbortError'));
      jobs.clear();
    },
  };
}

function inThread(url: WorkerUrl): Engine {
  const load = import(/* @vite-ignore */ /* webpackIgnore: true */ String(url)) as Promise<
    typeof import('./worker.js')
  >;
  load.catch(() => undefined);
  return {
    async hash(blob, kind) {
      let hashing;
      try {
        hashing = await load;
      } catch (cause) {
        const words = `${String(url)} cannot be loaded; serve hash-worker.js of @partgate/client there, or set workerUrl`;
        throw new HashingUnavailable(words, { cause });
      }
      return hashing.hashBlob(blob, kind);
    },
    end() {},
  };
}

/** The worker's error, as one of this thread. */
function failure({ name, message }: { name: string; message: string }): Error {
  return name === 'HashingUnavailable' ? new HashingUnavailable(message) : new DOMException(message, name);
}
