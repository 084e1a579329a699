/** One run of an upload: from the file to the proven object, or to what stopped it. */
import { UploadError } from '../errors.js';
import { Gateway } from '../gateway/gateway.js';
import type { Identified } from '../hashing/algorithms.js';
import { type HashPool, hashPool } from '../hashing/pool.js';
import { type Ending, type Lock, takeLock } from '../memory/lock.js';
import { type Identity, Memory } from '../memory/memory.js';
import { now, sleep } from '../runtime.js';
import { Grid } from '../transfer/grid.js';
import type { Lanes } from '../transfer/lanes.js';
import { Transfer } from '../transfer/transfer.js';
import type { Notice, PartEvent, Progress, State, Uploaded, UploadOptions } from '../types.js';
import type { ChecksumAlgorithm, Completion, StoredPart, UploadStatus } from '../wire.js';
import { Driver } from './driver.js';
import { changed, gone, unreadable } from './failures.js';
import { type Expected, complete, completeRequest, partsToSendAgain, verify } from './finish.js';
import { Meter, progressOf } from './meter.js';
import { type Opened, type Wish, openUpload, wishFor } from './opening.js';
import { prove } from './proof.js';
import type { Session } from './session.js';

/** Ten minutes. */
export const GIVE_UP_AFTER_MS = 600_000;
/** How often complete may find parts missing or wrong before that is somebody's bug. */
const ROUNDS_MAX = 10;
/** How often a tab that watches another asks how far it is. */
const WATCH_MS = 2_000;
/** A rate is worth remembering after so many parts. */
const RATE_PARTS_MIN = 8;

/** What a run is made of, and whom it tells. */
export interface RunParts {
  file: Blob;
  name: string;
  options: UploadOptions;
  checksum: ChecksumAlgorithm;
  lanes: Lanes;
  gateway: Gateway;
  /** The upload to go on with, if one is known. */
  uploadId: string | null;
  /** Take back what there is, and begin anew. */
  anew: boolean;
  paused: boolean;
  onState: (state: State) => void;
  onProgress: (progress: Progress) => void;
  onPart: (event: PartEvent) => void;
  onNotice: (code: Notice['code'], message: string) => void;
  onOpened: (uploadId: string) => void;
}

