import { Gateway } from '../gateway/gateway.js';
import type { UploadOptions } from '../types.js';
import { removeHandle, saveHandle } from './handles.js';
import { type UploadRecord, findRecord, keyOf, records, rememberRate, rememberedRate, removeRecord, saveRecord } from './records.js';

/** What a file is known by. */
export interface Identity {
  /** Of the content alone. */
  content: string;
  /** Of content and purpose. */
  fingerprint: string;
}

/** What this browser remembers of the uploads to one gateway, as far as `options.remember` allows. */
export class Memory {
  readonly #gateway: string;
  readonly #options: UploadOptions;

  constructor(options: UploadOptions) {
    this.#gateway = Gateway.nameOf(options);
    this.#options = options;
  }

  /** Names the file's lock. */
  lockName({ fingerprint }: Identity): string {
    return keyOf(this.#gateway, fingerprint);
  }

  /** The unfinished upload of this file. */
  find({ fingerprint }: Identity): UploadRecord | null {
    return this.#options.remember === false ? null : findRecord(this.#gateway, fingerprint);
  }

  /** An unfinished upload by its id, whatever file it is of. */
  byId(uploadId: string | null): UploadRecord | null {
    return records(this.#gateway).find((record) => record.uploadId === uploadId) ?? null;
  }

  /** Whether a file of this name and purpose, but other content, has an unfinished upload. */
  knowsOtherContent(name: string, { content }: Identity): boolean {
    const key = this.#options.key ?? null;
    const alike = (record: UploadRecord) => record.name === name && record.key === key;
    return this.#options.remember !== false && records(this.#gateway).some((record) => alike(record) && record.content !== content);
  }

  /** Notes an upload for the next page load. */
  note(identity: Identity, what: Pick<UploadRecord, 'uploadId' | 'token' | 'name' | 'size' | 'checksum'>): void {
    if (this.#options.remember === false) return;
    const { key, overwrite, handle } = this.#options;
    const { content, fingerprint } = identity;
    saveRecord({
      ...what,
      content,
      fingerprint,
      gateway: this.#gateway,
      key: key ?? null,
      overwrite: overwrite ?? false,
      startedAt: this.find(identity)?.startedAt ?? new Date().toISOString(),
    });
    if (handle !== undefined) void saveHandle(this.lockName(identity), handle);
  }

  forget(identity: Identity): void {
    const { fingerprint } = identity;
    // Most files are small and were never noted: IndexedDB is not asked for those.
    if (findRecord(this.#gateway, fingerprint) === null) return;
    removeRecord({ gateway: this.#gateway, fingerprint });
    void removeHandle(keyOf(this.#gateway, fingerprint));
  }

  forgetId(uploadId: string): void {
    const record = this.byId(uploadId);
    if (record !== null) this.forget(record);
  }

  /** Bytes per second of one connection, as last measured. */
  get rate(): number | null {
    return rememberedRate(this.#gateway);
  }

  set rate(bytesPerSecond: number) {
    rememberRate(this.#gateway, bytesPerSecond);
  }
}
