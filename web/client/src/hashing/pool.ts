import type { HashKind, Identified } from './algorithms.js';
import { toBase64, toHex } from './bytes.js';
import { HashingUnavailable } from './unavailable.js';
import type { HashResult, Task } from './worker.js';

/** Reading is the bound, not hashing: two readers saturate most disks. */
const WORKERS = 2;
/** Idle workers are ended: each holds some megabytes. */
const IDLE_MS = 10_000;

type Value = Uint8Array | Identified;
/** Something that hashes: a worker, or this thread. */
interface Engine {
  run(blob: Blob, task: Task): Promise<Value>;
  end(): void;
}
interface Slot {
  engine: Engine;
  busy: boolean;
}

/** Where the worker's file is; beside this module unless an app's bundler wants it elsewhere. */
export type WorkerUrl = string | URL;

/** Hashes Blobs in workers, or right here where there are none (Node, or a worker that cannot be loaded). */
export class HashPool {
  readonly #url: WorkerUrl;
  readonly #slots: Slot[] = [];
  readonly #waiting: ((slot: Slot) => void)[] = [];
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(url: WorkerUrl) {
    this.#url = url;
  }

  /** Base64, as S3 writes checksums. */
  async checksum(blob: Blob, kind: HashKind): Promise<string> {
    return toBase64((await this.#run(blob, { kind })) as Uint8Array);
  }

  /** What a file is known by; with its checksum in one go where it is `checksum`ed. */
  async identify(file: Blob, purpose: string | null, checksum: HashKind | null): Promise<Identified> {
    return (await this.#run(file, { purpose, checksum })) as Identified;
  }

  /** SHA-256 (hex) of a whole file, in a worker of its own, so that parts need not wait for it. */
  async whole(file: Blob, signal: AbortSignal): Promise<string> {
    const engine = newEngine(this.#url);
    const end = () => engine.end();
    signal.addEventListener('abort', end, { once: true });
    try {
      return toHex((await engine.run(file, { kind: 'sha256' })) as Uint8Array);
    } finally {
      signal.removeEventListener('abort', end);
      engine.end();
    }
  }

  async #run(blob: Blob, task: Task): Promise<Value> {
    const slot = await this.#take();
    try {
      return await slot.engine.run(blob, task);
    } finally {
      const next = this.#waiting.shift();
      if (next !== undefined) next(slot);
      else this.#release(slot);
    }
  }

  /** A slot that is this job's own until it is released or handed on. */
  async #take(): Promise<Slot> {
    clearTimeout(this.#idle);
    let slot = this.#slots.find(({ busy }) => !busy);
    if (slot === undefined && this.#slots.length < WORKERS) {
      slot = { engine: newEngine(this.#url), busy: false };
      this.#slots.push(slot);
    }
    if (slot === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    slot.busy = true;
    return slot;
  }

  #release(slot: Slot): void {
    slot.busy = false;
    if (this.#slots.some(({ busy }) => busy)) return;
    this.#idle = setTimeout(() => {
      for (const { engine } of this.#slots.splice(0)) engine.end();
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

interface Job {
  blob: Blob;
  task: Task;
  resolve: (value: Value) => void;
  reject: (error: unknown) => void;
}

function inWorker(url: WorkerUrl): Engine {
  const worker = new Worker(url, { type: 'module', name: 'partgate-hash' });
  const jobs = new Map<number, Job>();
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
    if ('value' in data) job?.resolve(data.value);
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
    for (const job of waiting) substitute.run(job.blob, job.task).then(job.resolve, job.reject);
  };
  return {
    run(blob, task) {
      if (substitute !== null) return substitute.run(blob, task);
      return new Promise((resolve, reject) => {
        count += 1;
        jobs.set(count, { blob, task, resolve, reject });
        worker.postMessage({ id: count, blob, task });
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
  const load = import(/* @vite-ignore */ /* webpackIgnore: true */ String(url)) as Promise<typeof import('./worker.js')>;
  load.catch(() => undefined);
  return {
    async run(blob, task) {
      const { carryOut } = await load.catch((cause: unknown) => {
        const words = `${String(url)} cannot be loaded; serve hash-worker.js of @partgate/client there, or set workerUrl`;
        throw new HashingUnavailable(words, { cause });
      });
      return carryOut(blob, task);
    },
    end() {},
  };
}

/** The worker's error, as one of this thread. */
function failure({ name, message }: { name: string; message: string }): Error {
  return name === 'HashingUnavailable' ? new HashingUnavailable(message) : new DOMException(message, name);
}
