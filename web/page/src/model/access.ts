import { UploadError } from '@partgate/client';
import { type Keep, type NotUsable, readCredential } from '../credential.js';
import { Changes } from './changes.js';

/** Why somebody is not signed in. */
export type SignInTrouble =
  | NotUsable
  /** The gateway does not know it. */
  | 'refused'
  /** It was good until now. */
  | 'ended'
  /** The gateway could not be asked. */
  | 'unreachable';

/** Whom this tab calls the gateway as. In open mode nobody is asked. */
export class Access {
  readonly changes = new Changes();
  /** The gateway wants to know who calls, and does not: people are asked. */
  wanted: boolean;
  /** What was given is being tried. */
  checking = false;
  trouble: SignInTrouble | null = null;
  readonly #keep: Keep;
  #credential: string | null;
  /** Somebody is or was asked for a credential here. */
  #used: boolean;

  /** `given` came with the address, and is newer than what is kept. */
  constructor(required: boolean, keep: Keep, given: string | null) {
    this.#keep = keep;
    this.#credential = keep.read();
    this.#used = required || this.#credential !== null;
    this.wanted = required && this.#credential === null;
    if (given !== null && this.offer(given)) this.accepted();
  }

  /** Whether there is somebody who can sign out. */
  get signedIn(): boolean {
    return this.#credential !== null && !this.wanted;
  }

  /** Whether plain links work: those carry no credential. */
  get open(): boolean {
    return !this.#used;
  }

  /** For every call to the gateway. */
  headers(): Record<string, string> {
    return this.#credential === null ? {} : { authorization: `Bearer ${this.#credential}` };
  }

  /** Somebody gave a key or grant: whether it may be tried. */
  offer(text: string): boolean {
    const read = readCredential(text);
    this.#used = true;
    if ('trouble' in read) {
      this.#stay(read.trouble);
      return false;
    }
    this.#credential = read.credential;
    this.checking = true;
    this.trouble = null;
    this.changes.announce();
    return true;
  }

  /** The gateway answered as if to somebody whom it knows. */
  accepted(): void {
    this.#keep.write(this.#credential);
    this.wanted = this.checking = false;
    this.trouble = null;
    this.changes.announce();
  }

  /** The gateway answered 401. */
  refused(): void {
    const trouble = this.checking ? 'refused' : this.#credential === null ? this.trouble : 'ended';
    this.#credential = null;
    this.#used = true;
    this.#keep.write(null);
    this.#stay(trouble);
  }

  /** The gateway did not answer: what was given is tried when it is given again. */
  unanswered(): void {
    if (!this.checking) return;
    this.#credential = null;
    this.#stay('unreachable');
  }

  forget(): void {
    this.#credential = null;
    this.#keep.write(null);
    this.#stay(null);
  }

  #stay(trouble: SignInTrouble | null): void {
    this.wanted = true;
    this.checking = false;
    this.trouble = trouble;
    this.changes.announce();
  }
}

/** Whether the gateway wants another credential; a proxy before it that wants its own is none of ours. */
export function wantsCredential(error: unknown): boolean {
  return error instanceof UploadError && error.problem?.code === 'unauthorized';
}

/** Whether the gateway knows the caller, who may not do this. */
export function isForbidden(error: unknown): boolean {
  return error instanceof UploadError && error.problem?.code === 'forbidden';
}
