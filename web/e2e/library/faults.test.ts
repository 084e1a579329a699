/** What networks and storage do to single requests. */
import assert from 'node:assert/strict';

import type { Report } from '../harness/app.js';
import { expectEachSentOnce, expectIdentical, storageError } from '../harness/expect.js';
import { flip, MIB } from '../harness/files.js';
import { stage } from '../harness/scene.js';
import { until } from '../harness/wait.js';

const it = stage();

const partSize = 5 * MIB;

it('a corrupted part is refused, told, and sent again', async (scene) => {
  const trap = scene.storeProxy.trap(({ part }) => part === 2, { do: 'corrupt', at: 3 * MIB });
  const file = await scene.file('a.bin', 22 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  assert.equal(trap.hits, 1);
  await expectIdentical(scene, report, file);
  assert.deepEqual(scene.storeProxy.puts(2).map(({ status }) => status), [400, 200]);
  assert.equal(report.progress.retries, 1);
  assert.deepEqual(report.failedParts.map(({ number }) => number), [2]);
  assert.match(report.failedParts[0]!.reason!, /\w/);
});

it('a corrupted part is refused with a checksum of each kind', async (scene) => {
  const file = await scene.file('a.bin', 6 * MIB);
  const tab = await scene.tab();
  for (const checksum of ['crc32c', 'crc32', 'sha1', 'sha256', 'md5'] as const) {
    const trap = scene.storeProxy.trap(({ part }) => part === 1, { do: 'corrupt', at: MIB });
    const report = await (await tab.upload(file.path, { checksum, partSize })).done();
    assert.deepEqual([checksum, trap.hits, report.progress.retries], [checksum, 1, 1]);
    await expectIdentical(scene, report, file);
  }
});

it('a small file that is corrupted on its way is refused and sent again', async (scene) => {
  const trap = scene.storeProxy.trap(({ method }) => method === 'PUT', { do: 'corrupt', at: 500 });
  const file = await scene.file('a.txt', 1_000);
  const report = await (await scene.tab()).upload(file.path).then((run) => run.done());
  assert.equal(trap.hits, 1);
  await expectIdentical(scene, report, file);
  assert.equal(report.progress.retries, 1);
});

it('without checksums the SHA-256 still finds a corrupted byte', async (scene) => {
  const trap = scene.storeProxy.trap(({ part }) => part === 1, { do: 'corrupt', at: MIB });
  const file = await scene.file('a.bin', 6 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize, checksum: 'none', sha256: true });
  const { error } = await run.failed();
  assert.equal(trap.hits, 1);
  assert.match(error.code, /^(checksum_mismatch|wrong_object)$/);
});

