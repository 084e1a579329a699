import { UploadError } from './errors.js';
import { Gateway } from './gateway/gateway.js';
import { findHandle, removeHandle } from './memory/handles.js';
import { type UploadRecord, keyOf, records, removeRecord, removeTokens } from './memory/records.js';
import type { GatewayOptions, UploadOptions } from './types.js';
import type { UploadStatus, UploadSummary } from './wire.js';

/** An unfinished upload that can be gone on with. */
export interface Unfinished {
  readonly uploadId: string;
  readonly name: string;
  /** Bytes; `null` for a stream of unknown length, which a browser cannot go on with. */
  readonly size: number | null;
  readonly storedBytes: number;
  readonly startedAt: Date;
  readonly expiresAt: Date;
  /** By this browser; others were begun elsewhere. */
  readonly remembered: boolean;
  /** The file can be opened again without choosing it. */
  readonly canOpen: boolean;
  /** Opens it. The browser may ask, so call this in a click. `null` when it was refused or the file is gone. */
  openFile(): Promise<File | null>;
  /** For `new Upload(file, …)` or `queue.add(file, …)`. */
  readonly resumeOptions: UploadOptions;
  /** Takes the upload back at the gateway, and forgets it. */
  abort(): Promise<void>;
  /** Forgets it in this browser only. */
  forget(): void;
}

/** How long the gateway may take: a page is waiting. */
const GIVE_UP_AFTER_MS = 15_000;
/** The most that the gateway is asked for. */
const LISTED = 50;

/**
 * The unfinished uploads that this browser remembers; with `all`, also those that the gateway lists to this caller.
 * Those that are gone from the gateway are forgotten.
 *
 * Rejects with an `UploadError` when the gateway cannot be asked.
 */
export async function findUnfinished(options: GatewayOptions & { all?: boolean } = {}): Promise<Unfinished[]> {
  const { all, ...gatewayOptions } = options;
  const { signal } = new AbortController();
  const remembered = records(Gateway.nameOf(gatewayOptions));
  const gateway = new Gateway(gatewayOptions, GIVE_UP_AFTER_MS);
  const found = await Promise.all(
    remembered.map(async (record) => {
      gateway.adoptToken(record.uploadId, record.token);
      const status = await ask(gateway, record.uploadId, true, signal);
      if (status === null) forget(record);
      return status === null ? null : known(gatewayOptions, record, status, await findHandle(recordKey(record)));
    }),
  );
  const listed = all === true ? await listOthers(gateway, gatewayOptions, remembered, signal) : [];
  return [...found, ...listed].filter((unfinished) => unfinished !== null);
}

/**
 * When somebody signs out: forgets the tokens that this browser remembers with unfinished uploads. They can still be gone
 * on with, by whoever has credentials for it. Uploads that run are not stopped.
 */
export function forgetTokens(options: Pick<GatewayOptions, 'gateway'> = {}): void {
  removeTokens(Gateway.nameOf(options));
}

/** What the gateway lists beside those that are remembered. */
async function listOthers(
  gateway: Gateway,
  options: GatewayOptions,
  remembered: readonly UploadRecord[],
  signal: AbortSignal,
): Promise<(Unfinished | null)[]> {
  const { uploads } = await gateway.list('open', LISTED, signal);
  const ids = new Set(remembered.map((record) => record.uploadId));
  const others = uploads.filter((upload: UploadSummary) => !ids.has(upload.upload_id) && upload.size !== null);
  return Promise.all(
    others.map(async ({ upload_id: uploadId }) => {
      const status = await ask(gateway, uploadId, false, signal);
      return status === null ? null : foreign(options, status);
    }),
  );
}

/** Its status while it can be gone on with; `null` when that is over. `refresh`: parts that no tab lived to report count. */
async function ask(gateway: Gateway, uploadId: string, refresh: boolean, signal: AbortSignal): Promise<UploadStatus | null> {
  try {
    const status = await gateway.status(uploadId, { refresh, parts: false }, signal);
    return status.state === 'open' || status.state === 'creating' || status.state === 'completing' ? status : null;
  } catch (error) {
    if (error instanceof UploadError && error.code === 'gone') return null;
    throw error;
  }
}

function known(options: GatewayOptions, record: UploadRecord, status: UploadStatus, handle: FileSystemFileHandle | null): Unfinished {
  const { uploadId, key, overwrite, checksum, name } = record;
  return {
    ...described(status),
    startedAt: new Date(record.startedAt),
    remembered: true,
    canOpen: handle !== null,
    openFile: () => open(handle),
    resumeOptions: {
      ...options,
      uploadId,
      name,
      checksum,
      overwrite,
      ...(key === null ? {} : { key }),
      ...(handle === null ? {} : { handle }),
    },
    async abort() {
      const gateway = new Gateway(options, GIVE_UP_AFTER_MS);
      gateway.adoptToken(uploadId, record.token);
      await gateway.abort(uploadId, new AbortController().signal);
      forget(record);
    },
    forget: () => forget(record),
  };
}

function foreign(options: GatewayOptions, status: UploadStatus): Unfinished {
  const { upload_id: uploadId, filename: name, checksum_algorithm: checksum } = status;
  return {
    ...described(status),
    startedAt: new Date(status.created_at),
    remembered: false,
    canOpen: false,
    openFile: () => Promise.resolve(null),
    resumeOptions: { ...options, uploadId, name, checksum },
    abort: () => new Gateway(options, GIVE_UP_AFTER_MS).abort(uploadId, new AbortController().signal),
    forget() {},
  };
}

function described(status: UploadStatus): Pick<Unfinished, 'uploadId' | 'name' | 'size' | 'storedBytes' | 'expiresAt'> {
  return {
    uploadId: status.upload_id,
    name: status.filename,
    size: status.size ?? null,
    storedBytes: status.bytes_received,
    expiresAt: new Date(status.expires_at),
  };
}

/** Not in TypeScript's own declarations yet. */
interface Permissions {
  queryPermission?(what: { mode: 'read' }): Promise<PermissionState>;
  requestPermission?(what: { mode: 'read' }): Promise<PermissionState>;
}

async function open(handle: (FileSystemFileHandle & Permissions) | null): Promise<File | null> {
  if (handle === null) return null;
  try {
    const allowed = (await handle.queryPermission?.({ mode: 'read' })) ?? 'granted';
    if (allowed !== 'granted' && (await handle.requestPermission?.({ mode: 'read' })) !== 'granted') return null;
    return await handle.getFile();
  } catch {
    return null;
  }
}

function forget(record: UploadRecord): void {
  removeRecord(record);
  void removeHandle(recordKey(record));
}

function recordKey({ gateway, fingerprint }: UploadRecord): string {
  return keyOf(gateway, fingerprint);
}
