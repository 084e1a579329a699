/** What was begun is gone on with, by whoever has the file; what is another file is never mixed in. */
import assert from 'node:assert/strict';

import { expectEachSentOnce, expectIdentical, expectNothingLeft, expectNotSentAgain } from '../harness/expect.js';
import { flip, MIB, type TestFile } from '../harness/files.js';
import type { Trap } from '../harness/proxy.js';
import { type Scene, stage } from '../harness/scene.js';
import type { Run, Tab } from '../harness/tab.js';
import { never, until } from '../harness/wait.js';

const it = stage();

const partSize = 5 * MIB;

interface UnderWay {
  file: TestFile;
  tab: Tab;
  run: Run;
  uploadId: string;
  key: string;
  /** Parts that wait in the proxy: to be released, or dropped with the connections of whoever is gone. */
  others: Trap;
}

/** An upload of ten parts of which some are stored, while others have begun and wait until `others` is released. */
async function underWay(scene: Scene, stored = 3): Promise<UnderWay> {
  const others = scene.storeProxy.trap(({ part }) => part !== null && part > stored, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 48 * MIB);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, { partSize });
  const { uploadId } = await run.stored(stored);
  await until('others have begun', () => others.hits > 0);
  return { file, tab, run, uploadId: uploadId!, key: (await scene.gateway.status(uploadId!)).key, others };
}

/** What storage has, and how many requests it took, as of now. */
const asOfNow = ({ storeProxy }: Scene) => [storeProxy.storedParts(), storeProxy.seen.length] as const;

