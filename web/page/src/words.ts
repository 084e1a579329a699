/**
 * Every word that the page says about states and questions, in one place (errors and signing in: beside it). Short,
 * plain, and the same nouns as the API: upload, part, storage.
 */
import type {
  ChecksumAlgorithm,
  Notice,
  PartEvent,
  Progress,
  QueueProgress,
  State,
  Unfinished,
  Upload,
  Uploaded,
} from '@partgate/client';
import { sentence } from './error-words.js';
import { bytes, count, duration, movingBytes, percent, plural, span, timeLeft } from './format.js';
import type { Gateway } from './gateway.js';
import type { Look } from './model/item.js';
import type { Counts } from './model/session.js';

/** The state of a row, in words. */
export function lookWords(look: Look, progress: Progress): string {
  switch (look) {
    case 'idle':
      return 'Not started';
    case 'waiting':
      return 'Waiting';
    case 'preparing':
      return 'Getting ready…';
    case 'checking':
      return 'Checking that it is the same file…';
    case 'uploading':
      return 'Uploading';
    case 'resuming':
      return `Resuming… ${plural(progress.totalParts - progress.storedParts, 'part')} left`;
    case 'retrying':
      return progress.retryInSeconds ? `Trying again in ${Math.ceil(progress.retryInSeconds)} s` : 'Trying again…';
    case 'offline':
      return 'Waiting for the network';
    case 'watching':
      return 'Uploading in another tab';
    case 'paused':
      return 'Paused';
    case 'finishing':
      return 'Storage is putting the parts together';
    case 'verifying':
      return progress.verifiedBytes
        ? `Verifying ${movingBytes(progress.verifiedBytes)} of ${bytes(progress.totalBytes)}`
        : 'Verifying…';
    case 'done':
      return 'Done';
    case 'failed':
      return 'Stopped';
    case 'aborted':
      return 'Cancelled';
    case 'cancelling':
      return 'Cancelling…';
  }
}

/** What is worth knowing about a state beyond its name; shown in the details. */
export function lookHint(look: Look): string | null {
  switch (look) {
    case 'retrying':
      return 'The network, storage or the gateway did not answer, or asked for a pause. Nothing is lost; it goes on by itself.';
    case 'offline':
      return 'What is stored stays stored. It goes on by itself when the network is back.';
    case 'watching':
      return 'Another tab of this browser is uploading this file. If that tab is closed, this one takes over.';
    case 'paused':
      return 'What is stored stays stored. Parts that were on their way are sent again.';
    case 'resuming':
      return 'It was proven that this is the same file. Parts that are stored already are not sent again.';
    case 'checking':
      return 'Some stored parts are compared with this file before anything is sent.';
    case 'finishing':
    case 'verifying':
      return 'Everything has been sent. You may close the page: this goes on without it.';
    case 'idle':
    case 'waiting':
    case 'preparing':
    case 'uploading':
    case 'done':
    case 'failed':
    case 'aborted':
    case 'cancelling':
      return null;
  }
}

/** The name of a checksum's kind. */
export function checksumName(algorithm: ChecksumAlgorithm): string {
  switch (algorithm) {
    case 'crc64nvme':
      return 'CRC-64/NVME';
    case 'crc32c':
      return 'CRC-32C';
    case 'crc32':
      return 'CRC-32';
    case 'sha1':
      return 'SHA-1';
    case 'sha256':
      return 'SHA-256';
    case 'md5':
      return 'MD5';
    case 'none':
      return 'None';
  }
}

/** What was proven of a finished object. */
export function provenWords({ proven, completion }: Uploaded): string {
  const kind = completion.checksum ? `${checksumName(completion.checksum.algorithm)} checksum` : 'checksum';
  const words = {
    size: 'size',
    checksum: kind,
    sha256: 'SHA-256 (read back from storage)',
  };
  const all = proven.map((what) => words[what]);
  return `Proven: the object in storage has your file’s ${listed(all)}.`;
}

/** The same in two or three words, for the row. */
export function provenShort({ proven, completion }: Uploaded): string {
  if (proven.includes('sha256')) return 'proven by SHA-256';
  if (proven.includes('checksum') && completion.checksum) {
    return `proven by ${checksumName(completion.checksum.algorithm)}`;
  }
  return 'size proven';
}

