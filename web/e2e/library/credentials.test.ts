/** Who calls: credentials go to the gateway, nowhere else, and are kept no longer than they are needed. */
import assert from 'node:assert/strict';

import { expectIdentical, expectNotSentAgain, problem } from '../harness/expect.js';
import { MIB, type TestFile } from '../harness/files.js';
import { grant } from '../harness/gateway.js';
import type { Proxy, Trap } from '../harness/proxy.js';
import { type Scene, stage } from '../harness/scene.js';
import type { Tab } from '../harness/tab.js';
import { until } from '../harness/wait.js';

const it = stage();

const partSize = 5 * MIB;
const auth = 'required';

/** What an app's backend does with its API key, and gives to its page: there is nothing else in it. */
async function backendOpens(scene: Scene, file: TestFile): Promise<{ uploadId: string; token: string; headers: Record<string, string> }> {
  const request = { filename: 'a.bin', size: file.size, part_size: partSize, checksum_algorithm: 'crc64nvme' } as const;
  const created = await scene.gateway.init(request);
  assert.match(created.token ?? '', /^pgu_/);
  return { uploadId: created.upload_id, token: created.token!, headers: {} };
}

const bearers = ({ seen }: Proxy) => new Set(seen.filter(({ method }) => method !== 'OPTIONS').map(({ authorization }) => authorization?.replace('Bearer ', '')));
const kept = (tab: Tab) => tab.page.evaluate(() => JSON.stringify({ ...localStorage }));

/** From now on the gateway does not take this token. */
function refuse(scene: Scene, token: string): Trap {
  return scene.gatewayProxy.trap(({ authorization }) => authorization === `Bearer ${token}`, problem(401, 'unauthorized', 'the token has expired'), Infinity);
}

/** Storage sees no credential but the signature of each address, and no address has one of ours. */
function expectSecret(scene: Scene, ...credentials: string[]): void {
  assert.ok(scene.storeProxy.puts().length > 0);
  assert.deepEqual(scene.storeProxy.seen.filter(({ authorization }) => authorization !== null), [], 'storage was told who calls');
  const urls = [...scene.storeProxy.seen, ...scene.gatewayProxy.seen].map(({ url }) => url);
  assert.deepEqual(urls.filter((url) => credentials.some((credential) => url.includes(credential))), [], 'an address has a credential');
}

