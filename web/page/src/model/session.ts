import { forgetTokens, UploadQueue, type Unfinished, type Upload, type UploadOptions } from '@partgate/client';
import { HERE, bestChecksum, type Gateway } from '../gateway.js';
import { errorWords } from '../error-words.js';
import { signOutQuestion } from '../sign-in-words.js';
import { cancelAllQuestion, cancelQuestion, notCancelled, notTheFile, removedWords } from '../words.js';
import type { FoundFile } from '../files/found.js';
import { type Access, wantsCredential } from './access.js';
import { Announcer } from './announcer.js';
import { Changes } from './changes.js';
import { Item, moves, runs } from './item.js';
import { Notes } from './notes.js';
import { Question } from './question.js';
import { UnfinishedList } from './unfinished.js';

/** How many uploads are where. */
export interface Counts {
  total: number;
  done: number;
  failed: number;
  /** Of the failed: those for which trying again may help. */
  retryable: number;
  paused: number;
  /** Not at their end, and not stopped by anybody. */
  running: number;
  /** Waiting for the network. */
  offline: number;
  /** Another tab sends them. */
  watching: number;
  /** With bytes on their way: closing the page would stop them. */
  moving: number;
}

/** Everything that the page shows, and everything that a person can do with it. */
export class Session {
  /** Numbers moved. */
  readonly changes = new Changes();
  /** An upload came, went, or changed its state. */
  readonly list = new Changes();
  readonly notes = new Notes();
  readonly question = new Question();
  readonly announcer = new Announcer();
  readonly unfinished: UnfinishedList;
  readonly queue: UploadQueue;
  readonly gateway: Gateway;
  readonly access: Access;
  items: readonly Item[] = [];

  /** The page goes away because somebody asked for it. */
  leaving = false;

