import type { PartEvent, State, Upload } from '@partgate/client';
import { Changes } from './changes.js';
import { noticeWords, partWords, sendingLogWords, stateLogWords } from '../words.js';

/** What a row shows: the upload's state, and two that only a person sees apart. */
export type Look =
  | State
  /** Sending what remains of an upload that was begun before. */
  | 'resuming'
  /** Asked to go away; the gateway has not answered yet. */
  | 'cancelling';

/** One line of the event log. */
export interface LogEntry {
  readonly number: number;
  readonly at: Date;
  readonly words: string;
  readonly trouble: boolean;
}

const LOG_LENGTH = 50;
let lastId = 0;

/** A file of the list: its upload, and what the page knows beside it. */
export class Item {
  readonly id = ++lastId;
  readonly changes = new Changes();
  readonly folder: string;
  open = false;
  cancelling = false;
  log: readonly LogEntry[] = [];
  handle: FileSystemFileHandle | undefined;
  #upload: Upload;
  #forget: (() => void)[] = [];
  #logged = 0;
  /** Sending began, and how many parts there are is not told yet. */
  #toTell = false;
  readonly #onState: (item: Item) => void;

  constructor(
    upload: Upload,
    about: { folder: string; handle: FileSystemFileHandle | undefined },
    onState: (item: Item) => void,
  ) {
    this.folder = about.folder;
    this.handle = about.handle;
    this.#onState = onState;
    this.#upload = upload;
    this.attach(upload);
  }

  get upload(): Upload {
    return this.#upload;
  }

  get look(): Look {
    const { state, progress } = this.#upload;
    if (this.cancelling && state !== 'aborted') return 'cancelling';
    return state === 'uploading' && progress.resumedParts > 0 ? 'resuming' : state;
  }

  /** Shows another upload in the same place: the same file, chosen again. */
  attach(upload: Upload): void {
    for (const forget of this.#forget) forget();
    this.#upload = upload;
    this.#forget = [
      upload.on('state', (state) => {
        const words = stateLogWords(state, upload);
        this.#toTell = state === 'uploading';
        if (words) this.#note(words, state === 'failed' || state === 'offline' || state === 'retrying');
        this.changes.announce();
        this.#onState(this);
      }),
      upload.on('progress', (progress) => {
        if (this.#toTell && progress.totalParts > 0) {
          this.#toTell = false;
          this.#note(sendingLogWords(progress), false);
        }
        this.changes.announce();
      }),
      upload.on('part', (event) => this.#part(event)),
      upload.on('notice', (notice) => {
        const words = noticeWords(notice);
        if (words) this.#note(words, true);
        this.changes.announce();
      }),
    ];
    this.changes.announce();
  }

  toggle(): void {
    this.open = !this.open;
    this.changes.announce();
  }

  #part(event: PartEvent): void {
    if (event.state === 'failed') this.#note(partWords(event), true);
    this.changes.announce();
  }

  #note(words: string, trouble: boolean): void {
    const last = this.log.at(-1);
    if (last?.words === words && Date.now() - last.at.getTime() < 1000) return;
    const entry = { number: ++this.#logged, at: new Date(), words, trouble };
    this.log = [...this.log.slice(1 - LOG_LENGTH), entry];
  }
}

/** Bytes are on their way, or are about to be: closing the page would stop something. */
export function moves(look: Look): boolean {
  switch (look) {
    case 'preparing':
    case 'checking':
    case 'uploading':
    case 'resuming':
    case 'retrying':
      return true;
    case 'idle':
    case 'waiting':
    case 'offline':
    case 'watching':
    case 'paused':
    case 'finishing':
    case 'verifying':
    case 'done':
    case 'failed':
    case 'aborted':
    case 'cancelling':
      return false;
  }
}

/** Not at its end, and nobody has stopped it. */
export function runs(look: Look): boolean {
  return moves(look) || look === 'waiting' || look === 'offline' || look === 'watching' || look === 'finishing' || look === 'verifying';
}

/** What a person may do with an upload in this state, beside looking at it. */
export type Action = 'pause' | 'resume' | 'cancel' | 'remove' | 'retry' | 'restart';

export function actionsFor(look: Look): readonly Action[] {
  switch (look) {
    case 'idle':
    case 'paused':
      return ['resume', 'cancel'];
    case 'waiting':
    case 'preparing':
    case 'checking':
    case 'uploading':
    case 'resuming':
    case 'retrying':
    case 'offline':
    case 'watching':
      return ['pause', 'cancel'];
    case 'done':
    case 'failed':
    case 'aborted':
      return ['remove'];
    // Storage is at work on the object: there is nothing to stop any more, and nothing to take back yet.
    case 'finishing':
    case 'verifying':
    case 'cancelling':
      return [];
  }
}
