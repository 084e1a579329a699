/** Resumable, proven uploads from the browser straight to S3-compatible storage. */
export { UploadError, type UploadErrorCode, type UploadErrorDetails } from './errors.js';
export { type QueueEvents, type QueueProgress, UploadQueue } from './queue.js';
export {
  type GatewayOptions,
  type Notice,
  type PartEvent,
  PartState,
  type Progress,
  type State,
  type UploadEvents,
  type UploadOptions,
  type Uploaded,
} from './types.js';
export { type Unfinished, findUnfinished, forgetTokens } from './unfinished.js';
export { Upload } from './upload/upload.js';
export type { ChecksumAlgorithm, Completion, Problem } from './wire.js';
