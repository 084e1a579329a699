/** Carries out the transfer's commands and tells it what came of them. */
import { UploadError } from '../errors.js';
import type { Gateway } from '../gateway/gateway.js';
import type { HashPool } from '../hashing/pool.js';
import type { HashKind } from '../hashing/algorithms.js';
import { isOffline, now, onNetworkChange } from '../runtime.js';
import type { Outcome, Ticket, Transfer } from '../transfer/transfer.js';
import { describe } from '../transfer/decide.js';
import type { Notice, PartEvent } from '../types.js';
import type { StoredPart, UploadState } from '../wire.js';
import { failureError, unreadable } from './failures.js';
import { send } from './send.js';
import { isClosed } from './session.js';

/** How often waits are looked at and progress is told. */
const TICK_MS = 100;
/** Offline, the event that says otherwise is not waited for longer than this: it lies sometimes. */
const OFFLINE_RETRY_MS = 30_000;

/** What a driver is made of. */
export interface DriverParts {
  file: Blob;
  gateway: Gateway;
  uploadId: string;
  transfer: Transfer;
  pool: HashPool;
  /** Stops everything; its reason is what `run` rejects with. */
  signal: AbortSignal;
  onPart: (event: PartEvent) => void;
  onNotice: (code: Notice['code'], message: string) => void;
  onTick: () => void;
}

/** The shell around a `Transfer`. */
export class Driver {
  readonly #parts: DriverParts;
  /** Bytes sent of each part in flight. */
  readonly inFlight = new Map<number, number>();
  readonly #cuts = new Map<number, AbortController>();
  #paused = false;
  #offlineSince: number | null = null;
  #settle: { resolve: (stored: StoredPart[]) => void; reject: (error: unknown) => void } | null = null;
  #pumping = false;
  #etagSeen = false;

  constructor(parts: DriverParts) {
    this.#parts = parts;
  }

  get transfer(): Transfer {
    return this.#parts.transfer;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get offline(): boolean {
    return this.#offlineSince !== null;
  }