export class Run {
  readonly #parts: RunParts;
  readonly #stop = new AbortController();
  readonly #memory: Memory;
  readonly #pool: HashPool;
  #paused: boolean;
  #wake: (() => void) | null = null;
  #init: Promise<Session> | null = null;
  #driver: Driver | null = null;
  #meter: Meter | null = null;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#paused = parts.paused;
    this.#memory = new Memory(parts.options);
    this.#pool = hashPool(parts.options.workerUrl);
  }

  /** Once parts are on their way, and after. */
  get driver(): Driver | null {
    return this.#driver;
  }

  pause(): void {
    this.#paused = true;
    this.#driver?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#driver?.resume();
    this.#wake?.();
  }

  /** Ends it: `upload` rejects with `reason`. */
  stop(reason: UploadError): void {
    this.#stop.abort(reason);
  }

  /** What an init that was under way when the run was stopped has opened all the same. */
  async opened(): Promise<string | null> {
    const session = await this.#init?.catch(() => null);
    return session?.uploadId ?? null;
  }

  /** Uploads. Rejects with why not: an `UploadError`, but for bugs. */
  async upload(): Promise<Uploaded> {
    const started = now();
    const { signal } = this.#stop;
    await this.#untilResumed();
    const wish = wishFor(this.#parts.file, this.#parts.options, this.#memory);
    const identity = await this.#identify(wish);
    const gotIt = new AbortController();
    const onWait = () => void this.#watch(identity, gotIt.signal);
    const lock = await takeLock(this.#memory.lockName(identity), signal, onWait);
    gotIt.abort();
    let ending: Ending | null = null;
    try {
      if (lock.before === 'aborted') throw gone('it was aborted in another tab');
      const { session, only } = await this.#open(identity, wish, lock);
      this.#parts.onOpened(session.uploadId);
      const uploaded = await this.#transfer(identity, session, only);
      ending = { completed: session.uploadId };
      this.#memory.forget(identity);
      return { ...uploaded, durationMs: now() - started };
    } catch (error) {
      // There is nothing left that the record, and the token in it, would be good for.
      if (error instanceof UploadError && error.code === 'gone') this.#memory.forget(identity);
      throw error;
    } finally {
      const { reason } = signal as { reason: unknown };
      if (reason instanceof UploadError && reason.code === 'aborted') ending = 'aborted';
      lock.release(ending);
    }
  }

  async #identify(wish: Wish): Promise<Identified> {
    const { file, options, checksum } = this.#parts;
    const { key, overwrite } = options;
    // The usual purpose adds nothing; the Rust client writes any other the same way.
    const usual = key === undefined && !overwrite && checksum === 'crc64nvme';
    const purpose = usual ? null : `\n${key ?? ''}\n${overwrite ?? false}\n${checksum}`;
    try {
      return await this.#pool.identify(file, purpose, wish.onePart && checksum !== 'none' ? checksum : null);
    } catch (cause) {
      throw unreadable(cause);
    }
  }

  /** Another tab uploads this file: tells how far it is, until this one gets the lock. */
  async #watch(identity: Identity, over: AbortSignal): Promise<void> {
    const { file, options, onState, onProgress, onOpened } = this.#parts;
    onState('watching');
    const gateway = new Gateway(options, GIVE_UP_AFTER_MS);
    while (!over.aborted && !this.#stop.signal.aborted) {
      const record = this.#memory.find(identity);
      if (record !== null) {
        onOpened(record.uploadId);
        gateway.adoptToken(record.uploadId, record.token);
        const asked = gateway.status(record.uploadId, { refresh: false, parts: false }, over);
        const status = await asked.catch(() => null);
        if (status !== null && !over.aborted) onProgress(progressOf(status, file.size));
      }
      await sleep(WATCH_MS, over).catch(() => undefined);
    }
  }

  #open(identity: Identified, wish: Wish, lock: Lock): Promise<Opened> {
    this.#tell('preparing');
    const completed = lock.before === null || lock.before === 'aborted' ? null : lock.before.completed;
    return openUpload({
      ...this.#parts,
      uploadId: completed ?? this.#parts.uploadId,
      anew: this.#parts.anew && completed === null,
      memory: this.#memory,
      identity,
      wish,
      signal: this.#stop.signal,
      onInit: (session) => (this.#init = session),
    });
  }

  async #transfer(identity: Identity, session: Session, only: string | null): Promise<Omit<Uploaded, 'durationMs'>> {
    const { file, name, options, lanes, gateway, checksum } = this.#parts;
    const grid = new Grid(file.size, session.partSize);
    if (session.closed) return this.#collect(session, grid);
    const { proven, comparable } = await this.#proveSame(session, grid);
    if (grid.totalParts > 1) {
      // Not before the proof: a record says that this file is the upload's.
      const { uploadId } = session;
      this.#memory.note(identity, { uploadId, token: gateway.tokenOf(uploadId), name, size: file.size, checksum });
    }
    const giveUpAfterMs = options.giveUpAfterMs ?? GIVE_UP_AFTER_MS;
    const transfer = new Transfer({ grid, algorithm: session.algorithm, lanes, giveUpAfterMs }, now());
    transfer.adopt(session.received, proven);
    if (only !== null && grid.totalParts === 1) transfer.knowChecksum(1, only);
    transfer.signed(session.signed, session.lifetimeMs, now());
    const resumedParts = transfer.keptParts;
    if (resumedParts > 0) this.#parts.onNotice('resumed', `Storage has ${resumedParts} of ${grid.totalParts} parts already.`);
    const driver = this.#drive(session.uploadId, transfer, resumedParts);
    const whole = options.sha256 === true || !comparable ? this.#pool.whole(file, this.#stop.signal) : null;
    whole?.catch(() => undefined);
    const { completion, proof } = await this.#finish(session.uploadId, driver, whole);
    const sentParts = Math.max(0, transfer.keptParts - resumedParts);
    if (sentParts >= RATE_PARTS_MIN && transfer.rateOfOne !== null) this.#memory.rate = transfer.rateOfOne;
    return { completion, proven: proof, resumedParts, sentParts, retries: transfer.retries };
  }

  #drive(uploadId: string, transfer: Transfer, resumedParts: number): Driver {
    const { file, gateway, onPart, onNotice } = this.#parts;
    const { signal } = this.#stop;
    const onTick = () => this.#measure();
    const driver = new Driver({ file, gateway, uploadId, transfer, pool: this.#pool, signal, onPart, onNotice, onTick });
    this.#driver = driver;
    this.#meter = new Meter(driver, gateway, resumedParts);
    if (this.#paused) driver.pause();
    this.#measure();
    return driver;
  }

  /** Compares what storage has with the file, before anything is sent. */
  async #proveSame(session: Session, grid: Grid): Promise<{ proven: Map<number, string>; comparable: boolean }> {
    const { algorithm, received } = session;
    if (received.length === 0) return { proven: new Map(), comparable: true };
    this.#tell('checking');
    const proof = prove(this.#parts.file, grid, algorithm, received, this.#pool);
    const verdict = await proof.catch((cause: unknown) => Promise.reject(unreadable(cause)));
    if (verdict.is === 'changed') throw changed(`part ${verdict.number} reads differently`, verdict.number);
    const silent = algorithm !== 'none' && received.some((part) => !part.checksum);
    const comparable = verdict.is === 'same' && !silent;
    if (!comparable) {
      const message = "Storage keeps nothing to compare with, so the whole file's SHA-256 is proven at the end.";
      this.#parts.onNotice('not_comparable', message);
    }
    return { proven: verdict.proven, comparable };
  }

  /** Calls complete until the object is there, and sends again what was lost on the way. */
  async #finish(
    uploadId: string,
    driver: Driver,
    whole: Promise<string> | null,
  ): Promise<{ completion: Completion; proof: Uploaded['proven'] }> {
    const { file, gateway } = this.#parts;
    const { transfer } = driver;
    const { grid, algorithm } = transfer.setup;
    for (let rounds = 1; ; rounds += 1) {
      const stored = await this.#send(uploadId, driver);
      await this.#untilResumed();
      this.#measure();
      this.#tell('finishing');
      const sha256 = (await whole?.catch((cause: unknown) => Promise.reject(unreadable(cause)))) ?? null;
      const parts = algorithm === 'none' ? null : transfer.expectedParts();
      const expected: Expected = { size: file.size, algorithm, parts, sha256 };
      const request = { ...completeRequest(expected), ...(stored.length === 0 ? {} : { stored }) };
      try {
        const onStatus = (status: UploadStatus) => this.#onCompleting(status);
        const completion = await complete(gateway, uploadId, request, this.#stop.signal, onStatus);
        return { completion, proof: await verify(completion, expected, this.#pool) };
      } catch (error) {
        const problem = error instanceof UploadError ? error.problem : undefined;
        const named = partsToSendAgain(problem, (ranges) => grid.numbers(ranges));
        const again = named.filter((number) => transfer.isKept(number));
        if (again.length === 0 || rounds >= ROUNDS_MAX) throw error;
        transfer.sendAgain(again, now());
      }
    }
  }

  async #send(uploadId: string, driver: Driver): Promise<StoredPart[]> {
    try {
      return await driver.run();
    } catch (error) {
      // Storage refuses to replace an object that is not this upload's: complete says so in the gateway's own words.
      const refused = error instanceof UploadError && error.storageCode === 'PreconditionFailed';
      if (refused) await this.#parts.gateway.complete(uploadId, {}, this.#stop.signal);
      throw error;
    }
  }

  /** It is completed already, or about to be: the answer is fetched and compared with the whole file. */
  async #collect(session: Session, grid: Grid): Promise<Omit<Uploaded, 'durationMs'>> {
    const { file, gateway } = this.#parts;
    const { algorithm, uploadId } = session;
    this.#tell('checking');
    const parts = algorithm === 'none' ? null : await this.#hashAll(grid, algorithm);
    const expected: Expected = { size: file.size, algorithm, parts, sha256: null };
    this.#tell('finishing');
    const completion = await complete(gateway, uploadId, {}, this.#stop.signal, (status) => this.#onCompleting(status));
    const proven = await verify(completion, expected, this.#pool);
    return { completion, proven, resumedParts: grid.totalParts, sentParts: 0, retries: 0 };
  }

  async #hashAll(grid: Grid, algorithm: Exclude<ChecksumAlgorithm, 'none'>): Promise<[string, number][]> {
    const { file } = this.#parts;
    const numbers = Array.from({ length: grid.totalParts }, (_, index) => index + 1);
    const hash = async (number: number): Promise<[string, number]> => {
      this.#stop.signal.throwIfAborted();
      return [await this.#pool.checksum(grid.slice(file, number), algorithm), grid.length(number)];
    };
    return Promise.all(numbers.map(hash)).catch((cause: unknown) => Promise.reject(unreadable(cause)));
  }

  #onCompleting(status: UploadStatus): void {
    const { verified_bytes: verifiedBytes } = status;
    if (verifiedBytes === undefined || verifiedBytes === null) return;
    const measured = this.#meter?.measure(now()).progress;
    if (measured !== undefined) this.#parts.onProgress({ ...measured, bytesPerSecond: 0, secondsLeft: null, verifiedBytes });
    this.#tell('verifying');
  }

  #measure(): void {
    const measured = this.#meter?.measure(now());
    if (measured === undefined) return;
    this.#parts.onProgress(measured.progress);
    this.#parts.onState(measured.state);
  }

  #tell(state: State): void {
    this.#parts.onState(this.#paused ? 'paused' : state);
  }

  async #untilResumed(): Promise<void> {
    const { signal } = this.#stop;
    while (this.#paused) {
      await sleep(60_000, signal, (end) => {
        this.#wake = end;
        return () => void (this.#wake = null);
      });
    }
    signal.throwIfAborted();
  }
}
