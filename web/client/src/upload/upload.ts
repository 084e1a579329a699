import { UploadError } from '../errors.js';
import { Emitter } from '../events.js';
import { Gateway } from '../gateway/gateway.js';
import { Memory } from '../memory/memory.js';
import { CONNECTIONS_DEFAULT } from '../transfer/concurrency.js';
import { Lanes } from '../transfer/lanes.js';
import { PART_SIZE_DEFAULT } from '../transfer/part-size.js';
import type { Notice, Progress, State, Uploaded, UploadEvents, UploadOptions } from '../types.js';
import type { ChecksumAlgorithm } from '../wire.js';
import type { Driver } from './driver.js';
import { noProgress, percentOf } from './meter.js';
import { GIVE_UP_AFTER_MS, Run } from './run.js';

/**
 * One file on its way to a proven object in storage.
 *
 * It never aborts an upload by itself: only `abort()` does. Whatever else ends it, the same file goes on where it
 * stopped, in this tab, after a reload, or on another device.
 */
export class Upload extends Emitter<UploadEvents> {
  readonly file: Blob;
  readonly name: string;
  readonly size: number;
  readonly options: Readonly<UploadOptions>;
  readonly #lanes: Lanes;
  #state: State = 'idle';
  #progress: Progress;
  #uploadId: string | null;
  #error: UploadError | null = null;
  #result: Uploaded | null = null;
  #done!: { promise: Promise<Uploaded>; resolve: (uploaded: Uploaded) => void; reject: (error: UploadError) => void };
  #gateway: Gateway | null = null;
  #run: Run | null = null;
  /** Settles when nothing of the last run is under way any more. */
  #settled: Promise<void> = Promise.resolve();
  #driver: Driver | null = null;
  #paused = false;
  #aborting: Promise<void> | null = null;

  /**
   * Uploads `file`, a `File` or any `Blob` (then `options.name` says how it is called). Nothing starts yet.
   *
   * `lanes` are the connections of a queue; alone, an upload has its own.
   */
  constructor(file: Blob, options: UploadOptions = {}, lanes: Lanes = new Lanes(options.maxConnections ?? CONNECTIONS_DEFAULT)) {
    super();
    this.file = file;
    this.name = options.name ?? ((file as Partial<File>).name || 'file');
    this.size = file.size;
    this.options = options;
    this.#uploadId = options.uploadId ?? null;
    this.#progress = noProgress(file.size);
    this.#lanes = lanes;
    this.#promise();
  }

