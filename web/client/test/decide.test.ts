import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Action, type GatewayAnswer, type History, type Seen, type StorageAnswer, decide, newHistory } from '../src/transfer/decide.js';

const storage = (status: number, code: string, more: Partial<StorageAnswer> = {}): Seen => ({
  kind: 'storage',
  answer: { status, code, message: '', retryAfterMs: null, urlExpired: false, ...more },
});
const gateway = (status: number, code: string, more: Partial<GatewayAnswer> = {}): Seen => ({
  kind: 'gateway',
  answer: { status, code, retryAfterMs: null, state: null, ...more },
});
const history = (more: Partial<History> = {}): History => ({ ...newHistory(false), ...more });

/** The table of shared/client.md, the same as in the Rust client's decide.rs. */
const table: [name: string, seen: Seen, history: History, expected: Action][] = [
  ['network asks status first', { kind: 'network' }, history(), { do: 'refresh_then_retry' }],
  ['a stall asks status first', { kind: 'stall' }, history(), { do: 'refresh_then_retry' }],
  ['a body that came too slowly', storage(400, 'RequestTimeout'), history(), { do: 'refresh_then_retry' }],
  ['a URL whose time is over', storage(403, 'AccessDenied', { urlExpired: true }), history(), { do: 'sign_again' }],
  ['AWS and MinIO say so', storage(403, 'AccessDenied', { message: 'Request has expired' }), history(), { do: 'sign_again' }],
  ['Garage says so', storage(400, 'InvalidRequest', { message: 'Bad request: Date is too old' }), history(), { do: 'sign_again' }],
  ['R2 says so', storage(400, 'ExpiredRequest'), history(), { do: 'sign_again' }],
  ['temporary credentials', storage(400, 'ExpiredToken'), history(), { do: 'sign_again' }],
  ['three in a row', storage(400, 'ExpiredToken'), history({ signaturesRefused: 2 }), { do: 'stop', why: 'signature_refused' }],
  ['corrupted', storage(400, 'BadDigest'), history(), { do: 'hash_again' }],
  ['corrupted, as Garage says', storage(400, 'InvalidDigest'), history(), { do: 'hash_again' }],
  ['corrupted, as MinIO says', storage(400, 'XAmzContentChecksumMismatch'), history(), { do: 'hash_again' }],
  ['corrupted over and over', storage(400, 'BadDigest'), history({ contradictions: 5 }), { do: 'stop', why: 'storage_refused' }],
  ['a small file that is there', storage(412, 'PreconditionFailed'), history({ onePut: true }), { do: 'refresh_then_continue' }],
  ['a stranger is there', storage(412, 'PreconditionFailed'), history({ onePut: true, contradictions: 1 }), { do: 'stop', why: 'storage_refused' }],
  ['storage forgot the upload', storage(404, 'NoSuchUpload'), history(), { do: 'refresh_then_continue' }],
  ['SlowDown', storage(503, 'SlowDown', { retryAfterMs: 7000 }), history(), { do: 'back_off', retryAfterMs: 7000 }],
  ['too many requests', storage(429, ''), history(), { do: 'back_off', retryAfterMs: null }],
  ['storage broke', storage(500, 'InternalError'), history(), { do: 'back_off', retryAfterMs: null }],
  ['another refusal', storage(403, 'SignatureDoesNotMatch'), history(), { do: 'stop', why: 'storage_refused' }],
  ['the file is gone', { kind: 'unreadable', cause: null }, history(), { do: 'stop', why: 'file_unreadable' }],
  ['the token is asked for', gateway(401, 'unauthorized'), history(), { do: 'ask_token' }],
  ['once', gateway(401, 'unauthorized'), history({ tokenAsked: true }), { do: 'stop', why: 'unauthorized' }],
  ['somebody completed it', gateway(409, 'upload_closed', { state: 'completed' }), history(), { do: 'fetch_answer' }],
  ['somebody is completing it', gateway(409, 'upload_closed', { state: 'completing' }), history(), { do: 'refresh_then_continue' }],
  ['it failed', gateway(409, 'upload_closed', { state: 'failed' }), history(), { do: 'stop', why: 'gone' }],
  ['it is gone', gateway(410, 'upload_gone'), history(), { do: 'stop', why: 'gone' }],
  ['unknown', gateway(404, 'upload_not_found'), history(), { do: 'stop', why: 'gone' }],
  ['busy', gateway(503, 'overloaded', { retryAfterMs: 1000 }), history(), { do: 'back_off', retryAfterMs: 1000 }],
  ['a proxy before a gateway that restarts', gateway(502, ''), history(), { do: 'back_off', retryAfterMs: null }],
  ['502 of the gateway itself', gateway(502, 'storage_rejected'), history(), { do: 'stop', why: 'rejected' }],
  ['too many calls', gateway(429, 'rate_limited', { retryAfterMs: 7000 }), history(), { do: 'back_off', retryAfterMs: 7000 }],
  ['a call that came too slowly', gateway(408, 'request_timeout'), history(), { do: 'back_off', retryAfterMs: null }],
  ['a bug', gateway(500, 'internal'), history(), { do: 'back_off', retryAfterMs: null }],
  ['a bug that stays', gateway(500, 'internal'), history({ internalErrors: 4 }), { do: 'stop', why: 'rejected' }],
  ['quota', gateway(403, 'quota_exceeded'), history(), { do: 'stop', why: 'rejected' }],
  ['a right that the caller lacks', gateway(403, 'forbidden'), history(), { do: 'stop', why: 'rejected' }],
  ['another host is meant', gateway(421, 'misdirected_request'), history(), { do: 'stop', why: 'rejected' }],
  ['too large', gateway(413, 'too_large'), history(), { do: 'stop', why: 'rejected' }],
];

for (const [name, seen, before, expected] of table) {
  test(`decide: ${name}`, () => assert.deepEqual(decide(seen, before), expected));
}
