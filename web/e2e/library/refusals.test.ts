/** The gateway says no: clear words, no hammering, and nothing lost. */
import assert from 'node:assert/strict';

import { expectIdentical, problem } from '../harness/expect.js';
import { MIB } from '../harness/files.js';
import { stage } from '../harness/scene.js';

const it = stage();

const partSize = 5 * MIB;

const isApi = ({ method }: { method: string }) => method !== 'OPTIONS';
const isInit = ({ path }: { path: string }) => path.endsWith('/upload/init');

it('a quota that is used up stops the upload with its words', async (scene) => {
  const detail = 'quota: 5 of 5 open uploads are used; finish or abort one';
  const trap = scene.gatewayProxy.trap((seen) => isApi(seen) && isInit(seen), problem(403, 'quota_exceeded', detail, { limit: 5 }), Infinity);
  const file = await scene.file('a.bin', 12 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize });
  const { error } = await run.failed();
  assert.deepEqual([error.code, error.status, trap.hits], ['quota_exceeded', 403, 1]);
  assert.match(error.message, /5 of 5/);
  trap.release();
  await run.resume();
  await expectIdentical(scene, await run.done(), file);
});

it('a file that is too large is refused before a byte is sent', async (scene) => {
  const file = await scene.file('a.bin', 12 * MIB);
  const { error } = await (await scene.tab()).upload(file.path).then((run) => run.failed());
  assert.deepEqual([error.code, error.status, error.resumable], ['too_large', 413, false]);
  assert.match(error.message, /10485760|10(\.0)? ?Mi?B/);
  assert.equal(scene.storeProxy.puts().length, 0);
}, { settings: { 'uploads.max_size': '10MiB' } });

it('a token that has expired is asked for once more', async (scene) => {
  scene.gatewayProxy.trap(isApi, problem(401, 'unauthorized', 'the token has expired'));
  const file = await scene.file('a.bin', 12 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize, tokens: ['old', 'new'] }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  assert.deepEqual(report.tokenCalls, [{ expired: false }, { expired: true }]);
}, { auth: 'open' });

it('a token that expires in the middle is asked for once more, although many calls are refused', async (scene) => {
  scene.storeProxy.bytesPerSecond = 12 * MIB;
  const file = await scene.file('a.bin', 40 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize, tokens: ['old', 'new'] });
  await run.stored(1);
  scene.gatewayProxy.trap(isApi, problem(401, 'unauthorized', 'the token has expired'));
  const report = await run.done();
  await expectIdentical(scene, report, file);
  assert.deepEqual(report.tokenCalls, [{ expired: false }, { expired: true }]);
}, { auth: 'open' });

it('a token that is never good stops the upload after it was asked for once more', async (scene) => {
  const trap = scene.gatewayProxy.trap(isApi, problem(401, 'unauthorized', 'the token is not known'), Infinity);
  const file = await scene.file('a.bin', 12 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize, tokens: ['bad'] }).then((run) => run.failed());
  assert.equal(report.error.code, 'unauthorized');
  assert.deepEqual([report.tokenCalls.length, trap.hits], [2, 2]);
}, { auth: 'open' });

it('a gateway that is overloaded is given the time that it asks for', async (scene) => {
  const overloaded = problem(503, 'overloaded', 'too much to do');
  const trap = scene.gatewayProxy.trap((seen) => isApi(seen) && isInit(seen), { ...overloaded, headers: { ...overloaded.headers, 'retry-after': '2' } });
  const file = await scene.file('a.bin', 12 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  const [first, second] = scene.gatewayProxy.seen.filter((seen) => isApi(seen) && isInit(seen));
  assert.equal(trap.hits, 1);
  assert.ok(second!.at - first!.at >= 1_900, `asked again after ${second!.at - first!.at} ms`);
});

it('an answer that is lost does not open a second upload', async (scene) => {
  scene.gatewayProxy.trap((seen) => isApi(seen) && isInit(seen), { do: 'lose' }, 2);
  const file = await scene.file('a.bin', 12 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  assert.equal((await scene.gateway.list()).length, 1);
});

it('an upload that somebody else took back is told as gone, and can be begun anew', async (scene) => {
  scene.storeProxy.bytesPerSecond = 16 * MIB;
  const file = await scene.file('a.bin', 48 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize });
  const { uploadId } = await run.stored(2);
  await scene.gateway.abort(uploadId!);
  const { error } = await run.failed();
  assert.deepEqual([error.code, error.resumable], ['gone', false]);
  await run.restart();
  const report = await run.until('it is done', ({ state }) => state === 'done');
  assert.notEqual(report.uploadId, uploadId);
  await expectIdentical(scene, report, file);
});

it('an object at the key that is not ours is not replaced', async (scene) => {
  scene.gatewayProxy.trap(({ path, method }) => method === 'POST' && path.endsWith('/complete'), problem(409, 'object_exists', 'an object of somebody else is at the key'), Infinity);
  const file = await scene.file('a.bin', 12 * MIB);
  const { error } = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.failed());
  assert.deepEqual([error.code, error.status], ['object_exists', 409]);
});

it('a page of something else at the address is told for what it is', async (scene) => {
  const page = { do: 'answer', status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>It works!</h1>' } as const;
  scene.gatewayProxy.trap(isApi, page, Infinity);
  const file = await scene.file('a.bin', 1_000);
  const { error } = await (await scene.tab()).upload(file.path).then((run) => run.failed());
  assert.equal(error.code, 'invalid_answer');
});
