import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UploadError } from '@partgate/client';
import { credentialOfFragment, readCredential, takeFromAddress, type Keep } from '../src/credential.js';
import { Access, isForbidden, wantsCredential } from '../src/model/access.js';
import { signInTroubleWords } from '../src/sign-in-words.js';

const KEY = 'pgk_01kb_secret-Secret_9';
const GRANT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-_';

function keep(credential: string | null = null): Keep & { kept: string | null } {
  const self = { kept: credential, read: () => self.kept, write: (kept: string | null) => void (self.kept = kept) };
  return self;
}

test('keys_and_grants_are_taken_however_they_were_copied', () => {
  for (const text of [GRANT, ` ${GRANT}\n`, `Bearer ${GRANT}`, `authorization: bearer ${GRANT}`]) {
    assert.deepEqual(readCredential(text), { credential: GRANT });
  }
  assert.deepEqual(readCredential(KEY), { credential: KEY });
});

test('what_is_no_credential_is_told_before_the_gateway_is_asked', () => {
  for (const text of ['', ' ', 'two words', 'ключ', 'a\nb', '<token>']) assert.deepEqual(readCredential(text), { trouble: 'malformed' });
  assert.deepEqual(readCredential('pgu_e30.e30.x'), { trouble: 'upload_token' });
});

test('a_link_brings_a_grant_in_its_fragment_which_goes_from_the_address_at_once', () => {
  assert.equal(credentialOfFragment(`#token=${GRANT}`), GRANT);
  assert.equal(credentialOfFragment('#token=a%2Bb&other=1'), 'a+b');
  for (const fragment of ['', '#', '#row-5', '#tokens=a']) assert.equal(credentialOfFragment(fragment), null);
  const shown: string[] = [];
  const window = (hash: string) =>
    ({ location: { hash, pathname: '/up/', search: '?a' }, history: { state: null, replaceState: (_: unknown, __: string, url: string) => shown.push(url) } }) as unknown as Window;
  assert.equal(takeFromAddress(window(`#token=${GRANT}`)), GRANT);
  assert.equal(takeFromAddress(window('#row-5')), null);
  assert.deepEqual(shown, ['/up/?a']);
});

test('in_open_mode_nobody_is_asked_until_the_gateway_asks', () => {
  const access = new Access(false, keep(), null);
  assert.deepEqual([access.wanted, access.signedIn, access.open, access.headers()], [false, false, true, {}]);
  access.accepted();
  assert.deepEqual([access.wanted, access.signedIn, access.open], [false, false, true]);
  access.refused();
  assert.deepEqual([access.wanted, access.trouble, access.open], [true, null, false]);
});

test('a_good_credential_is_kept_once_the_gateway_has_taken_it', () => {
  const kept = keep();
  const access = new Access(true, kept, null);
  assert.ok(access.wanted && !access.open);
  assert.ok(access.offer(KEY));
  assert.deepEqual([access.checking, kept.kept, access.headers()], [true, null, { authorization: `Bearer ${KEY}` }]);
  access.accepted();
  assert.deepEqual([access.wanted, access.signedIn, kept.kept], [false, true, KEY]);
  assert.ok(new Access(true, kept, null).signedIn, 'a reload finds it');
});

test('a_wrong_one_is_not_kept_and_told_apart_from_one_that_has_ended', () => {
  const kept = keep();
  const access = new Access(true, kept, null);
  access.offer(KEY);
  access.refused();
  assert.deepEqual([access.wanted, access.trouble, kept.kept, access.headers()], [true, 'refused', null, {}]);
  access.offer(GRANT);
  access.accepted();
  access.refused();
  assert.deepEqual([access.wanted, access.trouble, kept.kept], [true, 'ended', null]);
  // Many uploads are refused at the same time.
  access.refused();
  assert.equal(access.trouble, 'ended');
});

test('without_an_answer_it_is_neither_right_nor_wrong', () => {
  const access = new Access(true, keep(), null);
  access.offer(KEY);
  access.unanswered();
  assert.deepEqual([access.wanted, access.checking, access.trouble], [true, false, 'unreachable']);
  access.offer(KEY);
  access.accepted();
  access.unanswered();
  assert.ok(access.signedIn, 'whoever is signed in stays so');
});

test('a_link_is_newer_than_what_is_kept_and_a_broken_one_is_told', () => {
  const kept = keep(KEY);
  assert.deepEqual(new Access(true, kept, GRANT).headers(), { authorization: `Bearer ${GRANT}` });
  assert.equal(kept.kept, GRANT);
  const broken = new Access(true, keep(), 'two words');
  assert.deepEqual([broken.wanted, broken.trouble], [true, 'malformed']);
});

test('signing_out_leaves_nothing', () => {
  const kept = keep(KEY);
  const access = new Access(true, kept, null);
  access.forget();
  assert.deepEqual([access.signedIn, access.trouble, kept.kept, access.headers()], [false, null, null, {}]);
});

test('only_the_gateways_own_refusals_count', () => {
  const refusal = (status: number, code: string) => {
    const problem = { status, code, detail: '', title: '', type: '', request_id: '' };
    return new UploadError('unauthorized', 'no', { resumable: true, problem });
  };
  assert.ok(wantsCredential(refusal(401, 'unauthorized')));
  assert.ok(!wantsCredential(refusal(401, '')), 'a proxy');
  assert.ok(!wantsCredential(new UploadError('unauthorized', 'no', { resumable: true })));
  assert.ok(isForbidden(refusal(403, 'forbidden')) && !isForbidden(refusal(403, '')));
});

test('every_trouble_says_what_to_do_in_sentences', () => {
  for (const trouble of ['malformed', 'upload_token', 'refused', 'ended', 'unreachable'] as const) {
    assert.match(signInTroubleWords(trouble), /^[A-Z].*\.$/);
  }
});
