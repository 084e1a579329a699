import { findUnfinished, type Unfinished } from '@partgate/client';
import { HERE } from '../gateway.js';
import { type Access, isForbidden, wantsCredential } from './access.js';
import { discardQuestion, listTrouble, notCancelled } from '../words.js';
import { Changes } from './changes.js';
import type { Notes } from './notes.js';
import type { Question } from './question.js';

/** Uploads that were begun and not finished, here or elsewhere by the same caller. */
export class UnfinishedList {
  readonly changes = new Changes();
  list: readonly Unfinished[] = [];
  readonly #hidden = new Set<string>();
  readonly #access: Access;
  readonly #notes: Notes;
  readonly #question: Question;

  constructor(access: Access, notes: Notes, question: Question) {
    this.#access = access;
    this.#notes = notes;
    this.#question = question;
  }

  /** Asks browser and gateway. How the gateway answers tells whether it knows who calls. */
  async refresh(): Promise<void> {
    try {
      const found = await this.#find();
      this.list = found.filter((unfinished) => !this.#hidden.has(unfinished.uploadId));
      this.#access.accepted();
    } catch (error) {
      if (wantsCredential(error)) this.#access.refused();
      else if (this.#access.checking) this.#access.unanswered();
      else this.#notes.error(listTrouble(error));
    }
    this.changes.announce();
  }

  /** Who may upload need not be allowed to list: then what this browser remembers is all there is. */
  async #find(): Promise<Unfinished[]> {
    const options = { gateway: HERE, headers: () => this.#access.headers() };
    return findUnfinished({ ...options, all: true }).catch((error: unknown) => {
      if (isForbidden(error)) return findUnfinished(options);
      throw error;
    });
  }

  /** It has a row of its own now. */
  hide(uploadId: string): void {
    this.#hidden.add(uploadId);
    const rest = this.list.filter((unfinished) => unfinished.uploadId !== uploadId);
    if (rest.length === this.list.length) return;
    this.list = rest;
    this.changes.announce();
  }

  /** Its row is gone, and something of it is kept. */
  show(uploadId: string): Promise<void> {
    this.#hidden.delete(uploadId);
    return this.refresh();
  }

  async discard(unfinished: Unfinished): Promise<void> {
    if (!(await this.#question.ask(discardQuestion(unfinished)))) return;
    try {
      await unfinished.abort();
      this.hide(unfinished.uploadId);
    } catch (error) {
      this.#notes.error(notCancelled(unfinished.name, error));
    }
  }
}