it('a grant opens the upload, whose own token carries it to its end', async (scene) => {
  const file = await scene.file('a.bin', 22 * MIB);
  const tab = await scene.tab();
  const given = grant();
  const report = await tab.upload(file.path, { partSize, headers: {}, tokens: [given] }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  assert.deepEqual(report.tokenCalls, [{ expired: false }]);
  const byGrant = scene.gatewayProxy.seen.filter(({ authorization }) => authorization === `Bearer ${given}`);
  assert.deepEqual(byGrant.map(({ path }) => path), ['/upload/init']);
  const own = [...bearers(scene.gatewayProxy)].filter((bearer) => bearer !== given);
  assert.ok(own.length === 1 && own[0]?.startsWith('pgu_'), String(own));
  expectSecret(scene, given, ...(own as string[]));
  assert.ok(!/pgu_/.test(await kept(tab)) && !(await kept(tab)).includes(given));
}, { auth });

it('a page sends the file of an upload that its backend opened, also after a reload, with the token of that upload alone', async (scene) => {
  const others = scene.storeProxy.trap(({ part }) => part !== null && part > 2, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 22 * MIB);
  const given = await backendOpens(scene, file);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, given);
  await run.stored(2);
  await until('others have begun', () => others.hits > 0);
  assert.ok((await kept(tab)).includes(given.token), 'a reload needs it');
  await tab.reload();
  others.drop();
  await until('nothing is in flight', () => scene.storeProxy.idle);
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  assert.deepEqual((await tab.unfinished()).map(({ uploadId }) => uploadId), [given.uploadId]);
  const report = await (await tab.upload(file.path, { headers: {} })).done();
  assert.equal(report.uploadId, given.uploadId);
  await expectIdentical(scene, report, file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
  assert.deepEqual(bearers(scene.gatewayProxy), new Set([given.token]));
  expectSecret(scene, given.token);
  assert.ok(!(await kept(tab)).includes(given.token), 'it is forgotten with the upload');
}, { auth });

it('small and empty files of uploads that a backend opened arrive too', async (scene) => {
  const tab = await scene.tab();
  for (const [index, size] of [0, 1, 5 * MIB].entries()) {
    const file = await scene.file(`${index}.bin`, size, index + 1);
    const given = await backendOpens(scene, file);
    const report = await tab.upload(file.path, given).then((run) => run.done());
    assert.equal(report.uploadId, given.uploadId);
    await expectIdentical(scene, report, file);
  }
}, { auth });

it('another file is refused for an upload that a backend opened', async (scene) => {
  const [file, other] = [await scene.file('a.bin', 22 * MIB), await scene.file('other/a.bin', 21 * MIB, 2)];
  const given = await backendOpens(scene, file);
  const { error } = await (await scene.tab()).upload(other.path, given).then((run) => run.failed());
  assert.equal(error.code, 'file_changed');
  assert.deepEqual(scene.storeProxy.puts(), []);
}, { auth });

it('the token of one upload opens no other, and begins none anew', async (scene) => {
  const [file, other] = [await scene.file('a.bin', 12 * MIB), await scene.file('b.bin', 12 * MIB, 2)];
  const [given, foreign] = [await backendOpens(scene, file), await backendOpens(scene, other)];
  const tab = await scene.tab();
  const { error } = await tab.upload(other.path, { ...foreign, token: given.token }).then((run) => run.failed());
  assert.equal(error.code, 'gone', 'it is not told that there is such an upload');
  assert.equal((await scene.gateway.status(foreign.uploadId)).state, 'open');
}, { auth });

it("an upload's token that is refused gives way to the caller's, and the upload goes on", async (scene) => {
  scene.storeProxy.bytesPerSecond = 12 * MIB;
  const file = await scene.file('a.bin', 40 * MIB);
  const given = await backendOpens(scene, file);
  const run = await (await scene.tab()).upload(file.path, { ...given, tokens: [scene.gateway.key!] });
  await run.stored(1);
  const refused = refuse(scene, given.token);
  const report = await run.done();
  await expectIdentical(scene, report, file);
  assert.deepEqual([refused.hits, report.tokenCalls], [1, [{ expired: false }]]);
  expectSecret(scene, scene.gateway.key!, given.token);
}, { auth });

it('with nothing but a token that is refused the upload stops, and goes on once it is taken', async (scene) => {
  const file = await scene.file('a.bin', 22 * MIB);
  const given = await backendOpens(scene, file);
  const refused = refuse(scene, given.token);
  const run = await (await scene.tab()).upload(file.path, given);
  const { error } = await run.failed();
  assert.deepEqual([error.code, error.message, error.resumable, refused.hits], ['unauthorized', 'the token has expired', true, 1]);
  refused.release();
  await run.resume();
  await expectIdentical(scene, await run.until('it is done', ({ state }) => state === 'done'), file);
}, { auth });

it('a grant that is no good stops the upload, in the words of the gateway', async (scene) => {
  const file = await scene.file('a.bin', MIB);
  const tab = await scene.tab();
  const upload = (token: string) => tab.upload(file.path, { headers: {}, tokens: [token] }).then((run) => run.failed());
  const expired = await upload(grant({ exp: Math.floor(Date.now() / 1_000) - 60 }));
  assert.deepEqual([expired.error.code, expired.tokenCalls], ['unauthorized', [{ expired: false }, { expired: true }]]);
  assert.match(expired.error.message, /expired/);
  const small = await upload(grant({ max_bytes: 1_000 }));
  assert.deepEqual([small.error.code, small.error.status, small.error.resumable], ['too_large', 413, false]);
  const none = await upload(grant({ max_uploads: 0 }));
  assert.deepEqual([none.error.code, none.error.status, none.error.resumable], ['quota_exceeded', 403, true]);
  const other = await upload(grant({ content_types: ['video/*'] }));
  assert.deepEqual([other.error.code, other.error.status], ['invalid_request', 400]);
  assert.match(other.error.message, /content_type/);
  const reader = await upload(grant({ roles: ['read'] }));
  assert.deepEqual([reader.error.code, reader.error.status, reader.error.resumable], ['forbidden', 403, true]);
  assert.deepEqual(scene.storeProxy.puts(), []);
}, { auth });

it('a token is forgotten when its upload is gone', async (scene) => {
  scene.storeProxy.trap(({ part }) => part !== null && part > 2, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 22 * MIB);
  const given = await backendOpens(scene, file);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, given);
  await run.stored(2);
  assert.ok((await kept(tab)).includes(given.token));
  await scene.gateway.abort(given.uploadId);
  await run.pause();
  await run.resume();
  assert.equal((await run.failed()).error.code, 'gone');
  assert.ok(!(await kept(tab)).includes(given.token));
}, { auth });

it('calls that come too often wait, while parts go on', async (scene) => {
  const file = await scene.file('a.bin', 40 * MIB);
  const limited = problem(429, 'rate_limited', 'too many calls');
  const trap = scene.gatewayProxy.trap(({ method, path }) => method === 'POST' && path.endsWith('/sign'), { ...limited, headers: { ...limited.headers, 'retry-after': '1' } }, 2);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  assert.deepEqual([trap.hits, report.notices, report.progress.retries], [2, ['slow_down'], 0]);
});
