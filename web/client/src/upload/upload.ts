import { UploadError } from '../errors.js';
import { Emitter } from '../events.js';
import { Gateway } from '../gateway/gateway.js';
import { type HashPool, hashPool } from '../hashing/pool.js';
import { removeHandle, saveHandle } from '../memory/handles.js';
import { type Lock, takeLock } from '../memory/lock.js';
import { type UploadRecord, findRecord, keyOf, records, rememberRate, rememberedRate, removeRecord, saveRecord } from '../memory/records.js';
import { isOffline, now, sleep } from '../runtime.js';
import { CONNECTIONS_DEFAULT } from '../transfer/concurrency.js';
import { Grid } from '../transfer/grid.js';
import { Lanes } from '../transfer/lanes.js';
import { PART_SIZE_DEFAULT, wishedPartSize } from '../transfer/part-size.js';
import { Rate } from '../transfer/rate.js';
import { Transfer } from '../transfer/transfer.js';
import type { Notice, Progress, State, Uploaded, UploadEvents, UploadOptions } from '../types.js';
import type { ChecksumAlgorithm, Completion, InitRequest, StoredPart, UploadStatus } from '../wire.js';
import { Driver } from './driver.js';
import { changed, unreadable } from './failures.js';
import { fingerprint, forPurpose } from './fingerprint.js';
import { type Expected, complete, completeRequest, partsToSendAgain, verify } from './finish.js';
import { prove } from './proof.js';
import { type Session, openSession, resumeSession } from './session.js';

/** Ten minutes. */
const GIVE_UP_AFTER_MS = 600_000;
/** How many parts init signs when no checksum has to be known before. */
const SIGN_FIRST = 16;
/** How often complete may find parts missing or wrong before that is somebody's bug. */
const ROUNDS_MAX = 10;
/** How often a tab that watches another asks how far it is. */
const WATCH_MS = 2_000;
/** A rate is worth remembering after so many parts. */
const RATE_PARTS_MIN = 8;

const NOTHING: Progress = {
  totalBytes: 0,
  storedBytes: 0,
  sendingBytes: 0,
  percent: 0,
  bytesPerSecond: 0,
  secondsLeft: null,
  totalParts: 0,
  storedParts: 0,
  resumedParts: 0,
  connections: 0,
  retries: 0,
  retryInSeconds: null,
  verifiedBytes: null,
};

/** What a file is known by in this upload. */
interface Identity {
  /** Of the content alone. */
  content: string;
  /** Of content and purpose. */
  fingerprint: string;
}

