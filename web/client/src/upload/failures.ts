/** Why a transfer stopped, in words that say what to do. */
import { UploadError } from '../errors.js';
import type { Failure } from '../transfer/transfer.js';

export function failureError(failure: Failure): UploadError {
  switch (failure.why) {
    case 'storage_refused': {
      const { status, code, message } = failure.answer;
      const words = `Storage refused part ${failure.number}: ${status} ${code}${message === '' ? '' : ` (${message})`}.`;
      return new UploadError('storage_refused', words, { resumable: true, part: failure.number, storageCode: code });
    }
    case 'signature_refused': {
      const { status, code } = failure.answer;
      const words =
        `Storage refused three freshly signed URLs in a row (${status} ${code}): the clocks of gateway and storage may ` +
        'differ, or its keys are wrong. Run `partgate doctor` on the gateway.';
      return new UploadError('signature_refused', words, { resumable: true, part: failure.number, storageCode: code });
    }
    case 'file_unreadable':
      return unreadable(failure.cause);
    case 'file_changed':
      return changed(`part ${failure.number} reads differently now`, failure.number);
    case 'stalled': {
      const words = `No progress for ${Math.round(failure.forMs / 1000)} s: ${failure.detail}.`;
      return new UploadError('stalled', words, { resumable: true });
    }
    case 'storage_unreachable': {
      const words =
        `The gateway answers, but not one part has reached storage in ${Math.round(failure.forMs / 1000)} s. Most often the ` +
        "bucket's CORS rules do not allow this page to PUT, or storage.public_endpoint is not reachable from here.";
      return new UploadError('storage_unreachable', words, { resumable: true });
    }
  }
}

/** What reading the file said; or that hashing itself does not work here. */
export function unreadable(cause: unknown): UploadError {
  if (cause instanceof UploadError) return cause;
  if (cause instanceof Error && cause.name === 'HashingUnavailable') {
    const message = `Checksums cannot be computed here: ${cause.message}.`;
    return new UploadError('hashing_unavailable', message, { resumable: false, cause });
  }
  const words = 'The file can no longer be read: it was changed, moved or removed since it was chosen. Choose it again.';
  return new UploadError('file_unreadable', words, { resumable: true, cause });
}

export function changed(detail: string, part?: number): UploadError {
  const message =
    `This is not the file of the unfinished upload: ${detail}. Nothing was mixed, and what is stored is kept. ` +
    'Choose the original file, or start anew.';
  return new UploadError('file_changed', message, { resumable: false, ...(part === undefined ? {} : { part }) });
}

export function gone(why: string): UploadError {
  const message = `The gateway does not have this upload any more: ${why}. It can be started anew.`;
  return new UploadError('gone', message, { resumable: false });
}
