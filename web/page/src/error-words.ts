/** Every word that the page says about why an upload stopped: what happened, what was kept, and what to do. */
import type { Problem, Progress, UploadError } from '@partgate/client';
import { bytes, count, plural } from './format.js';
import type { Gateway } from './gateway.js';

/** What a person can do about an error. */
export type Remedy = 'retry' | 'restart' | 'choose';

/** An error as it is shown. */
export interface ErrorWords {
  /** One line. */
  what: string;
  kept: string;
  todo: string;
  /** The best first. */
  remedies: readonly Remedy[];
}

/** The words for an upload that stopped. */
export function errorWords(error: UploadError, progress: Progress, gateway: Gateway): ErrorWords {
  const kept = keptWords(error, progress);
  switch (error.code) {
    case 'file_changed':
      return {
        what: 'This file is not the one that was uploaded before.',
        kept: progress.storedBytes > 0
          ? `Nothing was mixed. The ${bytes(progress.storedBytes)} uploaded before are kept as they were.`
          : 'Nothing was mixed. What was uploaded before is kept as it was.',
        todo: 'Find the unchanged file and choose it to go on. Or start anew: then what is kept is deleted, and the file is uploaded as it is now.',
        // What deletes something is not the first button.
        remedies: ['choose', 'restart'],
      };
    case 'file_unreadable':
      return {
        what: 'The file cannot be read any more.',
        kept,
        todo: 'It may have been moved, renamed or unplugged. Choose it again, and the upload goes on.',
        remedies: ['choose', 'retry'],
      };
    case 'stalled':
      return {
        what: 'Nothing has moved for a long time.',
        kept,
        todo: 'Check the connection, then try again.',
        remedies: ['retry'],
      };
    case 'unreachable':
      return {
        what: 'The gateway does not answer.',
        kept,
        todo: 'Check the connection, then try again. If it stays like this, tell whoever runs the gateway.',
        remedies: ['retry'],
      };
    case 'gone':
    case 'upload_gone':
    case 'upload_not_found':
      return {
        what: 'The gateway no longer has this upload.',
        kept: 'It expired or was cancelled elsewhere. Nothing of it is kept.',
        todo: 'Start anew to upload the file from its beginning.',
        remedies: ['restart'],
      };
    case 'unauthorized':
      return {
        what: 'You are not signed in any more.',
        kept,
        ...(error.problem?.code === 'unauthorized'
          ? { todo: 'Sign in above, and it goes on by itself.', remedies: [] }
          // A proxy before the gateway: its sign-in page is not ours.
          : { todo: 'Sign in again in another tab, then try again here.', remedies: ['retry'] }),
      };
    case 'forbidden':
      return {
        what: 'You may not upload this here.',
        kept,
        todo: 'Ask whoever runs the gateway for permission.',
        remedies: ['retry'],
      };
    case 'too_large': {
      const limit = error.problem?.limit ?? gateway.max_size;
      return {
        what: limit ? `The file is too large: at most ${bytes(limit)} are allowed.` : 'The file is too large.',
        kept: 'Nothing was stored.',
        todo: 'Choose a smaller file, or ask whoever runs the gateway for a higher limit.',
        remedies: [],
      };
    }
    case 'quota_exceeded':
      return { ...quotaWords(error), kept, remedies: ['retry'] };
    case 'rate_limited':
      return {
        what: 'There were too many requests for now.',
        kept,
        todo: 'Wait a few minutes, then try again.',
        remedies: ['retry'],
      };
    case 'request_timeout':
      return {
        what: 'The connection was too slow for the gateway.',
        kept,
        todo: 'Check the connection, then try again.',
        remedies: ['retry'],
      };
    case 'misdirected_request':
      return {
        what: 'The gateway does not answer at this address.',
        kept,
        todo: 'Open the page at the address that you were given. If it is this one, tell whoever runs the gateway.',
        remedies: ['retry'],
      };
    case 'object_exists':
      return {
        what: 'There is already another file under this name in storage.',
        kept: 'It was not replaced.',
        todo: 'Rename your file and upload it again.',
        remedies: [],
      };
    case 'signature_refused':
      return {
        what: 'Storage refuses the addresses that the gateway signs.',
        kept,
        todo: 'This is a matter of settings. Tell whoever runs the gateway: “partgate doctor” finds the cause.',
        remedies: ['retry'],
      };
    case 'storage_refused':
    case 'storage_rejected':
      return {
        what: 'Storage refuses the upload.',
        kept,
        todo: 'Tell whoever runs the gateway; the line below says why. Then try again.',
        remedies: ['retry'],
      };
    case 'storage_unavailable':
    case 'database_unavailable':
    case 'auth_unavailable':
    case 'overloaded':
    case 'busy':
      return {
        what: 'The service is not available for now.',
        kept,
        todo: 'Try again in a few minutes.',
        remedies: ['retry'],
      };
    case 'checksum_mismatch':
    case 'wrong_object':
      return {
        what: 'The object in storage is not this file.',
        kept: 'Do not use the object: its content is wrong.',
        todo: 'Start anew. If it happens again, tell whoever runs the gateway.',
        remedies: ['restart'],
      };
    case 'invalid_answer':
      return {
        what: 'The answer is not one that the gateway gives.',
        kept,
        todo: 'A proxy or a sign-in page may be in between. Reload the page, or try again.',
        remedies: ['retry'],
      };
    case 'cancelled':
      return { what: 'The upload was stopped.', kept, todo: 'Try again to go on with it.', remedies: ['retry'] };
    default:
      return {
        what: sentence(error.problem?.title ?? error.message),
        kept,
        todo: error.resumable ? 'Try again.' : 'Try again, or start anew.',
        remedies: error.resumable ? ['retry'] : ['retry', 'restart'],
      };
  }
}