  constructor(gateway: Gateway, access: Access) {
    this.gateway = gateway;
    this.access = access;
    const checksum = bestChecksum(gateway);
    const options: UploadOptions = { gateway: HERE, headers: () => access.headers() };
    this.queue = new UploadQueue(checksum ? { ...options, checksum } : options);
    this.unfinished = new UnfinishedList(access, this.notes, this.question);
    this.queue.on('progress', () => this.changes.announce());
    this.queue.on('state', () => this.#listChanged());
  }

  async start(): Promise<void> {
    if (!this.access.wanted) await this.unfinished.refresh();
  }

  /** Tries a key or grant. Uploads that waited for one go on with it. */
  async signIn(credential: string): Promise<void> {
    if (!this.access.offer(credential)) return;
    await this.unfinished.refresh();
    if (!this.access.signedIn) return;
    for (const item of this.items) if (wantsCredential(item.upload.error)) void this.resume(item);
  }

  /** Nothing that could act for whoever leaves stays in this tab, nor in what the browser remembers of uploads. */
  async signOut(): Promise<void> {
    const { running, paused } = this.counts();
    if (running + paused > 0 && !(await this.question.ask(signOutQuestion(running + paused)))) return;
    this.queue.pause();
    this.access.forget();
    forgetTokens({ gateway: HERE });
    this.leaving = true;
    location.reload();
  }

  counts(): Counts {
    const counts: Counts = { total: this.items.length, done: 0, failed: 0, retryable: 0, paused: 0, running: 0, offline: 0, watching: 0, moving: 0 };
    for (const item of this.items) {
      const { look } = item;
      if (this.#retryable(item)) counts.retryable += 1;
      if (look === 'done') counts.done += 1;
      else if (look === 'failed') counts.failed += 1;
      // In a paused queue nobody's turn comes.
      else if (look === 'paused' || (look === 'waiting' && this.queue.paused)) counts.paused += 1;
      else if (runs(look)) counts.running += 1;
      if (look === 'offline') counts.offline += 1;
      if (look === 'watching') counts.watching += 1;
      if (moves(look)) counts.moving += 1;
    }
    return counts;
  }

  add(found: readonly FoundFile[]): void {
    const items = found.map(({ file, folder, handle }) => {
      const options: UploadOptions = handle ? { handle, name: file.name } : { name: file.name };
      return this.#item(this.queue.add(file, options), folder, handle);
    });
    this.items = [...this.items, ...items];
    this.#listChanged();
  }

  /** Goes on with an unfinished upload. The client proves that it is the same file; a wrong size is told at once. */
  proceed(unfinished: Unfinished, file: File, handle?: FileSystemFileHandle): void {
    if (unfinished.size !== null && unfinished.size !== file.size) {
      this.notes.error(notTheFile(unfinished, file));
      return;
    }
    this.unfinished.hide(unfinished.uploadId);
    const options = handle ? { ...unfinished.resumeOptions, handle } : unfinished.resumeOptions;
    this.items = [...this.items, this.#item(this.queue.add(file, options), '', handle)];
    this.#listChanged();
  }

  pause(item: Item): void {
    item.upload.pause();
  }

  /** Goes on, or tries again. A file that could not be read is opened anew where there is a handle. */
  async resume(item: Item): Promise<void> {
    const { upload, handle } = item;
    const file = upload.error?.code === 'file_unreadable' ? await handle?.getFile().catch(() => null) : null;
    if (file && file.size === upload.size) this.chooseAgain(item, file, handle);
    else upload.resume();
  }

  restart(item: Item): void {
    item.upload.restart();
  }

  /** Goes on with a file that was chosen again, because the first one could not be read or is another one. */
  chooseAgain(item: Item, file: File, handle?: FileSystemFileHandle): void {
    const { upload } = item;
    // Of a changed file the size that it should have is not known here: the client finds out.
    if (upload.error?.code !== 'file_changed' && file.size !== upload.size) {
      this.notes.error(notTheFile(upload, file));
      return;
    }
    const { handle: _former, ...kept } = upload.options;
    const options: UploadOptions = { ...kept };
    if (upload.uploadId) options.uploadId = upload.uploadId;
    if (handle) options.handle = handle;
    item.handle = handle;
    item.attach(this.queue.add(file, options));
    this.queue.remove(upload);
    this.#listChanged();
  }

  async cancel(item: Item): Promise<void> {
    const { storedBytes } = item.upload.progress;
    if (storedBytes > 0 && !(await this.question.ask(cancelQuestion(item.upload)))) return;
    await this.#abort(item);
  }

  /** Takes an upload that is at its end out of the list. What is kept of it in storage comes back as unfinished. */
  remove(item: Item): void {
    const { upload } = item;
    this.#drop(item);
    if (upload.state === 'failed' && upload.uploadId) void this.unfinished.show(upload.uploadId);
  }

  pauseAll(): void {
    this.queue.pause();
    this.#listChanged();
  }

  resumeAll(): void {
    this.queue.resume();
    for (const { upload } of this.items) if (upload.state === 'paused') upload.resume();
    this.#listChanged();
  }

  async cancelAll(): Promise<void> {
    const open = this.items.filter((item) => item.look !== 'done' && item.look !== 'failed');
    const stored = open.reduce((sum, item) => sum + item.upload.progress.storedBytes, 0);
    if (stored > 0 && !(await this.question.ask(cancelAllQuestion(open.length, stored)))) return;
    await Promise.all(open.filter((item) => this.items.includes(item)).map((item) => this.#abort(item)));
  }

  retryFailed(): void {
    for (const item of this.items) if (this.#retryable(item)) void this.resume(item);
  }

  clearDone(): void {
    for (const item of this.items) if (item.look === 'done') this.#drop(item);
  }

  #retryable({ upload: { error, progress } }: Item): boolean {
    return error !== null && errorWords(error, progress, this.gateway).remedies[0] === 'retry';
  }

  #listChanged(): void {
    this.list.announce();
    this.changes.announce();
  }

  #item(upload: Upload, folder: string, handle: FileSystemFileHandle | undefined): Item {
    return new Item(upload, { folder, handle }, (item) => this.#stateChanged(item));
  }

  #stateChanged(item: Item): void {
    const { uploadId, name, state } = item.upload;
    if (uploadId) this.unfinished.hide(uploadId);
    if (state === 'failed' && wantsCredential(item.upload.error)) this.access.refused();
    if (state === 'aborted' && !item.cancelling) this.#drop(item);
    this.announcer.tell(name, item.look);
    this.#listChanged();
  }

  async #abort(item: Item): Promise<void> {
    // The state may have moved on while the question stood there.
    if (item.look === 'done' || item.cancelling) return;
    item.cancelling = true;
    item.changes.announce();
    this.#listChanged();
    try {
      await item.upload.abort();
      this.#drop(item);
      this.notes.tell(removedWords(item.upload));
    } catch (error) {
      item.cancelling = false;
      item.changes.announce();
      this.notes.error(notCancelled(item.upload.name, error));
    }
    this.#listChanged();
  }

  #drop(item: Item): void {
    if (!this.items.includes(item)) return;
    this.items = this.items.filter((other) => other !== item);
    if (this.queue.uploads.includes(item.upload)) this.queue.remove(item.upload);
    this.#listChanged();
  }
}
