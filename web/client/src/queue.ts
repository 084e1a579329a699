import { Emitter } from './events.js';
import { now } from './runtime.js';
import { CONNECTIONS_DEFAULT } from './transfer/concurrency.js';
import { Lanes } from './transfer/lanes.js';
import { Rate } from './transfer/rate.js';
import type { State, UploadOptions } from './types.js';
import { Upload } from './upload/upload.js';

/** How far a queue is. A new object each time. */
export interface QueueProgress {
  readonly totalBytes: number;
  readonly storedBytes: number;
  readonly sendingBytes: number;
  /** 0 to 100; 100 only when every upload is done. */
  readonly percent: number;
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | null;
  /** Uploads in the queue that were not aborted. */
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  /** Neither waiting nor over. */
  readonly active: number;
}

/** The events of a queue. */
export interface QueueEvents {
  added: Upload;
  removed: Upload;
  /** The state of one of its uploads changed. */
  state: Upload;
  /** At most ten times a second. */
  progress: QueueProgress;
}

const PROGRESS_MS = 100;
const OVER: readonly State[] = ['done', 'failed', 'aborted'];
/** Started by nobody but a turn in the queue. */
const NOT_STARTED: readonly State[] = ['idle', 'waiting'];
/**
 * Files are begun until those under way could keep so many times all connections busy: the calls of one file then
 * overlap the parts of others, and small files do not wait for round trips.
 */
const APPETITE = 3;

/** Many files over the same few connections, one after the other as far as that keeps them busy. */
export class UploadQueue extends Emitter<QueueEvents> {
  readonly #options: UploadOptions;
  readonly #lanes: Lanes;
  readonly #uploads: Upload[] = [];
  readonly #leave = new Map<Upload, () => void>();
  #paused = false;
  #rate: Rate | null = null;
  #told = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #whenIdle: (() => void)[] = [];

  /** `options` hold for every file that says nothing else; `maxConnections` for all of them together. */
  constructor(options: UploadOptions = {}) {
    super();
    this.#options = options;
    this.#lanes = new Lanes(options.maxConnections ?? CONNECTIONS_DEFAULT);
  }

  /** In the order in which they were added. */
  get uploads(): readonly Upload[] {
    return this.#uploads;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Settles when nothing runs or waits; at once when that is so now. */
  get idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
      this.#tellIdle();
    });
  }

  /** Adds a file. It starts by itself in its turn, unless the queue is paused. */
  add(file: Blob, options: UploadOptions = {}): Upload {
    const upload = new Upload(file, { ...this.#options, ...options }, this.#lanes);
    const leave = [
      upload.on('state', () => {
        this.emit('state', upload);
        this.#admit();
        this.#changed();
      }),
      upload.on('progress', () => this.#changed()),
      upload.on('part', () => this.#admit()),
    ];
    this.#leave.set(upload, () => {
      for (const stop of leave) stop();
    });
    this.#uploads.push(upload);
    upload.wait();
    this.emit('added', upload);
    queueMicrotask(() => this.#admit());
    this.#changed();
    return upload;
  }

  /** Takes an upload that is over out of the list. */
  remove(upload: Upload): void {
    const index = this.#uploads.indexOf(upload);
    if (index === -1 || !(OVER.includes(upload.state) || NOT_STARTED.includes(upload.state))) return;
    this.#uploads.splice(index, 1);
    this.#leave.get(upload)?.();
    this.#leave.delete(upload);
    this.emit('removed', upload);
    this.#changed();
  }

  /** Pauses every upload, and begins no other. */
  pause(): void {
    this.#paused = true;
    for (const upload of this.#uploads) if (!NOT_STARTED.includes(upload.state)) upload.pause();
    this.#changed();
  }

  /** Goes on with every paused upload; what has failed is left to `Upload.resume()`. */
  resume(): void {
    this.#paused = false;
    for (const upload of this.#uploads) if (upload.state === 'paused') upload.resume();
    this.#admit();
    this.#changed();
  }

  /** Aborts every upload that is not done. */
  async abort(): Promise<void> {
    await Promise.allSettled(this.#uploads.map((upload) => upload.abort()));
  }

  get progress(): QueueProgress {
    const counted = this.#uploads.filter((upload) => upload.state !== 'aborted');
    const sum = (of: (upload: Upload) => number) => counted.reduce((total, upload) => total + of(upload), 0);
    const totalBytes = sum((upload) => upload.size);
    const storedBytes = sum((upload) => upload.progress.storedBytes);
    const sendingBytes = sum((upload) => upload.progress.sendingBytes);
    const inState = (states: readonly State[]) => counted.filter((upload) => states.includes(upload.state)).length;
    const done = inState(['done']);
    const failed = inState(['failed']);
    const sent = storedBytes + sendingBytes;
    const share = totalBytes === 0 ? 0 : Math.min(99.99, (sent / totalBytes) * 100);
    const active = counted.length - done - failed - inState(NOT_STARTED);
    const moving = counted.some((upload) => upload.progress.connections > 0);
    return {
      totalBytes,
      storedBytes,
      sendingBytes,
      percent: counted.length > 0 && done === counted.length ? 100 : share,
      bytesPerSecond: moving ? (this.#rate?.bytesPerSecond ?? 0) : 0,
      secondsLeft: moving ? (this.#rate?.secondsLeft(totalBytes - sent, now()) ?? null) : null,
      total: counted.length,
      done,
      failed,
      active,
    };
  }

  /** Begins as many uploads as keep the connections busy. */
  #admit(): void {
    if (this.#paused) return;
    let appetite = 0;
    const most = APPETITE * this.#lanes.max;
    for (const upload of this.#uploads) {
      if (appetite >= most) return;
      if (OVER.includes(upload.state) || upload.state === 'paused') continue;
      if (NOT_STARTED.includes(upload.state)) upload.start();
      // One large file is not all there is: the next one begins early enough to take over.
      appetite += Math.min(upload.demand, most - this.#lanes.max);
    }
  }

  #changed(): void {
    this.#tellIdle();
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, PROGRESS_MS - (now() - this.#told));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#told = now();
      this.#observe();
      this.emit('progress', this.progress);
    }, wait);
  }

  #observe(): void {
    const at = now();
    const sent = this.#uploads.reduce((sum, { progress }) => sum + progress.storedBytes + progress.sendingBytes, 0);
    const running = this.#uploads.some(({ state }) => !OVER.includes(state) && !NOT_STARTED.includes(state));
    if (!running) this.#rate = null;
    else if (this.#rate === null) this.#rate = new Rate(sent, at);
    else this.#rate.observe(sent, at);
  }

  #tellIdle(): void {
    const busy = this.#uploads.some(({ state }) => !OVER.includes(state) && !(this.#paused && NOT_STARTED.includes(state)));
    if (!busy) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}