/** Which limit was reached, and when there is room again. */
function quotaWords({ problem }: UploadError): Pick<ErrorWords, 'what' | 'todo'> {
  const { limit, quota }: Partial<Problem> = problem ?? {};
  const more = 'or ask whoever runs the gateway for more room';
  const free = `Finish or discard other uploads, ${more}. Then try again.`;
  const unknown = { what: 'There is no room left for this file.', todo: free };
  if (typeof limit !== 'number') return unknown;
  switch (quota) {
    case 'open_uploads':
      return { what: `There are too many unfinished uploads: at most ${count(limit)} are allowed.`, todo: free };
    case 'bytes_in_flight':
      return { what: `Unfinished uploads may have ${bytes(limit)} together, and this file does not fit in any more.`, todo: free };
    case 'bytes_per_day':
      return { what: `At most ${bytes(limit)} may be uploaded a day, and too little of it is left today.`, todo: `Try again after midnight UTC, ${more}.` };
    case 'grant_uploads':
      return { what: `Your grant is good for ${plural(limit, 'upload')}, and no more are left.`, todo: 'Ask whoever gave it to you for a new one.' };
    case 'grant_bytes':
      return { what: `Your grant is good for ${bytes(limit)}, and too little of it is left.`, todo: 'Ask whoever gave it to you for a new one.' };
    default:
      return unknown;
  }
}

/** For whoever runs the gateway: what to look for in its log. */
export function errorTrace(error: UploadError): string {
  return [
    error.code,
    error.storageCode,
    error.part === undefined ? undefined : `part ${count(error.part)}`,
    error.problem?.detail,
    error.problem?.request_id && `request ${error.problem.request_id}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** The label of a remedy's button. */
export const REMEDY_LABELS: Readonly<Record<Remedy, string>> = {
  retry: 'Try again',
  restart: 'Start anew',
  choose: 'Choose the file again',
};

function keptWords(error: UploadError, { storedBytes, totalBytes }: Progress): string {
  if (storedBytes === 0) return 'Nothing was stored yet.';
  if (!error.resumable) return `${bytes(storedBytes)} of ${bytes(totalBytes)} are stored.`;
  return `${bytes(storedBytes)} of ${bytes(totalBytes)} are kept in storage, and it can go on from there.`;
}

/** Words of others as a sentence. */
export function sentence(words: string): string {
  const trimmed = words.trim().replace(/[.!]$/, '');
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}.`;
}