/** The beginning of sending in the event log, once the parts are counted. */
export function sendingLogWords({ totalParts, storedParts, resumedParts }: Progress): string {
  const left = totalParts - storedParts;
  if (resumedParts > 0) return `${count(storedParts)} of ${plural(totalParts, 'part')} are stored already; sending the other ${count(left)}`;
  return left === totalParts ? `sending ${plural(totalParts, 'part')}` : `sending the other ${plural(left, 'part')}`;
}

/** A state in the event log; `null` for what is not worth a line, or is told otherwise. */
export function stateLogWords(state: State, upload: Upload): string | null {
  const { progress } = upload;
  switch (state) {
    case 'idle':
    case 'waiting':
    case 'uploading':
      return null;
    case 'retrying':
      return progress.retryInSeconds ? `trying again in ${duration(progress.retryInSeconds)}` : 'trying again';
    case 'done':
      return 'done: the object is proven';
    case 'failed':
      return `stopped: ${upload.error?.message ?? 'for an unknown reason'}`;
    case 'preparing':
    case 'checking':
    case 'offline':
    case 'watching':
    case 'paused':
    case 'finishing':
    case 'verifying':
    case 'aborted':
      return lower(lookWords(state, progress)).replace(/…$/, '');
  }
}

/** A part in the event log. */
export function partWords(event: PartEvent): string {
  return `part ${count(event.number)}: ${event.reason ?? 'failed'}, sent again`;
}

/** A notice in the event log; `null` for what the beginning of sending tells with numbers. */
export function noticeWords(notice: Notice): string | null {
  switch (notice.code) {
    case 'resumed':
      return null;
    case 'started_anew':
      return 'the earlier upload is gone from the gateway; a new one begins';
    case 'other_content':
      return 'an unfinished upload with this name has other content; it is left alone and a new one begins';
    case 'not_comparable':
      return 'storage tells no checksums to compare with; the whole file is proven at the end';
    case 'gateway_trouble':
    case 'slow_down':
    case 'etag_hidden':
      return lower(notice.message);
  }
}

/** Where files go, in pieces: the bucket is set apart. */
export function destinationWords({ store, bucket, prefix }: Gateway): { bucket: string; at: string } | null {
  if (!bucket) return null;
  const folder = prefix?.replace(/^\/+|\/+$/g, '');
  return { bucket: folder ? `${bucket}/${folder}` : bucket, at: store ? `on ${storeName(store)}` : '' };
}

/** The quiet lines under the empty drop area. */
export function promiseWords({ max_size, lifetime_seconds }: Gateway): string[] {
  const words: string[] = [];
  if (max_size) words.push(`Up to ${bytes(max_size)} a file.`);
  words.push(
    lifetime_seconds
      ? `What is interrupted can be continued for ${span(lifetime_seconds)}.`
      : 'What is interrupted can be continued later.',
  );
  words.push('Keep this tab open while bytes move.');
  return words;
}

/** The one line above the overall bar. */
export function overallWords(counts: Counts, queue: QueueProgress): string {
  const files = plural(counts.total, 'file');
  if (counts.offline > 0 && counts.moving === 0) return 'Waiting for the network';
  if (counts.watching > 0 && counts.watching === counts.running) return `${files} uploading in another tab`;
  if (counts.running > 0) {
    const open = counts.total - counts.done - counts.failed;
    return counts.done + counts.failed === 0 ? `Uploading ${files}` : `Uploading ${count(open)} of ${files}`;
  }
  if (counts.paused > 0) return counts.paused === counts.total ? `${files} paused` : `${count(counts.paused)} of ${files} paused`;
  if (counts.failed === 0) return `${files} uploaded`;
  if (counts.done === 0) return `${files} stopped`;
  return `${count(queue.done)} of ${files} uploaded, ${count(counts.failed)} stopped`;
}

/** The document's title. */
export function titleWords(counts: Counts, queue: QueueProgress): string {
  const page = 'partgate';
  if (counts.total === 0) return `Upload – ${page}`;
  if (counts.running > 0) {
    // The average of the last seconds says nothing while nothing moves.
    const waits = counts.offline > 0 ? ' · waiting for the network' : '';
    const left = counts.moving === 0 ? waits : queue.secondsLeft === null ? '' : ` · ${timeLeft(queue.secondsLeft)}`;
    return `${percent(queue.percent)}${left} – ${page}`;
  }
  if (counts.paused > 0) return `Paused at ${percent(queue.percent)} – ${page}`;
  return counts.failed > 0 ? `${count(counts.failed)} stopped – ${page}` : `Done – ${page}`;
}

