/**
 * The upload as a state machine: what is missing, hashed, signed, in flight, stored. No clock, no I/O, no randomness; a
 * driver carries out its commands and tells it what came of them. The Rust client has the same (`upload/transfer`).
 */
import { PartState } from '../types.js';
import type { ChecksumAlgorithm, PartToSign, ReceivedPart, SignedPart, StoredPart, UploadStatus } from '../wire.js';
import { backoffMs } from './backoff.js';
import { type History, type Seen, type StorageAnswer, decide, describe, newHistory } from './decide.js';
import type { Grid } from './grid.js';
import type { Lanes } from './lanes.js';
import { PartSet } from './part-set.js';
import { WINDOW_MAX, windowSize } from './window.js';

/** Status with refresh, at most this often for the whole upload. */
const REFRESH_INTERVAL_MS = 5_000;
/** Stored parts that no sign call carries are reported this often. */
const REPORT_INTERVAL_MS = 15_000;
/** Parts hashed at the same time: reading is the bound, and two readers saturate most disks. */
const HASHERS = 2;
/** A URL this close to its end (or in the last third of a short life) is not used any more. */
const EXPIRY_MARGIN_MS = 15_000;
/** How much a new part time counts in the average. */
const NEWEST_WEIGHT = 0.3;
/** Storage that never took a part for so long, while the gateway answers, will not do so by waiting. */
const FIRST_CONTACT_MS = 30_000;

/** What to do next. */
export type Command =
  | { do: 'hash'; number: number }
  | { do: 'sign'; parts: PartToSign[]; stored: StoredPart[] }
  | { do: 'report'; stored: StoredPart[] }
  /** Call status with refresh and parts. */
  | { do: 'refresh' }
  | { do: 'send'; ticket: Ticket }
  /** Nothing until something comes of what runs, or a little time has passed. */
  | { do: 'wait' }
  /** All parts are stored: call complete with those that were not reported yet. */
  | { do: 'finished'; stored: StoredPart[] }
  | { do: 'stop'; failure: Failure };

/** Leave to send one part. */
export interface Ticket {
  readonly number: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly size: number;
  /** After this it is signed again rather than used. */
  readonly useUntil: number;
  readonly expires: number;
}

/** What came of sending a part. */
export type Outcome = { stored: true; etag: string | null; tookMs: number } | { stored: false; seen: Seen };

/** Why the transfer cannot go on. */
export type Failure =
  | { why: 'storage_refused' | 'signature_refused'; number: number; answer: StorageAnswer }
  | { why: 'file_unreadable'; cause: unknown }
  | { why: 'file_changed'; number: number }
  | { why: 'stalled'; forMs: number; detail: string }
  | { why: 'storage_unreachable'; forMs: number };

/** What a transfer is made of. */
export interface Setup {
  grid: Grid;
  algorithm: ChecksumAlgorithm;
  lanes: Lanes;
  giveUpAfterMs: number;
}

/**
 * Invariant: a part number is in exactly one of `toHash`, `hashing`, `toSign`, `signed`, `inFlight`, `suspect` and
 * `kept` (each part is in one place: test/transfer.test.ts). A kept part may be in `toVerify` or `verifying` besides.
 */
