import { Concurrency, CONNECTIONS_DEFAULT } from './concurrency.js';

/**
 * The connections to storage, shared by the uploads of a queue. Whoever came first is served first, so that files are
 * finished one after the other; what one cannot use the next one takes.
 */
export class Lanes {
  readonly #concurrency: Concurrency;
  readonly #users = new Set<() => void>();
  #busy = 0;
  #sentBytes = 0;

  constructor(maxConnections: number = CONNECTIONS_DEFAULT) {
    this.#concurrency = new Concurrency(maxConnections);
  }

  get max(): number {
    return this.#concurrency.max;
  }

  get limit(): number {
    return this.#concurrency.limit;
  }

  /** Takes a connection if one is free. A small file does not feel how many there are: it may use all at once. */
  take(now: number, onePut: boolean): boolean {
    const limit = onePut && this.#concurrency.calm(now) ? this.max : this.limit;
    if (this.#busy >= limit) return false;
    this.#busy += 1;
    return true;
  }

  release(): void {
    this.#busy -= 1;
    for (const wake of this.#users) wake();
  }

  /** Is woken whenever a connection becomes free; the answer leaves. */
  join(wake: () => void): () => void {
    this.#users.add(wake);
    return () => void this.#users.delete(wake);
  }

  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  partStored(): void {
    this.#concurrency.partStored();
  }

  lost(now: number): void {
    this.#concurrency.lost(now);
  }

  observe(now: number): void {
    this.#concurrency.observe(this.#sentBytes, this.#busy, now);
  }
}