/** What happened to files since the last announcement, for screen readers. */
export function announcement(changes: readonly (readonly [name: string, look: Look])[]): string {
  const spoken: Partial<Record<Look, string>> = {
    checking: 'checking that it is the same file',
    uploading: 'uploading',
    resuming: 'resuming',
    retrying: 'trying again',
    offline: 'waiting for the network',
    watching: 'uploading in another tab',
    paused: 'paused',
    verifying: 'verifying',
    done: 'done',
    failed: 'stopped',
    aborted: 'cancelled',
  };
  const byLook = new Map<string, string[]>();
  for (const [name, look] of changes) {
    const words = spoken[look];
    if (words) byLook.set(words, [...(byLook.get(words) ?? []), name]);
  }
  const sentences = [...byLook].map(([words, names]) =>
    names.length === 1 ? `${names[0] ?? ''}: ${words}` : `${plural(names.length, 'file')}: ${words}`,
  );
  return sentences.length === 0 ? '' : `${sentences.join('. ')}.`;
}

/** A question before something is lost. */
export interface QuestionWords {
  title: string;
  text: string;
  yes: string;
  no: string;
}

export function cancelQuestion({ name, progress }: Upload): QuestionWords {
  return {
    title: 'Cancel this upload?',
    text: `${bytes(progress.storedBytes)} of “${shortened(name)}” are stored already and will be deleted. To go on later, pause it instead.`,
    yes: 'Cancel upload',
    no: 'Keep it',
  };
}

export function cancelAllQuestion(uploads: number, storedBytes: number): QuestionWords {
  return {
    title: uploads === 1 ? 'Cancel this upload?' : `Cancel ${plural(uploads, 'upload')}?`,
    text: `${bytes(storedBytes)} are stored already and will be deleted. Files that are done stay. To go on later, pause instead.`,
    yes: uploads === 1 ? 'Cancel upload' : 'Cancel uploads',
    no: uploads === 1 ? 'Keep it' : 'Keep them',
  };
}

export function discardQuestion({ name, storedBytes, remembered }: Unfinished): QuestionWords {
  const elsewhere = remembered ? '' : ' It may be going on in another browser or on another device.';
  return {
    title: 'Discard this upload?',
    text: `${storedBytes > 0 ? bytes(storedBytes) : 'What is stored'} of “${shortened(name)}” will be deleted from storage.${elsewhere}`,
    yes: 'Discard',
    no: 'Keep it',
  };
}

export function removedWords({ name }: Upload): string {
  return `Cancelled “${shortened(name)}”. Nothing of it is kept.`;
}

export function notCancelled(name: string, error: unknown): string {
  return `“${shortened(name)}” could not be cancelled: ${reason(error)} Try again, or leave it: what is unfinished is deleted when it expires.`;
}

export function notTheFile(wanted: { name: string; size: number | null }, file: File): string {
  const size = wanted.size === null ? '' : ` It has ${bytes(file.size)}, not ${bytes(wanted.size)}.`;
  return `“${shortened(file.name)}” is not the file of this upload.${size} Choose the same file as before.`;
}

export function notOpened(name: string): string {
  return `“${shortened(name)}” could not be opened: it was moved, or the permission was not given. Choose it yourself.`;
}

export function listTrouble(error: unknown): string {
  return `The gateway could not be asked for unfinished uploads: ${reason(error)}`;
}

export function nothingFound(): string {
  return 'There are no files in what you gave.';
}

export function unreadable(paths: readonly string[]): string {
  const [first = ''] = paths;
  const what = paths.length === 1 ? `“${shortened(first)}”` : `${plural(paths.length, 'file or folder', 'files and folders')}, among them “${shortened(first)}”,`;
  return `${what} could not be read and ${paths.length === 1 ? 'is' : 'are'} left out.`;
}

/** A URL is long for a quiet line: its host is enough. */
function storeName(store: string): string {
  return /^https?:\/\//.test(store) ? new URL(store).host : store;
}

function shortened(name: string): string {
  const characters = [...name];
  return characters.length <= 48 ? name : `${characters.slice(0, 28).join('')}…${characters.slice(-16).join('')}`;
}

function reason(error: unknown): string {
  return sentence(error instanceof Error ? error.message : String(error));
}

/** Lower-cases the first letter, but leaves abbreviations alone. */
function lower(words: string): string {
  return /^[A-Z][A-Z]/.test(words) ? words : words.charAt(0).toLowerCase() + words.slice(1);
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? 'nothing') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}
