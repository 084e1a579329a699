/** How often listeners hear of changes at most. */
const SPAN_MS = 100;

/** Tells listeners that something changed: at once after quiet, else at the end of a span. The last change is always told. */
export class Changes {
  readonly #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #toldAt = -Infinity;

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  announce(): void {
    if (this.#timer !== undefined) return;
    const wait = this.#toldAt + SPAN_MS - performance.now();
    if (wait <= 0) {
      this.#tell();
    } else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#tell();
      }, wait);
    }
  }

  #tell(): void {
    this.#toldAt = performance.now();
    for (const listener of [...this.#listeners]) listener();
  }
}