it('storage that asks to slow down is given the time it wants', async (scene) => {
  const slow = storageError(503, 'SlowDown', 'Please reduce your request rate.', { 'retry-after': '2' });
  scene.storeProxy.trap(({ part }) => part === 2, slow);
  const file = await scene.file('a.bin', 22 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  const [refused, taken] = scene.storeProxy.puts(2);
  assert.deepEqual([refused!.status, taken!.status], [503, 200]);
  assert.ok(taken!.at - refused!.at >= 1_900, `sent again after ${taken!.at - refused!.at} ms`);
});

it('a part whose answer was lost is not sent again', async (scene) => {
  scene.storeProxy.keepsConnections = false;
  const trap = scene.storeProxy.trap(({ part }) => part === 3, { do: 'lose' });
  const file = await scene.file('a.bin', 22 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  assert.equal(trap.hits, 1);
  assert.equal(scene.storeProxy.puts(3).length, 1, 'the library asks first whether storage has it');
  assert.deepEqual(report.failedParts.map(({ number }) => number), [3]);
});

it('connections that break in the middle of parts cost those parts only', async (scene) => {
  scene.storeProxy.keepsConnections = false;
  for (const number of [1, 3]) scene.storeProxy.trap(({ part }) => part === number, { do: 'cut', after: 2 * MIB });
  const file = await scene.file('a.bin', 22 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  for (const number of [2, 4, 5]) assert.equal(scene.storeProxy.puts(number).length, 1);
  for (const number of [1, 3]) assert.equal(scene.storeProxy.puts(number).length, 2);
});

it('a connection that stalls is cut and its part sent again', async (scene) => {
  // Not one of the first: what a part takes must be known before a stall can be.
  const trap = scene.storeProxy.trap(({ part }) => part === 4, { do: 'stall', after: MIB });
  const file = await scene.file('a.bin', 22 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize, maxConnections: 2 }).then((run) => run.done());
  assert.equal(trap.hits, 1);
  await expectIdentical(scene, report, file);
  for (const number of [1, 2, 3, 5]) assert.equal(scene.storeProxy.puts(number).length, 1);
}, { timeout: 90_000 });

it('URLs that expire during the upload are signed again', async (scene) => {
  scene.storeProxy.bytesPerSecond = 6 * MIB;
  const file = await scene.file('a.bin', 42 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done(60_000));
  await expectIdentical(scene, report, file);
  assert.ok(signCalls(scene.gatewayProxy.seen) > 1);
}, { settings: { 'urls.ttl': '2s' }, timeout: 90_000 });

for (const [what, ahead] of [['an hour behind', -3_600_000], ['an hour ahead', 3_600_000]] as const) {
  it(`a clock that is ${what} does not matter, not even when URLs expire`, async (scene) => {
    scene.storeProxy.bytesPerSecond = 8 * MIB;
    const device = await scene.device();
    await device.addInitScript((ahead) => {
      const real = Date.now;
      Date.now = () => real() + ahead;
    }, ahead);
    const file = await scene.file('a.bin', 32 * MIB);
    const report = await (await scene.tab(device)).upload(file.path, { partSize }).then((run) => run.done());
    await expectIdentical(scene, report, file);
    // A client that believes its own clock signs for every part, or sends expired URLs again and again.
    assert.ok(signCalls(scene.gatewayProxy.seen) <= 14, `${signCalls(scene.gatewayProxy.seen)} sign calls`);
    assert.ok(report.progress.retries <= 2, `${report.progress.retries} retries`);
  }, { settings: { 'urls.ttl': '3s' } });
}

it('an expired URL that storage refuses is signed again at once', async (scene) => {
  scene.storeProxy.trap(({ part }) => part === 2, storageError(403, 'AccessDenied', 'Request has expired'));
  const file = await scene.file('a.bin', 22 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  assert.equal(scene.storeProxy.puts(2).length, 2);
});

it('storage that refuses every signature stops the upload, and it can be gone on with', async (scene) => {
  const trap = scene.storeProxy.trap(({ method }) => method === 'PUT', storageError(403, 'AccessDenied', 'Request has expired'), Infinity);
  const file = await scene.file('a.bin', 12 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize });
  const { error } = await run.failed();
  assert.deepEqual([error.code, error.resumable], ['signature_refused', true]);
  assert.match(error.message, /partgate doctor/);
  assert.ok(trap.hits <= 3 * 3, `${trap.hits} attempts of three parts`);
  trap.release();
  await run.resume();
  await expectIdentical(scene, await run.done(), file);
});

it('what storage refuses for another reason is told with its own code', async (scene) => {
  scene.storeProxy.trap(({ part }) => part === 2, storageError(403, 'AccessDenied', 'Access Denied.'), Infinity);
  const file = await scene.file('a.bin', 12 * MIB);
  const { error } = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.failed());
  assert.deepEqual([error.code, error.storageCode, error.part], ['storage_refused', 'AccessDenied', 2]);
});

it('a file that changes on disk while it is sent is told, not mixed', async (scene) => {
  // Storage sends part 2 away once; meanwhile one of its bytes changes, and the time of the change is hidden. There is
  // no third part: reading it could see the file while its time is the true one.
  const file = await scene.file('a.bin', 9 * MIB);
  const trap = scene.storeProxy.trap(({ part }) => part === 2, storageError(503, 'SlowDown', 'later', { 'retry-after': '2' }));
  const run = await (await scene.tab()).upload(file.path, { partSize, maxConnections: 1 });
  await until('part 2 was sent away', () => trap.hits === 1 && scene.storeProxy.idle);
  await flip(file.path, 7 * MIB);
  const report = await run.failed();
  assert.equal(report.error.code, 'file_changed');
  assert.equal(report.error.part, 2);
  await expectNoObject(scene.objects.bind(scene), report);
});

it('a file that is written to while it is sent cannot be read any more', async (scene) => {
  scene.storeProxy.bytesPerSecond = 10 * MIB;
  const file = await scene.file('a.bin', 42 * MIB);
  const run = await (await scene.tab()).upload(file.path, { partSize });
  await run.stored(1);
  await scene.file('a.bin', 42 * MIB, 2);
  const report = await run.failed();
  assert.match(report.error.code, /^file_(unreadable|changed)$/);
  await expectNoObject(scene.objects.bind(scene), report);
});

it('a quiet upload sends every part once', async (scene) => {
  const file = await scene.file('a.bin', 42 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  expectEachSentOnce(scene.storeProxy);
  assert.ok(signCalls(scene.gatewayProxy.seen) <= 5, `${signCalls(scene.gatewayProxy.seen)} calls to sign nine parts`);
});

const signCalls = (seen: { method: string; path: string }[]) => seen.filter(({ method, path }) => method === 'POST' && path.endsWith('/sign')).length;

async function expectNoObject(objects: (prefix: string) => Promise<string[]>, report: Report): Promise<void> {
  assert.deepEqual((await objects('')).filter((key) => key.includes(report.uploadId!)), []);
}
