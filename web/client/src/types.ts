/** What callers give and get. */
import type { UploadError } from './errors.js';
import type { ChecksumAlgorithm, Completion } from './wire.js';

/** Where the gateway is and who calls it. */
export interface GatewayOptions {
  /**
   * The gateway's base URL; several are tried in turn when one does not answer. Default: the page's own origin.
   */
  gateway?: string | URL | readonly (string | URL)[];
  /** Sent with every call to the gateway (never to storage); a function is asked before each call. */
  headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>);
  /**
   * Gives the bearer token for the gateway: a grant of the app's backend. Asked before the first call of an upload, and
   * once more when the gateway answers 401 (`expired: true`). The token that init answers is used for the rest of its
   * upload; this one is fallen back to when that is refused. Rejecting stops the upload as `unauthorized`, but for the
   * `TypeError` of a fetch without network, which is tried again.
   */
  fetchToken?: (why: { expired: boolean }) => string | Promise<string>;
}

/** What to upload and how. The defaults are good. */
export interface UploadOptions extends GatewayOptions {
  /** The name people see; default: the file's own. 1 to 1,024 bytes. */
  name?: string;
  /** The object's key below the configured prefix, where the caller may name keys. */
  key?: string;
  /** The object's Content-Type; default: the file's own. */
  contentType?: string;
  /** The object's user metadata. */
  metadata?: Readonly<Record<string, string>>;
  /** Whether completion may replace an object that is already at the key; default `false`. */
  overwrite?: boolean;
  /** How parts are protected on their way; default `crc64nvme`. With `none`, flipped bits go unnoticed. */
  checksum?: ChecksumAlgorithm;
  /** Have the whole object read back and its SHA-256 proven before it is done; default `false`. It costs time. */
  sha256?: boolean;
  /** The wished size of a part in bytes, 5 MiB to 5 GiB; default: by what was measured last time. */
  partSize?: number;
  /** The most parts in flight, 1 to 16; default 6, which is what browsers allow over HTTP/1.1. It adapts below that. */
  maxConnections?: number;
  /** Go on with exactly this upload; the file is proven to be the same first, else `file_changed`. */
  uploadId?: string;
  /**
   * The own token of the upload `uploadId`, where somebody else opened it: an app's backend gives its page both. No other
   * credentials are needed then, but to begin anew.
   */
  token?: string;
  /** `restart` aborts an unfinished upload of the same file and begins anew; default `resume`. */
  unfinished?: 'resume' | 'restart';
  /** Remember unfinished uploads in this browser, so that a reload goes on with them; default `true`. */
  remember?: boolean;
  /** Where the file can be opened again after a reload without asking: kept in IndexedDB until the upload is done. */
  handle?: FileSystemFileHandle;
  /** Stops the upload when aborted. The upload stays and can be gone on with; `abort()` takes it back. */
  signal?: AbortSignal;
  /**
   * Where `hash-worker.js` of this package is served. Default: beside the module, which bundlers that understand
   * `new URL('./hash-worker.js', import.meta.url)` see to.
   */
  workerUrl?: string | URL;
  /** How long nothing may move, while online, before it is `stalled`; milliseconds, default ten minutes. */
  giveUpAfterMs?: number;
}

/** What an upload is doing. */
export type State =
  /** Not started. */
  | 'idle'
  /** In a queue, before its turn. */
  | 'waiting'
  /** Reading what the file is known by, and opening the upload. */
  | 'preparing'
  /** Comparing what storage has with the file, before going on with an unfinished upload. */
  | 'checking'
  /** Parts are on their way. */
  | 'uploading'
  /** Everything waits for a back-off to end: `progress.retryInSeconds`. */
  | 'retrying'
  /** The browser says that there is no network. */
  | 'offline'
  /** Another tab is uploading the same file; this one watches, and takes over if that one dies. */
  | 'watching'
  | 'paused'
  /** All parts are stored; storage is putting them together and the gateway proves the object. */
  | 'finishing'
  /** The object is being read back: `progress.verifiedBytes`. */
  | 'verifying'
  | 'done'
  /** Stopped by `error`; `resume()` tries again. */
  | 'failed'
  /** Taken back by `abort()`. */
  | 'aborted';

/** Where a part is; the values of `Upload.parts`. */
export const PartState = { Missing: 0, Sending: 1, Stored: 2, Failed: 3 } as const;
export type PartState = (typeof PartState)[keyof typeof PartState];

/** How far an upload is. A new object each time. */
export interface Progress {
  /** The file's size. */
  readonly totalBytes: number;
  /** In parts that storage has. */
  readonly storedBytes: number;
  /** Sent of the parts in flight. */
  readonly sendingBytes: number;
  /** 0 to 100; 100 only when done. */
  readonly percent: number;
  /** Averaged over ten seconds; 0 while nothing moves. */
  readonly bytesPerSecond: number;
  /** `null` as long as it cannot be told. */
  readonly secondsLeft: number | null;
  /** 0 until the upload is open, and for an empty file. */
  readonly totalParts: number;
  readonly storedParts: number;
  /** Of the stored parts: those that storage had before this run. More than 0 means that it was resumed. */
  readonly resumedParts: number;
  /** Parts in flight. */
  readonly connections: number;
  /** Parts sent again, so far. */
  readonly retries: number;
  /** State `retrying`: until the next attempt. */
  readonly retryInSeconds: number | null;
  /** State `verifying`: read back so far. */
  readonly verifiedBytes: number | null;
}

/** Something that happened to a part. */
export interface PartEvent {
  /** From 1. */
  readonly number: number;
  readonly state: 'stored' | 'failed';
  readonly size: number;
  /** Of `failed`, in words: it will be sent again. */
  readonly reason?: string;
}

/** Something worth telling that is no error. */
export interface Notice {
  readonly code:
    /** Parts that storage has already are not sent again. */
    | 'resumed'
    /** The remembered upload is gone from the gateway; a new one begins. */
    | 'started_anew'
    /** An unfinished upload of a file with this name has other content; it is left alone and a new one begins. */
    | 'other_content'
    /** Storage told no checksum or ETag to compare with, so the whole file's SHA-256 is proven at the end. */
    | 'not_comparable'
    /** The gateway did not answer and the next is used, or it answers again. */
    | 'gateway_trouble'
    /** The gateway answered 429: calls wait as long as it says, parts under way go on. */
    | 'slow_down'
    /** The browser may not read ETags: the bucket's CORS does not expose them. Uploads work without. */
    | 'etag_hidden';
  readonly message: string;
}

/** What an upload came to. */
export interface Uploaded {
  /** The gateway's answer: key, size, checksum. */
  readonly completion: Completion;
  /** What was proven of the object: always its size; `checksum` when storage's equals the one computed here. */
  readonly proven: readonly ('size' | 'checksum' | 'sha256')[];
  readonly resumedParts: number;
  readonly sentParts: number;
  readonly retries: number;
  readonly durationMs: number;
}

/** The events of an upload, and what listeners are given. */
export interface UploadEvents {
  state: State;
  /** At most ten times a second. */
  progress: Progress;
  part: PartEvent;
  notice: Notice;
  /** It failed; `state` is `failed`. */
  error: UploadError;
  done: Uploaded;
}
