/**
 * What this browser remembers of unfinished uploads: localStorage, so that a reload finds them at once. Where there is
 * none (a worker, Node, storage forbidden), the gateway still finds them by their fingerprint.
 */
import type { ChecksumAlgorithm } from '../wire.js';

const PREFIX = 'partgate/upload/';
const RATE = 'partgate/rate/';

/** An unfinished upload. */
export interface UploadRecord {
  /** The first address of the gateway. */
  gateway: string;
  uploadId: string;
  /** The upload's own token, where the gateway gave one. */
  token: string | null;
  name: string;
  size: number;
  /** Of the content alone; see `fingerprint.ts`. */
  content: string;
  /** Of content and purpose: what the gateway and this record are found by. */
  fingerprint: string;
  key: string | null;
  overwrite: boolean;
  checksum: ChecksumAlgorithm;
  startedAt: string;
}

export function saveRecord(record: UploadRecord): void {
  write(keyOf(record.gateway, record.fingerprint), JSON.stringify(record));
}

export function findRecord(gateway: string, fingerprint: string): UploadRecord | null {
  return parse(read(keyOf(gateway, fingerprint)));
}

export function removeRecord({ gateway, fingerprint }: Pick<UploadRecord, 'gateway' | 'fingerprint'>): void {
  try {
    globalThis.localStorage?.removeItem(keyOf(gateway, fingerprint));
  } catch {
    // Forbidden: then there was none.
  }
}

/** All records of a gateway. */
export function records(gateway: string): UploadRecord[] {
  const found: UploadRecord[] = [];
  try {
    const { localStorage } = globalThis;
    for (let index = 0; index < (localStorage?.length ?? 0); index += 1) {
      const key = localStorage.key(index);
      const record = key?.startsWith(`${PREFIX}${gateway}#`) ? parse(localStorage.getItem(key)) : null;
      if (record !== null) found.push(record);
    }
  } catch {
    // Forbidden: then there are none.
  }
  return found;
}

/** Forgets the tokens of a gateway's uploads, but not the uploads. */
export function removeTokens(gateway: string): void {
  for (const record of records(gateway)) if (record.token !== null) saveRecord({ ...record, token: null });
}

/** Bytes per second of one connection, as last measured with this gateway's storage. */
export function rememberedRate(gateway: string): number | null {
  return Number(read(RATE + gateway)) || null;
}

export function rememberRate(gateway: string, bytesPerSecond: number): void {
  write(RATE + gateway, String(Math.round(bytesPerSecond)));
}

/** The name of a record, of its lock and of its file handle. */
export function keyOf(gateway: string, fingerprint: string): string {
  return `${PREFIX}${gateway}#${fingerprint}`;
}

function parse(text: string | null): UploadRecord | null {
  try {
    const record = JSON.parse(text ?? 'null') as UploadRecord | null;
    const usable = typeof record?.uploadId === 'string' && typeof record.fingerprint === 'string';
    return usable ? record : null;
  } catch {
    return null;
  }
}

function read(key: string): string | null {
  try {
    return globalThis.localStorage?.getItem(key) ?? null;
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    globalThis.localStorage?.setItem(key, value);
  } catch {
    // Full or forbidden: the upload goes on; the gateway's fingerprint is how it is found again.
  }
}
