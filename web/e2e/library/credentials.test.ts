/** Who calls: credentials go to the gateway, nowhere else, and are kept no longer than they are needed. */
import assert from 'node:assert/strict';

import { expectIdentical, expectNotSentAgain, problem } from '../harness/expect.js';
import { MIB, type TestFile } from '../harness/files.js';
import type { Proxy } from '../harness/proxy.js';
import { type Scene, stage } from '../harness/scene.js';
import type { Tab } from '../harness/tab.js';
import { until } from '../harness/wait.js';

const it = stage();

const partSize = 5 * MIB;
const GRANT = 'e30.e30.grant';
const OWN = 'pgu_e30.e30.own';

/** What an app's backend does, and gives to its page. */
async function backendOpens(scene: Scene, file: TestFile): Promise<{ uploadId: string; token: string }> {
  const answer = await fetch(`${scene.gateway.url}/upload/init`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ filename: 'a.bin', size: file.size, part_size: partSize, checksum_algorithm: 'crc64nvme' }),
  });
  assert.equal(answer.status, 201);
  const created = (await answer.json()) as { upload_id: string };
  return { uploadId: created.upload_id, token: OWN };
}

const calls = ({ seen }: Proxy) => seen.filter(({ method }) => method !== 'OPTIONS');
const kept = (tab: Tab) => tab.page.evaluate(() => JSON.stringify({ ...localStorage }));

/** Storage sees no credential but the signature of each address, and no address has one of ours. */
function expectTold(scene: Scene, tokens: readonly string[]): void {
  const toStorage = calls(scene.storeProxy);
  assert.ok(toStorage.length > 0);
  assert.deepEqual(toStorage.filter(({ authorization }) => authorization !== null), [], 'storage was told who calls');
  const urls = [...scene.storeProxy.seen, ...scene.gatewayProxy.seen].map(({ url }) => url);
  assert.deepEqual(urls.filter((url) => tokens.some((token) => url.includes(token))), [], 'an address has a token');
}

it('a grant goes to the gateway alone', async (scene) => {
  const file = await scene.file('a.bin', 22 * MIB);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, { partSize, tokens: [GRANT] });
  const report = await run.done();
  await expectIdentical(scene, report, file);
  assert.deepEqual(report.tokenCalls, [{ expired: false }]);
  assert.deepEqual(new Set(calls(scene.gatewayProxy).map(({ authorization }) => authorization)), new Set([`Bearer ${GRANT}`]));
  expectTold(scene, [GRANT]);
  assert.ok(!(await kept(tab)).includes(GRANT));
});

it('a page sends the file of an upload that its backend opened, also after a reload, with the token of that upload alone', async (scene) => {
  const others = scene.storeProxy.trap(({ part }) => part !== null && part > 2, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 22 * MIB);
  const given = await backendOpens(scene, file);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, given);
  await run.stored(2);
  await until('others have begun', () => others.hits > 0);
  assert.ok((await kept(tab)).includes(OWN), 'a reload needs it');
  await tab.reload();
  others.drop();
  await until('nothing is in flight', () => scene.storeProxy.idle);
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  assert.deepEqual((await tab.unfinished()).map(({ uploadId }) => uploadId), [given.uploadId]);
  const report = await (await tab.upload(file.path)).done();
  assert.equal(report.uploadId, given.uploadId);
  await expectIdentical(scene, report, file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
  assert.deepEqual(new Set(calls(scene.gatewayProxy).map(({ authorization }) => authorization)), new Set([`Bearer ${OWN}`]));
  expectTold(scene, [OWN]);
  assert.ok(!(await kept(tab)).includes(OWN), 'it is forgotten with the upload');
});

it('small and empty files of uploads that a backend opened arrive too', async (scene) => {
  const tab = await scene.tab();
  for (const [index, size] of [0, 1, 5 * MIB].entries()) {
    const file = await scene.file(`${index}.bin`, size, index + 1);
    const given = await backendOpens(scene, file);
    const report = await tab.upload(file.path, given).then((run) => run.done());
    assert.equal(report.uploadId, given.uploadId);
    await expectIdentical(scene, report, file);
  }
  assert.deepEqual(new Set(calls(scene.gatewayProxy).map(({ authorization }) => authorization)), new Set([`Bearer ${OWN}`]));
});

it('another file is refused for an upload that a backend opened', async (scene) => {
  const [file, other] = [await scene.file('a.bin', 22 * MIB), await scene.file('other/a.bin', 21 * MIB, 2)];
  const given = await backendOpens(scene, file);
  const { error } = await (await scene.tab()).upload(other.path, given).then((run) => run.failed());
  assert.equal(error.code, 'file_changed');
  assert.deepEqual(calls(scene.storeProxy).filter(({ method }) => method === 'PUT'), []);
});

it("an upload's token that is refused gives way to the caller's, and the upload goes on", async (scene) => {
  scene.storeProxy.bytesPerSecond = 12 * MIB;
  const file = await scene.file('a.bin', 40 * MIB);
  const given = await backendOpens(scene, file);
  const run = await (await scene.tab()).upload(file.path, { ...given, tokens: [GRANT] });
  await run.stored(1);
  const refused = scene.gatewayProxy.trap(({ authorization }) => authorization === `Bearer ${OWN}`, problem(401, 'unauthorized', 'the token has expired'), Infinity);
  const report = await run.done();
  await expectIdentical(scene, report, file);
  assert.deepEqual([refused.hits, report.tokenCalls], [1, [{ expired: false }]]);
  expectTold(scene, [GRANT, OWN]);
});

it('with nothing but a token that is refused the upload stops, and goes on with another', async (scene) => {
  const file = await scene.file('a.bin', 22 * MIB);
  const given = await backendOpens(scene, file);
  const refused = scene.gatewayProxy.trap(({ authorization }) => authorization === `Bearer ${OWN}`, problem(401, 'unauthorized', 'the token has expired'), Infinity);
  const tab = await scene.tab();
  const { error } = await tab.upload(file.path, given).then((run) => run.failed());
  assert.deepEqual([error.code, error.message, error.resumable, refused.hits], ['unauthorized', 'the token has expired', true, 1]);
  const report = await (await tab.begin(0, { ...given, token: `${OWN}2` })).done();
  await expectIdentical(scene, report, file);
});

it('a token is forgotten when its upload is gone', async (scene) => {
  scene.storeProxy.trap(({ part }) => part !== null && part > 2, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 22 * MIB);
  const given = await backendOpens(scene, file);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, given);
  await run.stored(2);
  assert.ok((await kept(tab)).includes(OWN));
  assert.equal((await fetch(`${scene.gateway.url}/upload/${given.uploadId}`, { method: 'DELETE' })).status, 204);
  await run.pause();
  await run.resume();
  assert.equal((await run.failed()).error.code, 'gone');
  assert.ok(!(await kept(tab)).includes(OWN));
});

it('calls that come too often wait, while parts go on', async (scene) => {
  const file = await scene.file('a.bin', 40 * MIB);
  const limited = problem(429, 'rate_limited', 'too many calls');
  const trap = scene.gatewayProxy.trap(({ method, path }) => method === 'POST' && path.endsWith('/sign'), { ...limited, headers: { ...limited.headers, 'retry-after': '1' } }, 2);
  const report = await (await scene.tab()).upload(file.path, { partSize, tokens: [GRANT] }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  assert.deepEqual([trap.hits, report.notices, report.progress.retries], [2, ['slow_down'], 0]);
});
