import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UploadError, type Progress, type QueueProgress } from '@partgate/client';
import * as errors from '../src/error-words.js';
import * as words from '../src/words.js';

const PROGRESS: Progress = {
  totalBytes: 50e9,
  storedBytes: 21.5e9,
  sendingBytes: 0,
  percent: 43,
  bytesPerSecond: 0,
  secondsLeft: null,
  totalParts: 2000,
  storedParts: 796,
  resumedParts: 796,
  connections: 0,
  retries: 0,
  retryInSeconds: null,
  verifiedBytes: null,
};
const QUEUE: QueueProgress = {
  totalBytes: 100,
  storedBytes: 41,
  sendingBytes: 0,
  percent: 41.9,
  bytesPerSecond: 1,
  secondsLeft: 180,
  total: 0,
  done: 0,
  failed: 0,
  active: 0,
};
const COUNTS = { total: 0, done: 0, failed: 0, retryable: 0, paused: 0, running: 0, offline: 0, watching: 0, moving: 0 };

function explain(code: string, details: Partial<ConstructorParameters<typeof UploadError>[2]> = {}, progress = PROGRESS): errors.ErrorWords {
  return errors.errorWords(new UploadError(code, 'it went wrong', { resumable: true, ...details }), progress, { max_size: 5e12 });
}

test('resuming_tells_the_parts_that_are_left', () => {
  assert.equal(words.lookWords('resuming', PROGRESS), 'Resuming… 1,204 parts left');
});

test('retrying_counts_whole_seconds_down', () => {
  assert.equal(words.lookWords('retrying', { ...PROGRESS, retryInSeconds: 4.2 }), 'Trying again in 5 s');
  assert.equal(words.lookWords('retrying', PROGRESS), 'Trying again…');
});

test('every_error_says_what_happened_what_was_kept_and_what_to_do', () => {
  const codes = [
    'unreachable', 'stalled', 'file_unreadable', 'file_changed', 'gone', 'unauthorized', 'forbidden', 'signature_refused',
    'storage_refused', 'wrong_object', 'invalid_answer', 'cancelled', 'quota_exceeded', 'too_large', 'object_exists',
    'storage_rejected', 'storage_unavailable', 'database_unavailable', 'auth_unavailable', 'overloaded', 'busy', 'checksum_mismatch',
    'rate_limited', 'request_timeout', 'misdirected_request', 'upload_gone', 'upload_not_found', 'internal', 'a_code_of_next_year',
  ];
  for (const code of codes) {
    const { what, kept, todo } = explain(code);
    for (const sentence of [what, kept, todo]) assert.match(sentence, /^[A-Z0-9].*\.$/s, `${code}: ${sentence}`);
  }
});

test('a_changed_file_can_be_started_anew_and_nothing_was_mixed', () => {
  const { kept, remedies } = explain('file_changed');
  assert.match(kept, /Nothing was mixed/);
  assert.deepEqual(remedies, ['choose', 'restart']);
});

test('a_file_that_cannot_be_read_is_to_be_chosen_again', () => {
  assert.equal(explain('file_unreadable').remedies[0], 'choose');
});

test('too_large_names_the_limit', () => {
  const problem = { code: 'too_large', detail: '', status: 413, title: '', type: '', limit: 2e9 };
  assert.match(explain('too_large', { problem }).what, /2 GB/);
  assert.match(explain('too_large').what, /5 TB/);
});

test('quotas_name_their_limit_in_units_that_people_use', () => {
  const quota = (kind: string | null, limit: number) => {
    const problem = { code: 'quota_exceeded', detail: '', status: 403, title: '', type: '', request_id: '', limit, quota: kind };
    return explain('quota_exceeded', { problem }).what;
  };
  assert.match(quota('open_uploads', 5), /at most 5 are/);
  assert.match(quota('bytes_in_flight', 53e9), /53 GB together/);
  assert.match(quota('bytes_per_day', 1e12), /At most 1 TB .* a day/);
  assert.match(quota('grant_uploads', 1), /1 upload,/);
  assert.match(quota('grant_bytes', 2_500_000), /2\.5 MB/);
  // A number without its unit says nothing.
  for (const kind of [null, 'a_limit_of_next_year']) assert.equal(quota(kind, 5), 'There is no room left for this file.');
});

test('who_is_not_signed_in_is_led_to_the_card_unless_a_proxy_asks', () => {
  const problem = { code: 'unauthorized', detail: 'no', status: 401, title: '', type: '', request_id: '' };
  assert.match(explain('unauthorized', { problem }).todo, /^Sign in above/);
  assert.match(explain('unauthorized', { problem: { ...problem, code: '' } }).todo, /in another tab/);
});

test('what_was_kept_is_told_in_bytes', () => {
  assert.match(explain('stalled').kept, /^21\.5 GB of 50 GB are kept/);
  assert.equal(explain('stalled', {}, { ...PROGRESS, storedBytes: 0 }).kept, 'Nothing was stored yet.');
});

test('unknown_errors_are_told_in_their_own_words', () => {
  assert.equal(explain('a_code_of_next_year').what, 'It went wrong.');
});

test('the_trace_has_what_an_operator_looks_for', () => {
  const error = new UploadError('storage_refused', 'no', { resumable: true, storageCode: 'AccessDenied', part: 1312 });
  assert.equal(errors.errorTrace(error), 'storage_refused · AccessDenied · part 1,312');
});

test('the_title_tells_percent_and_time', () => {
  assert.equal(words.titleWords(COUNTS, QUEUE), 'Upload – partgate');
  assert.equal(words.titleWords({ ...COUNTS, total: 2, running: 2, moving: 2 }, QUEUE), '41 % · 3 min left – partgate');
  assert.equal(words.titleWords({ ...COUNTS, total: 2, running: 2, offline: 2 }, QUEUE), '41 % · waiting for the network – partgate');
  assert.equal(words.titleWords({ ...COUNTS, total: 2, done: 2 }, QUEUE), 'Done – partgate');
  assert.equal(words.titleWords({ ...COUNTS, total: 2, failed: 1, done: 1 }, QUEUE), '1 stopped – partgate');
});

test('announcements_gather_files', () => {
  assert.equal(words.announcement([['a.jpg', 'done']]), 'a.jpg: done.');
  assert.equal(
    words.announcement([['a.jpg', 'done'], ['b.jpg', 'done'], ['c.jpg', 'failed'], ['d.jpg', 'waiting']]),
    '2 files: done. c.jpg: stopped.',
  );
  assert.equal(words.announcement([['d.jpg', 'waiting']]), '');
});

test('the_destination_has_bucket_and_folder', () => {
  assert.deepEqual(words.destinationWords({ store: 'https://s3.example.com', bucket: 'archive', prefix: '/in/' }), {
    bucket: 'archive/in',
    at: 'on s3.example.com',
  });
  assert.equal(words.destinationWords({}), null);
});

test('a_page_without_settings_still_promises_what_holds', () => {
  assert.deepEqual(words.promiseWords({}), ['What is interrupted can be continued later.', 'Keep this tab open while bytes move.']);
});

test('the_log_tells_how_many_parts_are_sent', () => {
  assert.equal(words.sendingLogWords(PROGRESS), '796 of 2,000 parts are stored already; sending the other 1,204');
  assert.equal(words.sendingLogWords({ ...PROGRESS, storedParts: 0, resumedParts: 0 }), 'sending 2,000 parts');
  assert.equal(words.sendingLogWords({ ...PROGRESS, storedParts: 1999, resumedParts: 0 }), 'sending the other 1 part');
});
