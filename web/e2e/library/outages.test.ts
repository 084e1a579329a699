/** The network, the gateway and the store come and go. */
import assert from 'node:assert/strict';

import { expectIdentical, expectNotSentAgain } from '../harness/expect.js';
import { type TestFile, MIB } from '../harness/files.js';
import { type Scene, stage } from '../harness/scene.js';
import type { Run } from '../harness/tab.js';
import { pause, until } from '../harness/wait.js';

const it = stage();

const partSize = 5 * MIB;

/** An upload of ten parts that takes about three seconds, and two parts of it are stored. */
async function underWay(scene: Scene, gateway?: string | string[]): Promise<{ file: TestFile; run: Run; tab: Awaited<ReturnType<Scene['tab']>> }> {
  scene.storeProxy.bytesPerSecond = 16 * MIB;
  const file = await scene.file('a.bin', 48 * MIB);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, { partSize, ...(gateway !== undefined && { gateway }) });
  await run.stored(2);
  return { file, run, tab };
}

it('without a network it waits, and goes on by itself', async (scene) => {
  const { file, run, tab } = await underWay(scene);
  await tab.page.context().setOffline(true);
  await run.until('it says that it waits for the network', ({ state }) => state === 'offline');
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  await tab.page.context().setOffline(false);
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('storage that refuses connections for five seconds is waited for', async (scene) => {
  const { file, run } = await underWay(scene);
  await scene.storeProxy.refuse();
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  // The length of the outage is what this is about.
  await pause(5_000);
  await scene.storeProxy.accept();
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('a gateway that is killed and started again goes unnoticed', async (scene) => {
  const { file, run } = await underWay(scene, scene.gateway.url);
  await scene.gateway.server.kill();
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  await pause(1_000);
  await scene.gateway.server.start();
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('a gateway that is away when the upload begins and ends is waited for', async (scene) => {
  await scene.gatewayProxy.refuse();
  const file = await scene.file('a.bin', 22 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize });
  await pause(1_500);
  const trap = scene.gatewayProxy.trap(({ path }) => path.endsWith('/complete'), { do: 'lose' }, 2);
  await scene.gatewayProxy.accept();
  await expectIdentical(scene, await run.done(), file);
  assert.ok(trap.hits > 0);
});

it('a store that is killed and started again costs no stored part', async (scene) => {
  const { file, run } = await underWay(scene);
  await scene.store.server.kill();
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  await pause(1_000);
  await scene.store.server.start();
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

it('when one gateway dies, the other does its work', async (scene) => {
  const second = await scene.anotherGateway();
  const { file, run } = await underWay(scene, [scene.gatewayProxy.url, second.proxy.url]);
  assert.equal(second.proxy.seen.length, 0, 'the first one answers, so the second is not asked');
  await scene.gateway.server.kill();
  const report = await run.done();
  assert.ok(second.proxy.seen.length > 0);
  assert.ok(report.notices.includes('gateway_trouble'), report.notices.join());
  await scene.gateway.server.start();
  await expectIdentical(scene, report, file);
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
  const { file, run } = await underWayWith(scene, 3_000);
  await scene.storeProxy.refuse();
  const { error } = await run.failed();
  assert.deepEqual([error.code, error.resumable], ['stalled', true]);
  await scene.storeProxy.accept();
  const [stored, requests] = [scene.storeProxy.storedParts(), scene.storeProxy.seen.length];
  await run.resume();
  await expectIdentical(scene, await run.done(), file);
  expectNotSentAgain(scene.storeProxy, stored, requests);
});

async function underWayWith(scene: Scene, giveUpAfterMs: number): Promise<{ file: TestFile; run: Run }> {
  scene.storeProxy.bytesPerSecond = 16 * MIB;
  const file = await scene.file('a.bin', 48 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize, giveUpAfterMs });
  await run.stored(2);
  return { file, run };
}

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
