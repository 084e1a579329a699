/** Where it starts. */
const START = 4;
/** What browsers allow over HTTP/1.1 to one host. */
export const CONNECTIONS_DEFAULT = 6;
export const CONNECTIONS_MAX = 16;
/** Goodput is compared this often… */
const INTERVAL_MS = 2_000;
/** …or after so many parts, but not more often than `SHORTEST_MS`: shorter samples are noise. */
const PARTS = 8;
const SHORTEST_MS = 500;
/** What one more connection must bring. */
const GAIN = 1.05;
/** After a step back, so many comparisons pass before the next try. */
const HOLD = 5;

/** How many parts are in flight: one more connection while that brings goodput, half on loss. No clock inside. */
export class Concurrency {
  readonly max: number;
  #limit: number;
  #sample: { since: number; bytes: number; parts: number } | null = null;
  /** Goodput (bytes/ms) before the last step up. */
  #before: number | null = null;
  #hold = 0;
  #lastLoss: number | null = null;

  constructor(max: number) {
    this.max = Math.min(Math.max(Math.trunc(max) || 1, 1), CONNECTIONS_MAX);
    this.#limit = Math.min(START, this.max);
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether nothing was lost in the last ten seconds. */
  calm(now: number): boolean {
    return this.#lastLoss === null || now - this.#lastLoss > 10_000;
  }

  partStored(): void {
    if (this.#sample) this.#sample.parts += 1;
  }

  /** Compares goodput when it is time. `bytes` is the sum sent so far. */
  observe(bytes: number, inFlight: number, now: number): void {
    const sample = this.#sample;
    if (sample === null) {
      this.#sample = { since: now, bytes, parts: 0 };
      return;
    }
    const elapsed = now - sample.since;
    if (elapsed < SHORTEST_MS || (elapsed < INTERVAL_MS && sample.parts < PARTS)) return;
    this.#sample = { since: now, bytes, parts: 0 };
    // Below the limit, the limit was not the bound: nothing can be learnt.
    if (inFlight >= this.#limit) this.#compare(Math.max(0, bytes - sample.bytes) / elapsed);
  }

  #compare(goodput: number): void {
    if (this.#hold > 0) {
      this.#hold -= 1;
    } else if (this.#before !== null && goodput < this.#before * GAIN) {
      this.#limit = Math.max(1, this.#limit - 1);
      this.#before = null;
      this.#hold = HOLD;
    } else if (this.#limit < this.max) {
      this.#limit += 1;
      this.#before = goodput;
    } else {
      this.#before = null;
    }
  }

  /** Something was lost (network error, stall, 5xx, SlowDown): half, once for all that is lost within 2 s. */
  lost(now: number): void {
    if (this.#lastLoss !== null && now - this.#lastLoss < INTERVAL_MS) return;
    this.#lastLoss = now;
    this.#limit = Math.max(1, Math.trunc(this.#limit / 2));
    this.#before = null;
    this.#hold = 1;
    this.#sample = null;
  }
}