  /** Holds everything back; parts in flight are cut, and asked for again when it goes on. */
  pause(): void {
    this.#paused = true;
    this.#hold();
    for (const cut of this.#cuts.values()) cut.abort();
  }

  resume(): void {
    this.#paused = false;
    this.#hold();
    this.#pump();
  }

  sendingBytes(): number {
    let sum = 0;
    for (const bytes of this.inFlight.values()) sum += bytes;
    return sum;
  }

  /** Works until every part is stored; gives what is stored and not yet reported. */
  async run(): Promise<StoredPart[]> {
    const { signal, transfer } = this.#parts;
    signal.throwIfAborted();
    const stop = () => this.#end(() => this.#settle?.reject(signal.reason));
    const leaveLanes = transfer.setup.lanes.join(() => queueMicrotask(() => this.#pump()));
    const leaveNetwork = onNetworkChange(() => this.#onNetwork());
    const ticker = setInterval(() => this.#onTick(), TICK_MS);
    signal.addEventListener('abort', stop);
    try {
      return await new Promise<StoredPart[]>((resolve, reject) => {
        this.#settle = { resolve, reject };
        this.#onNetwork();
        this.#pump();
      });
    } finally {
      this.#settle = null;
      for (const cut of this.#cuts.values()) cut.abort();
      clearInterval(ticker);
      leaveLanes();
      leaveNetwork();
      signal.removeEventListener('abort', stop);
    }
  }

  #end(settle: () => void): void {
    settle();
    this.#settle = null;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#settle !== null && this.#step()) {
      // One command after the other.
    }
    this.#pumping = false;
  }

  /** Carries out one command; false when there is none. */
  #step(): boolean {
    const command = this.transfer.next(now());
    switch (command.do) {
      case 'wait':
        return false;
      case 'hash':
        void this.#hash(command.number);
        return true;
      case 'send':
        void this.#send(command.ticket);
        return true;
      case 'sign': {
        const { parts, stored } = command;
        void this.#call(async ({ gateway, uploadId, signal, transfer }) => {
          const { response, lifetimeMs } = await gateway.sign(uploadId, { parts, stored }, signal);
          transfer.signed(response.parts, lifetimeMs, now());
        });
        return true;
      }
      case 'report': {
        const { stored } = command;
        void this.#call(async ({ gateway, uploadId, signal }) => gateway.report(uploadId, { stored }, signal));
        return true;
      }
      case 'refresh':
        void this.#call(async ({ gateway, uploadId, signal, transfer }) => {
          const status = await gateway.status(uploadId, { refresh: true, parts: true }, signal);
          if (isClosed(status)) this.#end(() => this.#settle?.resolve([]));
          else transfer.refreshed(status, now(), Math.random());
        });
        return true;
      case 'finished':
        this.#end(() => this.#settle?.resolve(command.stored));
        return false;
      case 'stop':
        this.#end(() => this.#settle?.reject(failureError(command.failure)));
        return false;
    }
  }

  async #call(work: (parts: DriverParts) => Promise<void>): Promise<void> {
    try {
      await work(this.#parts);
    } catch (error) {
      // Somebody else completes it, or has: the answer can be fetched.
      if (isCompleting(error)) this.#end(() => this.#settle?.resolve([]));
      else this.#end(() => this.#settle?.reject(error));
    }
    this.transfer.called();
    this.#pump();
  }

  async #hash(number: number): Promise<void> {
    const { file, pool, transfer } = this.#parts;
    const { grid, algorithm } = transfer.setup;
    try {
      transfer.hashed(number, await pool.checksum(grid.slice(file, number), algorithm as HashKind), now());
    } catch (cause) {
      this.#end(() => this.#settle?.reject(unreadable(cause)));
    }
    this.#pump();
  }

  async #send(ticket: Ticket): Promise<void> {
    const { file, transfer } = this.#parts;
    const { number, size } = ticket;
    const { lanes, grid } = transfer.setup;
    const cut = new AbortController();
    const body = grid.slice(file, number);
    this.#cuts.set(number, cut);
    this.inFlight.set(number, 0);
    const onSent = (bytes: number) => {
      lanes.sent(bytes - (this.inFlight.get(number) ?? bytes));
      this.inFlight.set(number, bytes);
      transfer.moved(number, bytes, now());
    };
    let outcome = await send({ ticket, body, stallAfterMs: transfer.stallAfterMs, onSent, signal: cut.signal });
    this.#cuts.delete(number);
    this.inFlight.delete(number);
    if (cut.signal.aborted) {
      transfer.cut(number);
      return;
    }
    if (!outcome.stored && outcome.seen.kind === 'network') outcome = await this.#explain(body, outcome);
    transfer.sent(number, outcome, now(), Math.random());
    this.#tell(number, size, outcome);
    this.#pump();
  }

  /** A file that cannot be read fails like a network that is gone; reading a byte tells which it is. */
  async #explain(body: Blob, outcome: Outcome): Promise<Outcome> {
    try {
      await body.slice(0, 1).arrayBuffer();
      return outcome;
    } catch (cause) {
      return { stored: false, seen: { kind: 'unreadable', cause } };
    }
  }

  #tell(number: number, size: number, outcome: Outcome): void {
    const { onPart, onNotice } = this.#parts;
    if (!outcome.stored) {
      onPart({ number, state: 'failed', size, reason: describe(outcome.seen) });
      return;
    }
    if (outcome.etag === null && !this.#etagSeen) {
      onNotice('etag_hidden', "Storage's CORS rules hide the ETag; parts are reported without it.");
    }
    this.#etagSeen = true;
    onPart({ number, state: 'stored', size });
  }

  #onNetwork(): void {
    this.#offlineSince = isOffline() ? (this.#offlineSince ?? now()) : null;
    this.#hold();
    this.#pump();
  }

  #hold(): void {
    this.transfer.hold(this.#paused || this.#offlineSince !== null, now());
  }

  #onTick(): void {
    if (this.#offlineSince !== null && now() - this.#offlineSince > OFFLINE_RETRY_MS) {
      // Once in a while it is tried all the same.
      this.#offlineSince = now();
      this.transfer.hold(this.#paused, now());
      this.#pump();
      this.#hold();
    }
    this.transfer.setup.lanes.observe(now());
    this.#pump();
    if (this.#settle !== null) this.#parts.onTick();
  }
}

function isCompleting(error: unknown): boolean {
  const problem = error instanceof UploadError ? error.problem : undefined;
  const states: (UploadState | null | undefined)[] = ['completing', 'completed'];
  return problem?.code === 'upload_closed' && states.includes(problem.state);
}