  get state(): State {
    return this.#state;
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** The gateway's id of this upload, once it is open. */
  get uploadId(): string | null {
    return this.#uploadId;
  }

  /** Why it failed; `null` in every state but `failed` and `aborted`. */
  get error(): UploadError | null {
    return this.#error;
  }

  get result(): Uploaded | null {
    return this.#result;
  }

  /** Bytes; 0 until the upload is open. */
  get partSize(): number {
    return this.#driver?.transfer.setup.grid.partSize ?? 0;
  }

  get checksum(): ChecksumAlgorithm {
    return this.options.checksum ?? 'crc64nvme';
  }

  /** Live: the `PartState` of each part, at its number - 1. Empty until the upload is open. */
  get parts(): Uint8Array {
    return this.#driver?.transfer.parts ?? new Uint8Array();
  }

  /** How much of a part in flight is sent, 0 to 1. */
  partFraction(number: number): number {
    const size = this.#driver?.transfer.setup.grid.length(number) ?? 0;
    return size === 0 ? 0 : Math.min(1, (this.#driver?.inFlight.get(number) ?? 0) / size);
  }

  /** Parts that it could still send: what a queue knows its appetite by. @internal */
  get demand(): number {
    if (['finishing', 'verifying', 'watching'].includes(this.#state)) return 0;
    const transfer = this.#driver?.transfer;
    if (transfer === undefined) return Math.max(1, Math.ceil(this.size / (this.options.partSize ?? PART_SIZE_DEFAULT)));
    return transfer.setup.grid.totalParts - transfer.keptParts;
  }

  /** The object, once it is proven. After `resume()` from `failed` it is another promise. */
  get done(): Promise<Uploaded> {
    return this.#done.promise;
  }

  /** Begins. Does nothing unless it is `idle` (or `waiting` in a queue). */
  start(): this {
    if (this.#state === 'idle' || this.#state === 'waiting') this.#begin('resume');
    return this;
  }

  /** Stops sending at once; `resume()` goes on. Parts in flight are sent again. Too late once all are stored. */
  pause(): void {
    const running = ['waiting', 'preparing', 'checking', 'uploading', 'retrying', 'offline', 'watching'];
    if (!running.includes(this.#state)) return;
    this.#paused = true;
    this.#run?.pause();
    this.#setState('paused');
  }

  /** Goes on after `pause()`, or tries again after a failure. */
  resume(): void {
    if (this.#state === 'failed') this.#begin('resume');
    if (this.#state !== 'paused') return;
    this.#paused = false;
    // Paused before its turn came: it is in line again.
    if (this.#run === null) return this.#setState('waiting');
    this.#setState(this.#driver === null ? 'preparing' : 'uploading');
    this.#run.resume();
  }

  /** After a failure: takes back what there is of it and begins anew. */
  restart(): void {
    if (this.#state === 'failed') this.#begin('anew');
  }

  /**
   * Takes the upload back: nothing of it stays in storage, unless it was completed in the same moment. `done` rejects
   * with `aborted` at once; the answer settles when the gateway has said that it is gone, and rejects with an
   * `UploadError` when it could not be told. Idempotent.
   */
  abort(): Promise<void> {
    if (this.#state === 'done') return Promise.resolve();
    this.#aborting ??= this.#abort();
    return this.#aborting;
  }

  async #abort(): Promise<void> {
    const error = new UploadError('aborted', 'The upload was aborted.', { resumable: false });
    const run = this.#run;
    run?.stop(error);
    this.#error = error;
    this.#setState('aborted');
    this.#done.reject(error);
    await this.#settled;
    const uploadId = (await run?.opened()) ?? this.#uploadId;
    if (uploadId === null) return;
    const memory = new Memory(this.options);
    const gateway = this.#gateway ?? this.#newGateway();
    gateway.adoptToken(uploadId, gateway.tokenOf(uploadId) ?? memory.byId(uploadId)?.token);
    await gateway.abort(uploadId, new AbortController().signal);
    memory.forgetId(uploadId);
  }

  /** For a queue: it is in line. @internal */
  wait(): void {
    if (this.#state === 'idle') this.#setState('waiting');
  }

  #promise(): void {
    let resolve!: (uploaded: Uploaded) => void;
    let reject!: (error: UploadError) => void;
    const promise = new Promise<Uploaded>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    // Whoever listens to events need not take the promise too.
    promise.catch(() => undefined);
    this.#done = { promise, resolve, reject };
  }

  #newGateway(): Gateway {
    const { uploadId, token, giveUpAfterMs } = this.options;
    const gateway = new Gateway(this.options, giveUpAfterMs ?? GIVE_UP_AFTER_MS, (code, message) => this.#notice(code, message));
    if (uploadId !== undefined) gateway.adoptToken(uploadId, token);
    return gateway;
  }

  #begin(how: 'resume' | 'anew'): void {
    if (this.#state === 'failed') this.#promise();
    this.#error = null;
    this.#paused = false;
    this.#driver = null;
    this.#setState('preparing');
    this.#settled = this.#runToEnd(how === 'anew' || this.options.unfinished === 'restart');
  }

  async #runToEnd(anew: boolean): Promise<void> {
    const { signal } = this.options;
    const cancel = () =>
      this.#run?.stop(new UploadError('cancelled', 'The upload was stopped. It can be gone on with.', { resumable: true }));
    try {
      this.#gateway = this.#newGateway();
      const run = new Run({
        file: this.file,
        name: this.name,
        options: this.options,
        checksum: this.checksum,
        lanes: this.#lanes,
        gateway: this.#gateway,
        uploadId: this.#uploadId,
        anew,
        paused: this.#paused,
        onState: (state) => {
          this.#driver = run.driver;
          this.#setState(state);
        },
        onProgress: (progress) => this.#setProgress(progress),
        onPart: (event) => this.emit('part', event),
        onNotice: (code, message) => this.#notice(code, message),
        onOpened: (uploadId) => (this.#uploadId = uploadId),
      });
      this.#run = run;
      signal?.addEventListener('abort', cancel);
      if (signal?.aborted) cancel();
      this.#succeed(await run.upload());
    } catch (cause) {
      this.#fail(toUploadError(cause));
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  #succeed(uploaded: Uploaded): void {
    if (this.#state === 'aborted') return;
    this.#result = uploaded;
    const { totalBytes } = this.#progress;
    this.#setProgress({ ...this.#atRest(), storedBytes: totalBytes, percent: 100, secondsLeft: 0 });
    this.#setState('done');
    this.#done.resolve(uploaded);
    this.emit('done', uploaded);
  }

  #fail(error: UploadError): void {
    if (this.#state === 'aborted') return;
    this.#error = error;
    this.#setProgress(this.#atRest());
    this.#setState('failed');
    this.#done.reject(error);
    this.emit('error', error);
  }

  #atRest(): Progress {
    const { storedBytes, totalBytes } = this.#progress;
    const percent = percentOf(storedBytes, totalBytes);
    return { ...this.#progress, percent, sendingBytes: 0, bytesPerSecond: 0, secondsLeft: null, connections: 0, retryInSeconds: null };
  }

  #notice(code: Notice['code'], message: string): void {
    this.emit('notice', { code, message });
  }

  #setState(state: State): void {
    // Whatever was under way when it was aborted has no say any more.
    if (state === this.#state || this.#state === 'aborted') return;
    this.#state = state;
    this.emit('state', state);
  }

  #setProgress(progress: Progress): void {
    this.#progress = progress;
    this.emit('progress', progress);
  }
}

function toUploadError(cause: unknown): UploadError {
  if (cause instanceof UploadError) return cause;
  const message = `Something went wrong that should not: ${cause instanceof Error ? cause.message : String(cause)}.`;
  return new UploadError('internal', message, { resumable: true, cause });
}