export class Transfer {
  readonly setup: Setup;
  /** Live: where each part is, for maps. */
  readonly parts: Uint8Array;
  readonly checksums = new Map<number, string>();
  retries = 0;
  readonly #toHash: PartSet;
  readonly #hashing: PartSet;
  readonly #toSign: PartSet;
  /** Of those to sign: not before. */
  readonly #notBefore = new Map<number, number>();
  readonly #signed: PartSet;
  readonly #tickets = new Map<number, Ticket>();
  readonly #inFlight: PartSet;
  /** Failed on the way: perhaps stored, status will tell. */
  readonly #suspect: PartSet;
  /** Of each kept part: how many refreshes had begun when it was stored; one that began earlier cannot know it. */
  readonly #kept = new Map<number, number>();
  #keptBytes = 0;
  /** Storage had them before this run; they are hashed while others are sent, so that nothing is ever spliced. */
  readonly #toVerify: PartSet;
  readonly #verifying: PartSet;
  /** Checksums that storage did not believe; what hashing again is compared with. */
  readonly #doubted = new Map<number, string>();
  #unreported: StoredPart[] = [];
  readonly #histories = new Map<number, History>();
  #calling = false;
  #refreshWanted = false;
  /** Signed URLs name an S3 upload that storage does not know any more. */
  #ticketsVoid = false;
  #lastRefresh = -Infinity;
  #refreshes = 0;
  #lastReport: number;
  #lastProgress: number;
  #firstTry: number | null = null;
  #everStored: boolean;
  /** The most bytes ever sent of a part in one attempt: less is no progress. */
  readonly #furthest = new Map<number, number>();
  #lastTrouble = 'nothing could be sent';
  #urlLifetimeMs: number | null = null;
  #usualPartMs: number | null = null;
  #partsPerMs: number | null = null;
  #failure: Failure | null = null;
  /** No new sends and no calls: paused, or offline. */
  #held = false;

  constructor(setup: Setup, now: number) {
    this.setup = setup;
    const { totalParts } = setup.grid;
    this.parts = new Uint8Array(totalParts);
    const set = () => new PartSet(totalParts);
    this.#toHash = set();
    this.#hashing = set();
    this.#toSign = set();
    this.#signed = set();
    this.#inFlight = set();
    this.#suspect = set();
    this.#toVerify = set();
    this.#verifying = set();
    this.#lastReport = now;
    this.#lastProgress = now;
    this.#everStored = false;
    for (let number = 1; number <= totalParts; number += 1) this.#queue(number, now);
  }

