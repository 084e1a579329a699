/** The upload on the gateway: opened anew, found by the gateway, or known from a record. */
import { type Gateway, lifetimeMs } from '../gateway/gateway.js';
import { gone } from './failures.js';
import type { ChecksumAlgorithm, InitRequest, ReceivedPart, SignedPart, UploadStatus } from '../wire.js';

/** An upload that the gateway has. */
export interface Session {
  uploadId: string;
  partSize: number;
  algorithm: ChecksumAlgorithm;
  /** Parts signed by init, and how long their URLs are good for. */
  signed: readonly SignedPart[];
  lifetimeMs: number;
  /** Parts that storage had before this run. */
  received: readonly ReceivedPart[];
  /** Completed or being completed: there is nothing to send. */
  closed: boolean;
  /** It was there before this run. */
  found: boolean;
  size: number | null;
}

/** Opens an upload, or finds an unfinished one by its fingerprint. */
export async function openSession(gateway: Gateway, request: InitRequest, anew: boolean, signal: AbortSignal): Promise<Session> {
  let { created, found, date } = await gateway.init(request, signal);
  if (found && anew) {
    await gateway.abort(created.upload_id, signal);
    ({ created, found, date } = await gateway.init(request, signal));
  }
  const parts = created.parts ?? [];
  const signed = { signed: parts, lifetimeMs: lifetimeMs(parts[0]?.url, created.parts_expire_at, date) };
  if (found) return { ...(await resumeSession(gateway, created.upload_id, signal)), ...signed };
  return {
    uploadId: created.upload_id,
    partSize: created.part_size,
    algorithm: created.checksum_algorithm,
    ...signed,
    received: [],
    closed: false,
    found,
    size: created.size ?? null,
  };
}

/** An upload that is known by its id. Rejects with `gone` when the gateway has it no more. */
export async function resumeSession(gateway: Gateway, uploadId: string, signal: AbortSignal): Promise<Session> {
  const status = await gateway.status(uploadId, { refresh: true, parts: true }, signal);
  return {
    uploadId: status.upload_id,
    partSize: status.part_size,
    algorithm: status.checksum_algorithm,
    signed: [],
    lifetimeMs: 0,
    received: status.parts ?? [],
    closed: isClosed(status),
    found: true,
    size: status.size ?? null,
  };
}

/** Whether there is nothing more to send; throws `gone` when there never will be. */
export function isClosed(status: UploadStatus): boolean {
  switch (status.state) {
    case 'creating':
    case 'open':
      return false;
    case 'completing':
    case 'completed':
      return true;
    case 'failed':
    case 'aborting':
    case 'aborted':
    case 'expired':
      throw gone(status.error?.detail ?? `it is ${status.state}`);
  }
}
