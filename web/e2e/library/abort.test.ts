/** What is taken back is gone, whoever watches it and whatever is under way. */
import assert from 'node:assert/strict';

import { expectNothingLeft } from '../harness/expect.js';
import { MIB } from '../harness/files.js';
import { stage } from '../harness/scene.js';
import { never, until } from '../harness/wait.js';

const it = stage();

const partSize = 5 * MIB;

it('whoever watches an upload in another tab learns that it was taken back, and nothing of it stays', async (scene) => {
  scene.storeProxy.trap(({ part }) => part !== null && part > 2, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 48 * MIB);
  const first = await scene.tab();
  const run = await first.upload(file.path, { partSize });
  const { uploadId } = await run.stored(2);
  const { key } = await scene.gateway.status(uploadId!);
  const second = await scene.tab(first.page.context());
  const watcher = await second.upload(file.path, { partSize });
  await watcher.until('it watches', ({ state }) => state === 'watching');
  await run.abort();
  const report = await watcher.failed();
  assert.equal(report.error.code, 'gone');
  assert.match(report.error.message, /aborted in another tab/);
  assert.deepEqual((await scene.gateway.list()).map((upload) => [upload.upload_id, upload.state]), [[uploadId, 'aborted']]);
  await expectNothingLeft(scene, key);
  for (const tab of [first, second]) assert.deepEqual(await tab.unfinished(true), []);
  const { length } = scene.storeProxy.puts();
  await never('something is sent', () => scene.storeProxy.puts().length > length, 500);
});

for (const [what, fault] of [['is on its way', 'hold'], ['is lost', 'lose']] as const) {
  it(`an upload that is taken back while the answer to its beginning ${what} is not left open`, async (scene) => {
    const isInit = ({ method, path }: { method: string; path: string }) => method === 'POST' && path.endsWith('/upload/init');
    const trap = scene.gatewayProxy.trap(isInit, { do: fault });
    const file = await scene.file('a.bin', 22 * MIB);
    const run = await (await scene.tab()).upload(file.path, { partSize });
    await until('the gateway has opened it', async () => trap.hits === 1 && (await scene.gateway.list('open')).length === 1);
    const aborted = run.abort();
    await until('it is told at once', async () => (await run.report()).state === 'aborted');
    trap.release();
    await aborted;
    const uploads = await scene.gateway.list();
    assert.deepEqual(uploads.map(({ state }) => state), ['aborted']);
    await expectNothingLeft(scene, uploads[0]!.key);
    assert.equal(scene.storeProxy.puts().length, 0);
  });
}
