import type { Problem } from './wire.js';

/**
 * Why an upload stopped. The gateway's own code where it is the gateway that refused (`quota_exceeded`, `too_large`,
 * `object_exists`, …, see openapi.json); else one of these.
 */
export type UploadErrorCode =
  /** The gateway could not be reached at its address, not even once. */
  | 'unreachable'
  /** Nothing moved for ten minutes while online. The upload stays and can be gone on with. */
  | 'stalled'
  /** The file can no longer be read: moved, unplugged, or the permission is gone. */
  | 'file_unreadable'
  /** The file is not what was uploaded of it before. Nothing was mixed; the upload stays as it is. */
  | 'file_changed'
  /** The gateway does not have the upload any more: aborted, expired or unknown. */
  | 'gone'
  /** The gateway wants other credentials than `fetchToken` and `headers` gave. */
  | 'unauthorized'
  /** Storage refused three freshly signed URLs in a row. */
  | 'signature_refused'
  /** Storage refused a part for another reason; `storageCode` has its own code. */
  | 'storage_refused'
  /** The gateway answers, but no part ever reached storage: most often the bucket's CORS rules, or its address. */
  | 'storage_unreachable'
  /** Checksums cannot be computed: `hash-worker.js` is not served, or the page's policy forbids WebAssembly. */
  | 'hashing_unavailable'
  /** The finished object is not the file that was read here. Do not trust it. */
  | 'wrong_object'
  /** An answer that is not what the API promises: another service, a proxy's page, a newer major version. */
  | 'invalid_answer'
  /** Stopped by its `signal`. The upload stays and can be gone on with. */
  | 'cancelled'
  /** Aborted by `abort()`. */
  | 'aborted'
  /** A bug of this library. */
  | 'internal'
  | (string & {});

/** What an `UploadError` knows beside its words. */
export interface UploadErrorDetails {
  /** Whether `resume()`, or the same upload another day, goes on where this one stopped. */
  resumable: boolean;
  /** The gateway's problem, where it is the gateway that refused. */
  problem?: Problem;
  /** Storage's own error code, where it is storage that refused. */
  storageCode?: string;
  /** The number of the part that it is about. */
  part?: number;
  cause?: unknown;
}

/** Why an upload stopped. `message` is a sentence for people. */
export class UploadError extends Error {
  override readonly name = 'UploadError';
  readonly code: UploadErrorCode;
  readonly resumable: boolean;
  readonly problem: Problem | undefined;
  readonly storageCode: string | undefined;
  readonly part: number | undefined;

  constructor(code: UploadErrorCode, message: string, details: UploadErrorDetails) {
    super(message, { cause: details.cause });
    this.code = code;
    this.resumable = details.resumable;
    this.problem = details.problem;
    this.storageCode = details.storageCode;
    this.part = details.part;
  }
}