  /** Parts that storage had before this run; `proven` are those whose checksum was compared with the file already. */
  adopt(received: readonly ReceivedPart[], proven: ReadonlyMap<number, string>): void {
    for (const part of received) {
      // Parts of another size than planned are sent again.
      if (part.size !== this.setup.grid.length(part.number) || !this.#takeOut(part.number)) continue;
      this.#keep(part.number);
      const checksum = proven.get(part.number) ?? part.checksum ?? undefined;
      if (checksum === undefined || this.setup.algorithm === 'none') continue;
      this.checksums.set(part.number, checksum);
      if (!proven.has(part.number)) this.#toVerify.add(part.number);
    }
  }

  /** A checksum that was computed before the transfer began. */
  knowChecksum(number: number, checksum: string): void {
    if (!this.#toHash.delete(number)) return;
    this.checksums.set(number, checksum);
    this.#toSign.add(number);
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  get keptParts(): number {
    return this.#kept.size;
  }

  get inFlightParts(): number {
    return this.#inFlight.size;
  }

  isKept(number: number): boolean {
    return this.#kept.has(number);
  }

  /** Nothing is sent and nothing is asked while held; what is in flight goes on unless it is cut. */
  hold(held: boolean, now: number): void {
    if (this.#held && !held) {
      this.#refreshWanted ||= this.#suspect.size > 0;
      this.#lastRefresh = -Infinity;
      for (const number of this.#toSign) this.#notBefore.delete(number);
    }
    this.#held = held;
    this.#lastProgress = now;
    if (this.#firstTry !== null) this.#firstTry = now;
  }

  /**
   * How long a part may make no progress: 4 times what one usually takes, at least 15 s; a minute as long as that is
   * unknown, because a slow line takes that long to empty the system's own buffer.
   */
  get stallAfterMs(): number {
    return this.#usualPartMs === null ? 60_000 : Math.max(15_000, 4 * this.#usualPartMs);
  }

  /** Bytes per second of one connection, as measured; `null` before a part was sent. */
  get rateOfOne(): number | null {
    return this.#usualPartMs === null ? null : (this.setup.grid.partSize / this.#usualPartMs) * 1000;
  }

  /** Until the next part may be tried, when all that is left waits for that; else `null`. */
  waitsMs(now: number): number | null {
    const others = this.#inFlight.size + this.#signed.size + this.#hashing.size + this.#toHash.size;
    if (others > 0 || this.#toSign.size + this.#suspect.size === 0) return null;
    if (this.#suspect.size > 0) return Math.max(0, this.#lastRefresh + REFRESH_INTERVAL_MS - now);
    let soonest = Infinity;
    for (const number of this.#toSign) soonest = Math.min(soonest, this.#notBefore.get(number) ?? now);
    return soonest > now ? soonest - now : null;
  }

  /** Every part's checksum and size, in order; `null` when one is unknown. */
  expectedParts(): [checksum: string, size: number][] | null {
    const parts: [string, number][] = [];
    for (let number = 1; number <= this.setup.grid.totalParts; number += 1) {
      const checksum = this.checksums.get(number);
      if (checksum === undefined) return null;
      parts.push([checksum, this.setup.grid.length(number)]);
    }
    return parts;
  }

  /** The next command. Each call gives one; `wait` means that there is no other now. */
  next(now: number): Command {
    const failure = this.#failure ?? this.#stalled(now);
    if (failure !== null) return { do: 'stop', failure };
    if (this.#held) return { do: 'wait' };
    this.#returnTickets(now);
    return (
      this.#nextHash() ?? this.#nextCall(now) ?? this.#nextSend(now) ?? this.#nextFinished() ?? { do: 'wait' }
    );
  }

  #stalled(now: number): Failure | null {
    // Held is nobody's fault. A file that cannot be read through is: hashing that never ends counts as a stall, too.
    if (this.#held) this.#lastProgress = now;
    const still = now - this.#lastProgress;
    if (still > this.setup.giveUpAfterMs) return { why: 'stalled', forMs: still, detail: this.#lastTrouble };
    if (this.#everStored || this.#firstTry === null || this.#inFlight.size > 0) return null;
    const tried = Math.min(now - this.#firstTry, still);
    return tried > FIRST_CONTACT_MS ? { why: 'storage_unreachable', forMs: tried } : null;
  }

  /** Signed parts whose URL is of no use go back to be signed again. */
  #returnTickets(now: number): void {
    const all = this.#ticketsVoid;
    this.#ticketsVoid = false;
    for (const [number, ticket] of this.#tickets) {
      if (!all && now < ticket.useUntil) continue;
      this.#tickets.delete(number);
      this.#signed.delete(number);
      this.#toSign.add(number);
    }
  }

  #nextHash(): Command | null {
    if (this.#hashing.size + this.#verifying.size >= HASHERS) return null;
    const ahead = this.#hashing.size + this.#toSign.size + this.#signed.size;
    const number = ahead > this.#window() + 2 * this.setup.lanes.limit ? undefined : this.#toHash.shift();
    if (number !== undefined) {
      this.#hashing.add(number);
      return { do: 'hash', number };
    }
    const old = this.#toVerify.shift();
    if (old === undefined) return null;
    this.#verifying.add(old);
    return { do: 'hash', number: old };
  }

  #nextCall(now: number): Command | null {
    if (this.#calling) return null;
    if (this.#refreshWanted && now - this.#lastRefresh >= REFRESH_INTERVAL_MS) {
      this.#refreshWanted = false;
      this.#lastRefresh = now;
      this.#refreshes += 1;
      this.#calling = true;
      return { do: 'refresh' };
    }
    const parts = this.#partsToSign(now);
    if (parts.length > 0) {
      this.#calling = true;
      this.#lastReport = now;
      return { do: 'sign', parts, stored: this.#takeUnreported() };
    }
    if (now - this.#lastReport >= REPORT_INTERVAL_MS && this.#unreported.length > 0 && !this.#allKept()) {
      this.#calling = true;
      this.#lastReport = now;
      return { do: 'report', stored: this.#takeUnreported() };
    }
    return null;
  }

  /**
   * The next window, when it is time for it: few signed parts wait, and enough parts are hashed to make a call worth
   * while, or there is nothing to send without it.
   */
  #partsToSign(now: number): PartToSign[] {
    const { limit } = this.setup.lanes;
    if (this.#toSign.size === 0 || this.#signed.size >= 2 * limit) return [];
    const window = this.#window();
    const due: number[] = [];
    for (const number of this.#toSign) {
      if ((this.#notBefore.get(number) ?? now) <= now) due.push(number);
      if (due.length === window) break;
    }
    const allHashed = this.#toHash.size === 0 && this.#hashing.size === 0;
    const idle = this.#signed.size === 0 && this.#inFlight.size === 0;
    // Hashing a few more parts takes less time than a call of its own for each.
    if (!allHashed && !idle && due.length < limit) return [];
    return due.map((number) => {
      const checksum = this.checksums.get(number);
      const item = { number, ...(checksum === undefined ? {} : { checksum }), ...this.#shortSize(number) };
      return Object.keys(item).length === 1 ? number : item;
    });
  }

  /** The size of a short last part: a gateway that has lost its database does not know how large the file is. */
  #shortSize(number: number): { size?: number } {
    const { grid } = this.setup;
    const size = grid.length(number);
    return grid.totalParts === 1 || size === grid.partSize ? {} : { size };
  }

  #takeUnreported(): StoredPart[] {
    return this.#unreported.splice(0, WINDOW_MAX);
  }

  #nextSend(now: number): Command | null {
    const [number] = this.#signed;
    const ticket = number === undefined ? undefined : this.#tickets.get(number);
    if (number === undefined || ticket === undefined) return null;
    if (!this.setup.lanes.take(now, this.#isOnePut)) return null;
    this.#signed.delete(number);
    this.#tickets.delete(number);
    this.#inFlight.add(number);
    this.#mark(number, PartState.Sending);
    this.#firstTry ??= now;
    return { do: 'send', ticket };
  }

  #nextFinished(): Command | null {
    const hashing = this.#hashing.size + this.#verifying.size + this.#toVerify.size;
    if (this.#calling || hashing > 0 || !this.#allKept()) return null;
    // What one call cannot carry is reported before.
    if (this.#unreported.length > WINDOW_MAX) {
      this.#calling = true;
      return { do: 'report', stored: this.#takeUnreported() };
    }
    return { do: 'finished', stored: this.#takeUnreported() };
  }

  #allKept(): boolean {
    return this.#kept.size === this.setup.grid.totalParts;
  }

  get #isOnePut(): boolean {
    return this.setup.grid.totalParts === 1;
  }

  #window(): number {
    return windowSize(this.#partsPerMs, this.#urlLifetimeMs, this.setup.lanes.limit);
  }

  /** A part was hashed: for the first time, or again because storage doubted it or had it before. */
  hashed(number: number, checksum: string, now: number): void {
    this.#lastProgress = now;
    if (this.#verifying.delete(number)) {
      const before = this.checksums.get(number);
      if (before !== undefined && before !== checksum) this.#failure = { why: 'file_changed', number };
      return;
    }
    this.#hashing.delete(number);
    const before = this.#doubted.get(number);
    this.#doubted.delete(number);
    if (before !== undefined && before !== checksum) {
      this.#failure = { why: 'file_changed', number };
      return;
    }
    this.checksums.set(number, checksum);
    if (this.#kept.has(number)) return;
    this.#toSign.add(number);
    if (before !== undefined) this.#delay(number, now, 1);
  }

  /** The gateway has signed parts; `lifetimeMs` is how long the URLs are good for. */
  signed(parts: readonly SignedPart[], lifetimeMs: number, now: number): void {
    this.#calling = false;
    if (parts.length === 0) return;
    this.#urlLifetimeMs = lifetimeMs;
    const expires = now + lifetimeMs;
    const useUntil = expires - Math.min(EXPIRY_MARGIN_MS, lifetimeMs / 3);
    for (const { number, url, headers, size } of parts) {
      if (size !== this.setup.grid.length(number) || !this.#toSign.delete(number)) continue;
      this.#notBefore.delete(number);
      this.#signed.add(number);
      this.#tickets.set(number, { number, url, headers, size, useUntil, expires });
    }
  }

  /** A call came to nothing more than that it is over. */
  called(): void {
    this.#calling = false;
  }

  /** So many bytes of a part were handed to its connection in this attempt. */
  moved(number: number, sentBytes: number, now: number): void {
    if (sentBytes <= (this.#furthest.get(number) ?? 0)) return;
    this.#furthest.set(number, sentBytes);
    this.#lastProgress = now;
  }

  /** Sending a part came to an end. */
  sent(number: number, outcome: Outcome, now: number, random: number): void {
    this.#inFlight.delete(number);
    this.setup.lanes.release();
    if (outcome.stored) this.#stored(number, outcome.etag, outcome.tookMs, now);
    else this.#failed(number, outcome.seen, now, random);
  }

  /** Sending a part was cut because the upload is held: nobody's fault, and perhaps it is stored. */
  cut(number: number): void {
    this.#inFlight.delete(number);
    this.#suspect.add(number);
    this.#mark(number, PartState.Missing);
    this.setup.lanes.release();
  }

  #stored(number: number, etag: string | null, tookMs: number, now: number): void {
    this.#keep(number);
    this.#everStored = true;
    this.#histories.delete(number);
    this.#furthest.delete(number);
    this.#lastProgress = now;
    this.setup.lanes.partStored();
    const checksum = this.checksums.get(number);
    this.#unreported.push({
      number,
      ...(etag === null ? {} : { etag }),
      ...(checksum === undefined ? {} : { checksum }),
      ...this.#shortSize(number),
    });
    const usual = this.#usualPartMs;
    this.#usualPartMs = usual === null ? tookMs : usual * (1 - NEWEST_WEIGHT) + tookMs * NEWEST_WEIGHT;
    this.#partsPerMs = (this.#inFlight.size + 1) / Math.max(this.#usualPartMs, 1);
  }

  #failed(number: number, seen: Seen, now: number, random: number): void {
    this.retries += 1;
    this.#lastTrouble = describe(seen);
    this.#mark(number, PartState.Failed);
    const history = this.#history(number);
    const action = decide(seen, history);
    history.failures += 1;
    switch (action.do) {
      case 'refresh_then_retry':
        this.setup.lanes.lost(now);
        this.#suspect.add(number);
        this.#refreshWanted = true;
        break;
      case 'refresh_then_continue':
        history.contradictions += 1;
        this.#suspect.add(number);
        this.#refreshWanted = true;
        this.#ticketsVoid = true;
        break;
      case 'sign_again':
        history.signaturesRefused += 1;
        this.#toSign.add(number);
        break;
      case 'hash_again':
        history.contradictions += 1;
        this.#hashAgain(number, now, random);
        break;
      case 'back_off':
        this.setup.lanes.lost(now);
        this.#toSign.add(number);
        if (action.retryAfterMs === null) this.#delay(number, now, random);
        else this.#notBefore.set(number, now + action.retryAfterMs);
        break;
      case 'stop':
        this.#toSign.add(number);
        this.#failure = failureOf(number, seen);
        break;
      // The gateway's answers; storage gives no reason for these.
      case 'ask_token':
      case 'fetch_answer':
        this.#toSign.add(number);
        this.#delay(number, now, random);
    }
  }

  #history(number: number): History {
    let history = this.#histories.get(number);
    if (history === undefined) this.#histories.set(number, (history = newHistory(this.#isOnePut)));
    return history;
  }

  #delay(number: number, now: number, random: number): void {
    this.#notBefore.set(number, now + backoffMs(this.#history(number).failures, random));
  }

  #hashAgain(number: number, now: number, random: number): void {
    const checksum = this.checksums.get(number);
    if (checksum === undefined) {
      this.#toSign.add(number);
      this.#delay(number, now, random);
    } else {
      this.#doubted.set(number, checksum);
      this.#toHash.add(number);
    }
  }

  /** Status with refresh: what storage has, as of when the call began. */
  refreshed(status: UploadStatus, now: number, random: number): void {
    this.#calling = false;
    const received = new Map((status.parts ?? []).map((part) => [part.number, part.size]));
    for (const [number, size] of received) {
      if (size !== this.setup.grid.length(number) || this.#kept.has(number) || !this.#takeOut(number)) continue;
      this.#doubted.delete(number);
      this.#lastProgress = now;
      this.#everStored = true;
      this.#keep(number);
    }
    const known = [...this.#kept].filter(([number, refreshes]) => refreshes < this.#refreshes && !received.has(number));
    this.sendAgain(known.map(([number]) => number), now);
    for (const number of this.#suspect) {
      this.#suspect.delete(number);
      this.#queue(number, now);
      if (this.#toSign.has(number) && this.#histories.has(number)) this.#delay(number, now, random);
    }
  }

  /** Parts that storage does not have, or has wrongly: send them again. */
  sendAgain(numbers: readonly number[], now: number): void {
    const again = new Set(numbers);
    this.#unreported = this.#unreported.filter((part) => !again.has(part.number));
    for (const number of again) {
      if (this.#kept.has(number) && this.#takeOut(number)) this.#queue(number, now);
    }
  }

  /** Puts a part where its work begins. Whoever calls has taken it out of where it was. */
  #queue(number: number, now: number): void {
    this.#mark(number, PartState.Missing);
    const hashed = this.setup.algorithm === 'none' || (this.checksums.has(number) && !this.#toVerify.delete(number));
    if (!hashed) {
      this.#toHash.add(number);
      return;
    }
    this.#toSign.add(number);
    this.#notBefore.set(number, now);
  }

  #keep(number: number): void {
    this.#mark(number, PartState.Stored);
    if (!this.#kept.has(number)) this.#keptBytes += this.setup.grid.length(number);
    this.#kept.set(number, this.#refreshes);
  }

  /** Takes a part out of every place but in flight and hashing; false when it is in one of those, or nowhere. */
  #takeOut(number: number): boolean {
    if (this.#kept.delete(number)) {
      this.#keptBytes -= this.setup.grid.length(number);
      return true;
    }
    this.#tickets.delete(number);
    this.#notBefore.delete(number);
    return [this.#toHash, this.#toSign, this.#signed, this.#suspect].some((set) => set.delete(number));
  }

  #mark(number: number, state: PartState): void {
    this.parts[number - 1] = state;
  }

  /** How many places each part is in; for tests. @internal */
  places(number: number): number {
    const sets = [this.#toHash, this.#hashing, this.#toSign, this.#signed, this.#inFlight, this.#suspect];
    return sets.filter((set) => set.has(number)).length + (this.#kept.has(number) ? 1 : 0);
  }
}

function failureOf(number: number, seen: Seen): Failure {
  if (seen.kind === 'unreadable') return { why: 'file_unreadable', cause: seen.cause };
  if (seen.kind !== 'storage') return { why: 'stalled', forMs: 0, detail: describe(seen) };
  const stale = decide(seen, { ...newHistory(false), signaturesRefused: Infinity });
  const why = stale.do === 'stop' && stale.why === 'signature_refused' ? 'signature_refused' : 'storage_refused';
  return { why, number, answer: seen.answer };
}
