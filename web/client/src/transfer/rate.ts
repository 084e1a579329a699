const OVER_MS = 10_000;
/** No estimate before this: it would be a guess. */
const ESTIMATE_AFTER_MS = 3_000;

/** Exponential average of a rate over ten seconds. No clock inside. */
export class Rate {
  readonly #started: number;
  #last: number;
  #lastBytes: number;
  #bytesPerMs = 0;

  constructor(bytes: number, now: number) {
    this.#started = now;
    this.#last = now;
    this.#lastBytes = bytes;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerMs * 1000;
  }

  /** Going backwards (a part was lost) counts as nothing sent. */
  observe(bytes: number, now: number): void {
    const elapsed = now - this.#last;
    if (elapsed <= 0) return;
    const sample = Math.max(0, bytes - this.#lastBytes) / elapsed;
    // Until there are ten seconds of data the average is over what there is.
    const over = Math.min(OVER_MS, now - this.#started);
    this.#bytesPerMs += (1 - Math.exp(-elapsed / over)) * (sample - this.#bytesPerMs);
    this.#last = now;
    this.#lastBytes = bytes;
  }

  secondsLeft(leftBytes: number, now: number): number | null {
    if (now - this.#started < ESTIMATE_AFTER_MS || this.#bytesPerMs < 0.001) return null;
    return leftBytes / this.#bytesPerMs / 1000;
  }
}
