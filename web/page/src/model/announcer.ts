import { Changes } from './changes.js';
import { announcement } from '../words.js';
import type { Look } from './item.js';

/** A screen reader is told at most this often. */
const EVERY_MS = 4_000;

/** Gathers what happened to files and says it in one sentence every few seconds. */
export class Announcer {
  readonly changes = new Changes();
  words = '';
  readonly #pending = new Map<string, Look>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #toldAt = -Infinity;

  /** Only the newest state of a file counts. */
  tell(name: string, look: Look): void {
    this.#pending.set(name, look);
    if (this.#timer !== undefined) return;
    // A moment of patience gathers what happens together, for example when everything is paused.
    const wait = Math.max(500, this.#toldAt + EVERY_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#toldAt = performance.now();
      this.words = announcement([...this.#pending]);
      this.#pending.clear();
      this.changes.announce();
    }, wait);
  }
}