it('after a reload it goes on, and sends nothing again that is stored', async (scene) => {
  const { file, tab, uploadId, others } = await underWay(scene);
  await tab.reload();
  others.drop();
  const [stored, requests] = asOfNow(scene);
  assert.deepEqual(stored, new Set([1, 2, 3]));
  assert.deepEqual((await tab.unfinished()).map((one) => [one.uploadId, one.name, one.size, one.remembered]), [[uploadId, 'a.bin', file.size, true]]);
  const run = await tab.upload(file.path);
  const report = await run.done();
  await expectIdentical(scene, report, file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
  assert.equal(report.uploadId, uploadId);
  assert.deepEqual([report.result!.resumedParts, report.result!.sentParts], [3, 7]);
  assert.ok(report.states.includes('checking') && report.notices.includes('resumed'));
  assert.deepEqual(await tab.unfinished(), [], 'what is done is not remembered');
});

it('a tab that crashes is a reload too', async (scene) => {
  const { file, tab, uploadId, others } = await underWay(scene);
  await tab.page.close();
  others.drop();
  const [stored, requests] = asOfNow(scene);
  const report = await (await scene.tab(tab.page.context())).upload(file.path).then((run) => run.done());
  await expectIdentical(scene, report, file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
  assert.equal(report.uploadId, uploadId);
});

it('another device with the same file goes on, whatever the file is called there', async (scene) => {
  const { file, tab, uploadId, others } = await underWay(scene);
  await tab.page.context().close();
  others.drop();
  const [stored, requests] = asOfNow(scene);
  const renamed = await scene.file('another name.bin', 48 * MIB);
  const report = await (await scene.tab()).upload(renamed.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
  assert.equal(report.uploadId, uploadId);
});

it('another file of the same name and size is another upload', async (scene) => {
  const { tab, uploadId, others } = await underWay(scene);
  await tab.reload();
  others.drop();
  const before = await scene.gateway.status(uploadId);
  const other = await scene.file('a.bin', 48 * MIB, 2);
  const report = await (await tab.upload(other.path, { partSize })).done();
  await expectIdentical(scene, report, other);
  assert.notEqual(report.uploadId, uploadId);
  assert.equal(report.result!.resumedParts, 0);
  assert.ok(report.notices.includes('other_content'), report.notices.join());
  const after = await scene.gateway.status(uploadId);
  assert.deepEqual([after.state, after.received_parts], ['open', before.received_parts], 'nothing is lost of the first');
});

// The fingerprint reads the beginning, the middle and the end; these bytes are elsewhere. The first part is always
// compared before anything is sent; the second, of six, is one that is compared in passing.
for (const [what, at] of [['the first', 2 * MIB], ['the second', 7 * MIB]] as const) {
  it(`a file that differs in the middle of ${what} stored part is refused, and nothing is mixed`, async (scene) => {
    const { file, tab, uploadId, key, others } = await underWay(scene, 6);
    await tab.reload();
    others.drop();
    await flip(file.path, at);
    const run = await tab.upload(file.path);
    const report = await run.failed();
    assert.equal(report.error.code, 'file_changed');
    assert.deepEqual(await scene.objects(key), []);
    const { state, received_parts: received } = await scene.gateway.status(uploadId);
    assert.deepEqual([state, received >= 6], ['open', true], 'nothing is lost');
    // Both ways on: the file as it was, or anew.
    await flip(file.path, at);
    await tab.reload();
    const [stored, requests] = asOfNow(scene);
    await expectIdentical(scene, await (await tab.upload(file.path)).done(), file);
    expectNotSentAgain(scene.storeProxy, stored, requests);
  });
}

it('a changed file can be begun anew', async (scene) => {
  const { file, tab, uploadId, key, others } = await underWay(scene);
  await tab.reload();
  others.drop();
  await flip(file.path, 2 * MIB);
  const run = await tab.upload(file.path, { partSize });
  await run.failed();
  await run.restart();
  const report = await run.until('it is done', ({ state }) => state === 'done');
  assert.notEqual(report.uploadId, uploadId);
  assert.equal(report.result!.sentParts, 10);
  await expectNothingLeft(scene, key);
});

it('two tabs send a file once, and both are done', async (scene) => {
  const { file, tab, run, uploadId, others } = await underWay(scene, 2);
  const second = await (await scene.tab(tab.page.context())).upload(file.path, { partSize });
  await second.until('it watches', ({ state }) => state === 'watching');
  others.release();
  const reports = [await run.done(), await second.done()];
  assert.deepEqual(reports.map((report) => report.uploadId), [uploadId, uploadId]);
  for (const report of reports) await expectIdentical(scene, report, file);
  expectEachSentOnce(scene.storeProxy);
});

it('when the first tab is closed, the second takes over', async (scene) => {
  const { file, tab, uploadId, others } = await underWay(scene, 2);
  const second = await (await scene.tab(tab.page.context())).upload(file.path, { partSize });
  await second.until('it watches', ({ state }) => state === 'watching');
  await tab.page.close();
  others.drop();
  const [stored, requests] = asOfNow(scene);
  const report = await second.done();
  assert.equal(report.uploadId, uploadId);
  await expectIdentical(scene, report, file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('while it is paused no bytes move, and then it goes on', async (scene) => {
  scene.storeProxy.bytesPerSecond = 8 * MIB;
  const file = await scene.file('a.bin', 48 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize });
  await run.stored(2);
  await run.pause();
  await run.until('it is paused', ({ state }) => state === 'paused');
  await until('the connections are closed', () => scene.storeProxy.idle);
  const { received } = scene.storeProxy;
  await never('bytes move', () => scene.storeProxy.received !== received, 1_000);
  const [stored, requests] = asOfNow(scene);
  assert.ok(stored.size < 10, 'it was paused in the middle');
  await run.resume();
  const report = await run.done();
  await expectIdentical(scene, report, file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
  assert.equal(report.progress.retries, 0, 'a pause is no failure');
});

it('cancelling leaves nothing in the store and nothing to remember', async (scene) => {
  const { tab, run, uploadId, key } = await underWay(scene);
  assert.equal((await scene.multiparts(key)).length, 1);
  await run.abort();
  assert.equal((await run.report()).state, 'aborted');
  await expectNothingLeft(scene, key);
  assert.deepEqual(await scene.gateway.list('open'), []);
  assert.deepEqual(await tab.unfinished(true), []);
  const { length } = scene.storeProxy.seen;
  await never('something is sent', () => scene.storeProxy.seen.length > length, 500);
  assert.deepEqual((await scene.gateway.list()).map((upload) => [upload.upload_id, upload.state]), [[uploadId, 'aborted']]);
});

it('cancelling while it is paused leaves nothing either', async (scene) => {
  const { run, key } = await underWay(scene);
  await run.pause();
  await run.abort();
  assert.equal((await run.report()).state, 'aborted');
  await expectNothingLeft(scene, key);
});

it('a signal stops the upload, which can be gone on with', async (scene) => {
  const { file, tab, run, uploadId, key, others } = await underWay(scene);
  await run.signal();
  others.drop();
  const { error } = await run.failed();
  assert.deepEqual([error.code, error.resumable], ['cancelled', true]);
  assert.equal((await scene.multiparts(key)).length, 1);
  await until('nothing is in flight', () => scene.storeProxy.idle);
  const [stored, requests] = asOfNow(scene);
  const report = await (await tab.upload(file.path)).done();
  assert.equal(report.uploadId, uploadId);
  await expectIdentical(scene, report, file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('an unfinished upload is begun anew when that is wished, and the old one is taken back', async (scene) => {
  const { file, tab, uploadId, key, others } = await underWay(scene);
  await tab.reload();
  others.drop();
  const report = await (await tab.upload(file.path, { unfinished: 'restart', partSize })).done();
  assert.notEqual(report.uploadId, uploadId);
  assert.equal(report.result!.resumedParts, 0);
  await expectIdentical(scene, report, file);
  await expectNothingLeft(scene, key);
});

it('the gateway tells another device what is unfinished', async (scene) => {
  const { file, tab, uploadId } = await underWay(scene);
  await tab.page.context().close();
  const device = await scene.tab();
  assert.deepEqual(await device.unfinished(), []);
  const found = await device.unfinished(true);
  assert.deepEqual(found.map((one) => [one.uploadId, one.size, one.remembered]), [[uploadId, file.size, false]]);
});
