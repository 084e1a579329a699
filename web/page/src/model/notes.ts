import { Changes } from './changes.js';

/** A short message at the edge of the page. */
export interface Note {
  readonly id: number;
  readonly words: string;
  readonly error: boolean;
}

const SHOWN_MS = 8_000;
const AT_ONCE = 4;

/** Messages that belong to no row. Errors stay until they are closed. */
export class Notes {
  readonly changes = new Changes();
  list: readonly Note[] = [];
  #last = 0;

  tell(words: string): void {
    const id = this.#add(words, false);
    setTimeout(() => this.close(id), SHOWN_MS);
  }

  error(words: string): void {
    this.#add(words, true);
  }

  close(id: number): void {
    this.list = this.list.filter((note) => note.id !== id);
    this.changes.announce();
  }

  #add(words: string, error: boolean): number {
    const id = ++this.#last;
    const others = this.list.filter((note) => note.words !== words);
    this.list = [...others.slice(1 - AT_ONCE), { id, words, error }];
    this.changes.announce();
    return id;
  }
}