/** One run, from `start` or `resume` to its end. */
interface Run {
  stop: AbortController;
  gateway: Gateway;
  pool: HashPool;
  /** The init that is under way; it is not cut by `abort()`, which has to know what it opened. */
  opening: Promise<Session> | null;
  settled: Promise<void>;
}

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
  #run: Run | null = null;
  #paused = false;
  #wake: (() => void) | null = null;
  #driver: Driver | null = null;
  #rate: Rate | null = null;
  #anew = false;
  #aborting: Promise<void> | null = null;

  /** Uploads `file`, a `File` or any `Blob` (then `options.name` says how it is called). Nothing starts yet. */
  constructor(file: Blob, options: UploadOptions = {}, lanes: Lanes = new Lanes(options.maxConnections ?? CONNECTIONS_DEFAULT)) {
    super();
    this.file = file;
    this.name = options.name ?? ((file as Partial<File>).name || 'file');
    this.size = file.size;
    this.options = options;
    this.#uploadId = options.uploadId ?? null;
    this.#progress = { ...NOTHING, totalBytes: file.size };
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
    if (this.#state === 'finishing' || this.#state === 'verifying' || this.#state === 'watching') return 0;
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
    if (this.#state === 'idle' || this.#state === 'waiting') this.#begin();
    return this;
  }

  /** Stops sending at once; `resume()` goes on. Parts in flight are sent again. Too late once all are stored. */
  pause(): void {
    const tooLate = this.#isOver() || this.#state === 'finishing' || this.#state === 'verifying';
    if (this.#paused || tooLate) return;
    this.#paused = true;
    this.#driver?.pause();
    this.#setState('paused');
  }

  /** Goes on after `pause()`, or tries again after a failure. */
  resume(): void {
    const wasPaused = this.#paused;
    this.#paused = false;
    if (this.#state === 'failed') {
      this.#begin();
    } else if (wasPaused && this.#run === null) {
      this.#begin();
    } else if (wasPaused) {
      this.#setState(this.#driver === null ? 'preparing' : 'uploading');
      this.#driver?.resume();
      this.#wake?.();
    }
  }

  /** After a failure: takes back what there is of it and begins anew. */
  restart(): void {
    if (this.#state !== 'failed') return;
    this.#anew = true;
    this.#begin();
  }

  /**
   * Takes the upload back: nothing of it stays in storage, unless it was completed in the same moment. `done` rejects with `aborted` at once; the answer settles
   * when the gateway has said that it is gone, and rejects with an `UploadError` when it could not be told. Idempotent.
   */
  abort(): Promise<void> {
    if (this.#state === 'done') return Promise.resolve();
    this.#aborting ??= this.#abort();
    return this.#aborting;
  }

  async #abort(): Promise<void> {
    const error = new UploadError('aborted', 'The upload was aborted.', { resumable: false });
    const run = this.#run;
    run?.stop.abort(error);
    this.#error = error;
    this.#setState('aborted');
    this.#done.reject(error);
    await run?.settled;
    // An init that was under way may have opened it all the same.
    const opened = await run?.opening?.catch(() => null);
    const uploadId = opened?.uploadId ?? this.#uploadId;
    if (uploadId === null) return;
    await (run?.gateway ?? this.#gateway()).abort(uploadId, new AbortController().signal);
    this.#forgetUpload(uploadId);
  }

  /** For a queue: it is in line. @internal */
  wait(): void {
    if (this.#state === 'idle') this.#setState('waiting');
  }

  #isOver(): boolean {
    return this.#state === 'done' || this.#state === 'failed' || this.#state === 'aborted';
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

  #gateway(): Gateway {
    const limit = this.options.giveUpAfterMs ?? GIVE_UP_AFTER_MS;
    return new Gateway(this.options, limit, (code, message) => this.#notice(code, message));
  }

  #begin(): void {
    if (this.#state === 'failed') this.#promise();
    this.#error = null;
    const stop = new AbortController();
    const { signal } = this.options;
    const cancel = () =>
      stop.abort(new UploadError('cancelled', 'The upload was stopped. It can be gone on with.', { resumable: true }));
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    this.#setState(this.#paused ? 'paused' : 'preparing');
    const run: Run = { stop, gateway: null as never, pool: null as never, opening: null, settled: Promise.resolve() };
    this.#run = run;
    run.settled = this.#runToEnd(run).finally(() => {
      signal?.removeEventListener('abort', cancel);
      if (this.#run === run) this.#run = null;
    });
  }

  async #runToEnd(run: Run): Promise<void> {
    try {
      run.gateway = this.#gateway();
      run.pool = hashPool(this.options.workerUrl);
      const uploaded = await this.#upload(run);
      if (this.#isOver()) return;
      this.#result = uploaded;
      const { size } = this;
      this.#setProgress({ ...this.#progress, storedBytes: size, sendingBytes: 0, percent: 100, secondsLeft: 0, connections: 0 });
      this.#setState('done');
      this.#done.resolve(uploaded);
      this.emit('done', uploaded);
    } catch (cause) {
      const error = toUploadError(cause);
      // abort() goes on from here itself.
      if (this.#state === 'aborted') return;
      this.#error = error;
      this.#tellProgress();
      this.#setProgress({ ...this.#progress, bytesPerSecond: 0, secondsLeft: null, connections: 0, sendingBytes: 0 });
      this.#setState('failed');
      this.#done.reject(error);
      this.emit('error', error);
    }
  }

  async #upload(run: Run): Promise<Uploaded> {
    const started = now();
    const { signal } = run.stop;
    await this.#untilResumed(signal);
    const identity = await this.#identify(run);
    const name = keyOf(Gateway.nameOf(this.options), identity.fingerprint);
    const watched = new AbortController();
    const lock = await takeLock(name, signal, () => void this.#watch(run, identity, watched.signal));
    watched.abort();
    let completed: string | null = null;
    try {
      if (lock.finishedBefore !== null) this.#uploadId = lock.finishedBefore;
      else this.#setState(this.#paused ? 'paused' : 'preparing');
      const { session, only } = await this.#session(run, identity, lock);
      const uploaded = await this.#transfer(run, identity, session, only, started);
      completed = session.uploadId;
      this.#forget(identity);
      return uploaded;
    } finally {
      lock.release(completed);
    }
  }

  async #identify({ pool }: Run): Promise<Identity> {
    try {
      const content = await fingerprint(this.file, pool);
      const { key, overwrite } = this.options;
      const purpose = { key: key ?? null, overwrite: overwrite ?? false, checksum: this.checksum };
      return { content, fingerprint: await forPurpose(content, purpose, pool) };
    } catch (cause) {
      throw unreadable(cause);
    }
  }

  /** Another tab uploads this file: tells how far it is, until this one gets the lock. */
  async #watch(run: Run, identity: Identity, over: AbortSignal): Promise<void> {
    this.#setState('watching');
    const gateway = this.#gateway();
    while (!over.aborted && !run.stop.signal.aborted) {
      const record = this.#record(identity);
      if (record !== null) {
        gateway.adoptToken(record.token);
        const what = { refresh: false, parts: false };
        const status = await gateway.status(record.uploadId, what, over).catch(() => null);
        if (status !== null && !over.aborted) this.#showStatus(status);
      }
      await sleep(WATCH_MS, over).catch(() => undefined);
    }
  }

  #showStatus(status: UploadStatus): void {
    const { bytes_received: storedBytes, received_parts: storedParts, total_parts: totalParts } = status;
    const percent = this.size === 0 ? 0 : Math.min(99.99, (storedBytes / this.size) * 100);
    this.#setProgress({ ...this.#progress, storedBytes, storedParts, totalParts: totalParts ?? 0, percent });
  }

  /** Finds the upload to go on with, or opens one. */
  async #session(run: Run, identity: Identity, lock: Lock): Promise<{ session: Session; only: string | null }> {
    const { gateway } = run;
    const { signal } = run.stop;
    const record = this.#record(identity);
    const wanted = lock.finishedBefore ?? this.#uploadId ?? record?.uploadId ?? null;
    const anew = this.#anew || this.options.unfinished === 'restart';
    this.#anew = false;
    gateway.adoptToken(record?.token ?? this.#foreignRecord(wanted)?.token);
    if (wanted !== null && anew) {
      await gateway.abort(wanted, signal);
      this.#forgetUpload(wanted);
    } else if (wanted !== null) {
      const session = await this.#known(run, identity, wanted);
      if (session !== null) return { session, only: null };
    }
    this.#tellOtherContent(identity);
    return this.#open(run, identity, anew);
  }

  /** An upload that is known by its id; `null` when it is gone and nobody insists on it. */
  async #known({ gateway, stop }: Run, identity: Identity, uploadId: string): Promise<Session | null> {
    const foreign = this.#foreignRecord(uploadId);
    if (foreign !== null && foreign.content !== identity.content) throw changed('its content is another');
    try {
      const session = await resumeSession(gateway, uploadId, stop.signal);
      if (session.size !== null && session.size !== this.size) {
        throw changed(`it has ${this.size} bytes, and that one has ${session.size}`);
      }
      return session;
    } catch (error) {
      if (!(error instanceof UploadError) || error.code !== 'gone' || this.options.uploadId === uploadId) throw error;
      this.#forgetUpload(uploadId);
      this.#notice('started_anew', 'The unfinished upload is gone from the gateway; this is a new one.');
      return null;
    }
  }

  async #open(run: Run, identity: Identity, anew: boolean): Promise<{ session: Session; only: string | null }> {
    const { gateway, pool, stop } = run;
    const { key, overwrite, metadata, contentType } = this.options;
    const wish = this.options.partSize ?? wishedPartSize(this.size, rememberedRate(Gateway.nameOf(this.options)));
    const onePart = this.size > 0 && this.size <= (wish ?? PART_SIZE_DEFAULT);
    const only = onePart && this.checksum !== 'none' ? await this.#checksumOf(this.file, pool) : null;
    const sign = only !== null ? [{ number: 1, checksum: only }] : this.checksum === 'none' && this.size > 0 ? SIGN_FIRST : null;
    const type = contentType ?? this.file.type;
    const request: InitRequest = {
      filename: this.name,
      size: this.size,
      checksum_algorithm: this.checksum,
      fingerprint: identity.fingerprint,
      ...(wish === undefined ? {} : { part_size: wish }),
      ...(type === '' ? {} : { content_type: type }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(key === undefined ? {} : { key }),
      ...(overwrite === undefined ? {} : { overwrite }),
      ...(sign === null ? {} : { sign }),
    };
    stop.signal.throwIfAborted();
    run.opening = openSession(gateway, request, anew, new AbortController().signal);
    return { session: await unlessAborted(run.opening, stop.signal), only };
  }

  async #checksumOf(slice: Blob, pool: HashPool): Promise<string> {
    const { checksum } = this;
    if (checksum === 'none') return '';
    try {
      return await pool.checksum(slice, checksum);
    } catch (cause) {
      throw unreadable(cause);
    }
  }

  async #transfer(run: Run, identity: Identity, session: Session, only: string | null, started: number): Promise<Uploaded> {
    const { pool, gateway } = run;
    const { signal } = run.stop;
    this.#uploadId = session.uploadId;
    const grid = new Grid(this.size, session.partSize);
    if (session.closed) return this.#collect(run, session, grid, started);
    const { proven, comparable } = await this.#proveSame(session, grid, pool);
    if (grid.totalParts > 1) this.#note(identity, session, gateway.token);
    const transfer = new Transfer(
      { grid, algorithm: session.algorithm, lanes: this.#lanes, giveUpAfterMs: this.options.giveUpAfterMs ?? GIVE_UP_AFTER_MS },
      now(),
    );
    transfer.adopt(session.received, proven);
    if (only !== null && grid.totalParts === 1) transfer.knowChecksum(1, only);
    transfer.signed(session.signed, session.lifetimeMs, now());
    const resumedParts = transfer.keptParts;
    if (resumedParts > 0) this.#notice('resumed', `Storage has ${resumedParts} of ${grid.totalParts} parts already.`);
    const proveWhole = this.options.sha256 === true || !comparable;
    const whole = proveWhole ? pool.whole(this.file, signal) : null;
    whole?.catch(() => undefined);
    const driver = new Driver({
      file: this.file,
      gateway,
      uploadId: session.uploadId,
      transfer,
      pool,
      signal,
      onPart: (event) => this.emit('part', event),
      onNotice: (code, message) => this.#notice(code, message),
      onTick: () => this.#tick(gateway, resumedParts),
    });
    this.#driver = driver;
    this.#rate = null;
    if (this.#paused) driver.pause();
    else this.#setState('uploading');
    this.#tick(gateway, resumedParts);
    const { completion, proof } = await this.#finish(run, driver, whole);
    const measured = transfer.keptParts - resumedParts >= RATE_PARTS_MIN ? transfer.rateOfOne : null;
    if (measured !== null) rememberRate(Gateway.nameOf(this.options), measured);
    return {
      completion,
      proven: proof,
      resumedParts,
      sentParts: Math.max(0, transfer.keptParts - resumedParts),
      retries: transfer.retries,
      durationMs: now() - started,
    };
  }

  /** Compares what storage has with the file, before anything is sent. */
  async #proveSame(session: Session, grid: Grid, pool: HashPool): Promise<{ proven: Map<number, string>; comparable: boolean }> {
    if (session.received.length === 0) return { proven: new Map(), comparable: true };
    if (!this.#paused) this.#setState('checking');
    let verdict;
    try {
      verdict = await prove(this.file, grid, session.algorithm, session.received, pool);
    } catch (cause) {
      throw unreadable(cause);
    }
    if (verdict.is === 'changed') throw changed(`part ${verdict.number} reads differently`, verdict.number);
    const silent = session.algorithm !== 'none' && session.received.some((part) => !part.checksum);
    const comparable = verdict.is === 'same' && !silent;
    if (!comparable) {
      this.#notice('not_comparable', "Storage keeps nothing to compare with, so the whole file's SHA-256 is proven at the end.");
    }
    return { proven: verdict.proven, comparable };
  }

  /** Calls complete until the object is there, and sends again what was lost on the way. */
  async #finish(
    run: Run,
    driver: Driver,
    whole: Promise<string> | null,
  ): Promise<{ completion: Completion; proof: Uploaded['proven'] }> {
    const { gateway, pool } = run;
    const { signal } = run.stop;
    const { grid, algorithm } = driver.transfer.setup;
    const uploadId = this.#uploadId ?? '';
    for (let rounds = 1; ; rounds += 1) {
      const stored = await this.#send(driver, gateway, uploadId, signal);
      await this.#untilResumed(signal);
      this.#setState('finishing');
      this.#tellProgress();
      const sha256 = whole === null ? null : await whole.catch((cause: unknown) => Promise.reject(unreadable(cause)));
      const parts = algorithm === 'none' ? null : driver.transfer.expectedParts();
      const expected: Expected = { size: this.size, algorithm, parts, sha256 };
      try {
        const request = { ...completeRequest(expected), ...(stored.length === 0 ? {} : { stored }) };
        const completion = await complete(gateway, uploadId, request, signal, (status) => this.#onCompleting(status));
        return { completion, proof: await verify(completion, expected, pool) };
      } catch (error) {
        const problem = error instanceof UploadError ? error.problem : undefined;
        const again = partsToSendAgain(problem, (ranges) => grid.numbers(ranges)).filter((number) => driver.transfer.isKept(number));
        if (again.length === 0 || rounds >= ROUNDS_MAX) throw error;
        driver.transfer.sendAgain(again, now());
        this.#setState('uploading');
      }
    }
  }

  async #send(driver: Driver, gateway: Gateway, uploadId: string, signal: AbortSignal): Promise<StoredPart[]> {
    try {
      return await driver.run();
    } catch (error) {
      // Storage refuses to replace an object that is not this upload's: complete says so in the gateway's own words.
      const refused = error instanceof UploadError && error.storageCode === 'PreconditionFailed';
      if (!refused) throw error;
      await gateway.complete(uploadId, {}, signal);
      throw error;
    }
  }

  /** It is completed already, or about to be: the answer is fetched and compared with the whole file. */
  async #collect({ gateway, pool, stop }: Run, session: Session, grid: Grid, started: number): Promise<Uploaded> {
    this.#setState('checking');
    const { algorithm } = session;
    const numbers = Array.from({ length: grid.totalParts }, (_, index) => index + 1);
    const parts =
      algorithm === 'none'
        ? null
        : await Promise.all(
            numbers.map(async (number): Promise<[string, number]> => {
              const checksum = await pool.checksum(grid.slice(this.file, number), algorithm).catch((cause: unknown) => Promise.reject(unreadable(cause)));
              return [checksum, grid.length(number)];
            }),
          );
    const expected: Expected = { size: this.size, algorithm, parts, sha256: null };
    this.#setState('finishing');
    const completion = await complete(gateway, session.uploadId, {}, stop.signal, (status) => this.#onCompleting(status));
    const proven = await verify(completion, expected, pool);
    return { completion, proven, resumedParts: grid.totalParts, sentParts: 0, retries: 0, durationMs: now() - started };
  }

  #onCompleting(status: UploadStatus): void {
    if (status.verified_bytes === undefined || status.verified_bytes === null) return;
    this.#setProgress({ ...this.#progress, verifiedBytes: status.verified_bytes });
    this.#setState('verifying');
  }

  #tick(gateway: Gateway, resumedParts: number): void {
    const driver = this.#driver;
    if (driver === null) return;
    const at = now();
    const { transfer } = driver;
    const storedBytes = transfer.keptBytes;
    const sendingBytes = driver.sendingBytes();
    const sent = Math.min(this.size, storedBytes + sendingBytes);
    this.#rate ??= new Rate(sent, at);
    this.#rate.observe(sent, at);
    const waits = this.#waitMs(driver, gateway, at);
    const moving = !driver.paused && !driver.offline;
    this.#setState(!moving ? (driver.paused ? 'paused' : 'offline') : waits === null ? 'uploading' : 'retrying');
    this.#setProgress({
      totalBytes: this.size,
      storedBytes,
      sendingBytes,
      // 100 is said only when it is done.
      percent: this.size === 0 ? 0 : Math.min(99.99, (sent / this.size) * 100),
      bytesPerSecond: moving ? this.#rate.bytesPerSecond : 0,
      secondsLeft: moving ? this.#rate.secondsLeft(this.size - sent, at) : null,
      totalParts: transfer.setup.grid.totalParts,
      storedParts: transfer.keptParts,
      resumedParts,
      connections: transfer.inFlightParts,
      retries: transfer.retries,
      retryInSeconds: waits === null ? null : Math.ceil(waits / 1000),
      verifiedBytes: null,
    });
  }

  /** Until something is tried again, when nothing else is going on; `null` otherwise. */
  #waitMs(driver: Driver, gateway: Gateway, at: number): number | null {
    if (driver.transfer.inFlightParts > 0) return null;
    const calls = gateway.waitingUntil === null ? null : Math.max(0, gateway.waitingUntil - at);
    return calls ?? driver.transfer.waitsMs(at);
  }

  #tellProgress(): void {
    const transfer = this.#driver?.transfer;
    if (transfer === undefined) return;
    const { keptBytes: storedBytes, keptParts: storedParts, retries } = transfer;
    const percent = this.size === 0 ? 0 : Math.min(99.99, (storedBytes / this.size) * 100);
    this.#setProgress({ ...this.#progress, storedBytes, storedParts, retries, sendingBytes: 0, connections: 0, percent, retryInSeconds: null });
  }

  async #untilResumed(signal: AbortSignal): Promise<void> {
    while (this.#paused) {
      await sleep(60_000, signal, (end) => {
        this.#wake = end;
        return () => void (this.#wake = null);
      });
    }
    signal.throwIfAborted();
  }

  #remembers(): boolean {
    return this.options.remember !== false;
  }

  #record(identity: Identity): UploadRecord | null {
    return this.#remembers() ? findRecord(Gateway.nameOf(this.options), identity.fingerprint) : null;
  }

  /** The record of an upload by its id, whatever file it is of. */
  #foreignRecord(uploadId: string | null): UploadRecord | null {
    if (uploadId === null) return null;
    return records(Gateway.nameOf(this.options)).find((record) => record.uploadId === uploadId) ?? null;
  }

  #tellOtherContent(identity: Identity): void {
    if (!this.#remembers()) return;
    const key = this.options.key ?? null;
    const others = records(Gateway.nameOf(this.options)).filter((record) => record.name === this.name && record.key === key);
    if (others.every((record) => record.content === identity.content)) return;
    this.#notice('other_content', 'There is an unfinished upload of a file with this name and other content. It is left alone.');
  }

  /** Remembers the upload for the next page load. Not before the proof: a record says that this file is the upload's. */
  #note(identity: Identity, session: Session, token: string | null): void {
    if (!this.#remembers()) return;
    const gateway = Gateway.nameOf(this.options);
    saveRecord({
      gateway,
      uploadId: session.uploadId,
      token,
      name: this.name,
      size: this.size,
      content: identity.content,
      fingerprint: identity.fingerprint,
      key: this.options.key ?? null,
      overwrite: this.options.overwrite ?? false,
      checksum: this.checksum,
      startedAt: this.#record(identity)?.startedAt ?? new Date().toISOString(),
    });
    if (this.options.handle !== undefined) void saveHandle(keyOf(gateway, identity.fingerprint), this.options.handle);
  }

  #forget(identity: Pick<Identity, 'fingerprint'>): void {
    const gateway = Gateway.nameOf(this.options);
    removeRecord({ gateway, fingerprint: identity.fingerprint });
    void removeHandle(keyOf(gateway, identity.fingerprint));
  }

  #forgetUpload(uploadId: string): void {
    const record = this.#foreignRecord(uploadId);
    if (record !== null) this.#forget(record);
    this.#uploadId = null;
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

/** The value, unless `signal` is aborted before: then its reason is thrown. */
function unlessAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    value.then(resolve, reject);
  });
}

function toUploadError(cause: unknown): UploadError {
  if (cause instanceof UploadError) return cause;
  const message = `Something went wrong that should not: ${cause instanceof Error ? cause.message : String(cause)}.`;
  return new UploadError('internal', message, { resumable: !isOffline(), cause });
}
