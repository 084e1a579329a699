/** Which upload a file goes on with, or begins. */
import { UploadError } from '../errors.js';
import type { Gateway } from '../gateway/gateway.js';
import type { Identified } from '../hashing/algorithms.js';
import type { Memory } from '../memory/memory.js';
import { unlessAborted } from '../runtime.js';
import { PART_SIZE_DEFAULT, wishedPartSize } from '../transfer/part-size.js';
import type { Notice, UploadOptions } from '../types.js';
import type { ChecksumAlgorithm, InitRequest } from '../wire.js';
import { changed } from './failures.js';
import { type Session, openSession, resumeSession } from './session.js';

/** How many parts init signs when no checksum has to be known before. */
const SIGN_FIRST = 16;

/** How the file should be cut; the gateway decides. */
export interface Wish {
  /** Bytes; `undefined` leaves it to the gateway. */
  partSize: number | undefined;
  /** Then its checksum is needed before init, which signs it. */
  onePart: boolean;
}

export function wishFor(file: Blob, options: UploadOptions, memory: Memory): Wish {
  const partSize = options.partSize ?? wishedPartSize(file.size, memory.rate);
  return { partSize, onePart: file.size > 0 && file.size <= (partSize ?? PART_SIZE_DEFAULT) };
}

/** What it takes to find an upload. */
export interface Opening {
  file: Blob;
  name: string;
  options: UploadOptions;
  checksum: ChecksumAlgorithm;
  gateway: Gateway;
  memory: Memory;
  identity: Identified;
  wish: Wish;
  /** The upload to go on with, if one is known beside the browser's memory. */
  uploadId: string | null;
  /** Take back what there is, and begin anew. */
  anew: boolean;
  signal: AbortSignal;
  onNotice: (code: Notice['code'], message: string) => void;
  /** An init that is under way. It is not cut by `signal`: whoever aborts has to know what it opened. */
  onInit: (session: Promise<Session>) => void;
}

/** An upload, and the checksum of its only part where that was computed for init. */
export interface Opened {
  session: Session;
  only: string | null;
}

/** Finds the upload to go on with, or opens one. */
export async function openUpload(opening: Opening): Promise<Opened> {
  const { gateway, memory, identity, anew, signal } = opening;
  const known = opening.uploadId ?? memory.find(identity)?.uploadId ?? null;
  // What the app gave is newer than what is remembered.
  if (known !== null && gateway.tokenOf(known) === null) gateway.adoptToken(known, memory.byId(known)?.token);
  if (known !== null && anew) {
    await gateway.abort(known, signal);
    memory.forgetId(known);
  } else if (known !== null) {
    const session = await knownSession(opening, known);
    if (session !== null) return { session, only: null };
  }
  if (memory.knowsOtherContent(opening.name, identity)) {
    opening.onNotice('other_content', 'There is an unfinished upload of a file with this name and other content. It is left alone.');
  }
  return beginUpload(opening);
}

/** An upload that is known by its id; `null` when it is gone and nobody insists on it. */
async function knownSession(opening: Opening, uploadId: string): Promise<Session | null> {
  const { file, gateway, memory, identity, options, signal } = opening;
  const record = memory.byId(uploadId);
  if (record !== null && record.content !== identity.content) throw changed('its content is another');
  try {
    const session = await resumeSession(gateway, uploadId, signal);
    if (session.size !== null && session.size !== file.size) {
      throw changed(`it has ${file.size} bytes, and that one has ${session.size}`);
    }
    return session;
  } catch (error) {
    if (!(error instanceof UploadError) || error.code !== 'gone' || options.uploadId === uploadId) throw error;
    memory.forgetId(uploadId);
    opening.onNotice('started_anew', 'The unfinished upload is gone from the gateway; this is a new one.');
    return null;
  }
}

async function beginUpload(opening: Opening): Promise<Opened> {
  const { gateway, identity, signal } = opening;
  signal.throwIfAborted();
  const init = openSession(gateway, initRequest(opening), opening.anew, new AbortController().signal);
  opening.onInit(init);
  return { session: await unlessAborted(init, signal), only: identity.checksum };
}

function initRequest({ file, name, options, checksum, identity, wish }: Opening): InitRequest {
  const { key, overwrite, metadata } = options;
  const type = options.contentType ?? file.type;
  const first = checksum === 'none' && file.size > 0 ? SIGN_FIRST : null;
  const sign = identity.checksum === null ? first : [{ number: 1, checksum: identity.checksum }];
  return {
    filename: name,
    size: file.size,
    checksum_algorithm: checksum,
    fingerprint: identity.fingerprint,
    ...(wish.partSize === undefined ? {} : { part_size: wish.partSize }),
    ...(type === '' ? {} : { content_type: type }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(key === undefined ? {} : { key }),
    ...(overwrite === undefined ? {} : { overwrite }),
    ...(sign === null ? {} : { sign }),
  };
}
