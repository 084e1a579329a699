import { Changes } from './changes.js';
import type { QuestionWords } from '../words.js';

/** Asks before something is lost. One question at a time; a second one answers the first with no. */
export class Question {
  readonly changes = new Changes();
  words: QuestionWords | null = null;
  #answer: ((yes: boolean) => void) | undefined;

  ask(words: QuestionWords): Promise<boolean> {
    this.answer(false);
    this.words = words;
    this.changes.announce();
    return new Promise((resolve) => (this.#answer = resolve));
  }

  answer(yes: boolean): void {
    this.words = null;
    this.#answer?.(yes);
    this.#answer = undefined;
    this.changes.announce();
  }
}
