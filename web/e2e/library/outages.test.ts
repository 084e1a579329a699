/** The network, the gateway and the store come and go. */
import assert from 'node:assert/strict';

import type { Options } from '../harness/app.js';
import { expectEachSentOnce, expectIdentical, expectNotSentAgain } from '../harness/expect.js';
import { MIB, type TestFile } from '../harness/files.js';
import type { Proxy, Trap } from '../harness/proxy.js';
import { type Scene, stage } from '../harness/scene.js';
import type { Run, Tab } from '../harness/tab.js';
import { pause, until } from '../harness/wait.js';

const it = stage();

const partSize = 5 * MIB;

interface UnderWay {
  file: TestFile;
  run: Run;
  tab: Tab;
  /** Those that wait in the proxy. */
  others: Trap;
}

/** An upload of ten parts of which two are stored, while others have begun and wait until `others` is released. */
async function underWay(scene: Scene, options: Options = {}): Promise<UnderWay> {
  const others = scene.storeProxy.trap(({ part }) => part !== null && part > 2, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 48 * MIB);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, { partSize, ...options });
  await run.stored(2);
  await until('others have begun', () => others.hits > 0);
  return { file, run, tab, others };
}

/** Waits until the client has tried what does not work now. */
async function tried(proxy: Proxy): Promise<void> {
  const { length } = proxy.seen;
  await until('it was tried', () => proxy.seen.length > length);
}

it('without a network it waits, and goes on by itself', async (scene) => {
  const { file, run, tab, others } = await underWay(scene);
  await tab.page.context().setOffline(true);
  others.drop();
  await run.until('it says that it waits for the network', ({ state }) => state === 'offline');
  await until('nothing is in flight', () => scene.storeProxy.idle);
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  await tab.page.context().setOffline(false);
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('storage that refuses connections for five seconds is waited for', async (scene) => {
  const { file, run, others } = await underWay(scene);
  await scene.storeProxy.refuse();
  others.drop();
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  // The length of the outage is what this is about.
  await pause(5_000);
  await scene.storeProxy.accept();
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('a gateway that is killed and started again goes unnoticed', async (scene) => {
  const { file, run, others } = await underWay(scene);
  await scene.gateway.server.kill();
  others.release();
  await tried(scene.gatewayProxy);
  await scene.gateway.server.start();
  const report = await run.done();
  await expectIdentical(scene, report, file);
  expectEachSentOnce(scene.storeProxy);
  assert.equal(report.progress.retries, 0, 'no part has failed');
});

it('a gateway that is away when the upload begins and ends is waited for', async (scene) => {
  await scene.gatewayProxy.refuse();
  const file = await scene.file('a.bin', 22 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize });
  // Long enough that the first attempts have failed.
  await pause(1_500);
  const trap = scene.gatewayProxy.trap(({ path }) => path.endsWith('/complete'), { do: 'lose' }, 2);
  await scene.gatewayProxy.accept();
  await expectIdentical(scene, await run.done(), file);
  assert.ok(trap.hits > 0);
});

it('a store that is killed and started again costs no stored part', async (scene) => {
  const { file, run, others } = await underWay(scene);
  await scene.store.server.kill();
  others.drop();
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  await tried(scene.storeProxy);
  await scene.store.server.start();
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('when one gateway dies, the other does its work', async (scene) => {
  const second = await scene.anotherGateway();
  const { file, run, others } = await underWay(scene, { gateway: [scene.gatewayProxy.url, second.proxy.url] });
  assert.equal(second.proxy.seen.length, 0, 'the first one answers, so the second is not asked');
  await scene.gateway.server.kill();
  others.release();
  const report = await run.done();
  assert.ok(second.proxy.seen.length > 0);
  assert.ok(report.notices.includes('gateway_trouble'), report.notices.join());
  await scene.gateway.server.start();
  await expectIdentical(scene, report, file);
  expectEachSentOnce(scene.storeProxy);
});

it('a gateway that is there for nobody is told at once when nothing has begun', async (scene) => {
  const file = await scene.file('a.bin', 1_000);
  await scene.gateway.server.kill();
  const run = await (await scene.tab()).upload(file.path, { gateway: scene.gateway.url, giveUpAfterMs: 3_000 });
  const { error } = await run.failed();
  assert.equal(error.code, 'unreachable');
  assert.match(error.message, /\w+ \w+/);
});

it('nothing that moves for long is told as stalled, and can be gone on with', async (scene) => {
  const { file, run, others } = await underWay(scene, { giveUpAfterMs: 3_000 });
  await scene.storeProxy.refuse();
  others.drop();
  const { error } = await run.failed();
  assert.deepEqual([error.code, error.resumable], ['stalled', true]);
  await scene.storeProxy.accept();
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  await run.resume();
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('an upload is answered even when storage takes its time to put it together', async (scene) => {
  const trap = scene.gatewayProxy.trap(({ path }) => path.endsWith('/complete'), { do: 'hold' });
  const file = await scene.file('a.bin', 12 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize });
  await until('complete was asked', () => trap.hits === 1);
  const report = await run.report();
  assert.equal(report.state, 'finishing');
  assert.ok(report.progress.percent < 100);
  trap.release();
  await expectIdentical(scene, await run.done(), file);
});
