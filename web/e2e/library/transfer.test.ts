/** Every file arrives as it is. */
import assert from 'node:assert/strict';
import { join } from 'node:path';

import { expectAllArrive, expectEachSentOnce, expectIdentical } from '../harness/expect.js';
import { KIB, MIB, type TestFile } from '../harness/files.js';
import { stage } from '../harness/scene.js';

const it = stage();

/** The size that the gateway gives parts when nothing else is asked for. */
const PART = 10 * MIB;

it('a file of 200 MB arrives bit by bit, and each part is sent once', async (scene) => {
  const file = await scene.file('disk.img', 200_000_000);
  const tab = await scene.tab();
  const run = await tab.upload(file.path);
  const report = await run.done(120_000);
  await expectIdentical(scene, report, file);
  expectEachSentOnce(scene.storeProxy);
  assert.equal(report.progress.retries, 0);
  assert.deepEqual(report.result!.proven, ['size', 'checksum']);
  assert.deepEqual(report.states, ['preparing', 'uploading', 'finishing', 'done']);
}, { timeout: 180_000 });

for (const [what, size] of [['nothing', 0], ['one byte', 1], ['one part', PART], ['one part and a byte', PART + 1]] as const) {
  it(`a file of ${what} arrives`, async (scene) => {
    const file = await scene.file('a.bin', size);
    const report = await (await scene.tab()).upload(file.path, { partSize: PART }).then((run) => run.done());
    await expectIdentical(scene, report, file);
    expectEachSentOnce(scene.storeProxy);
  });
}

it('names are kept as they are, whatever is in them', async (scene) => {
  const names = [
    '😀 👩‍👩‍👧 фото.jpg',
    'שלום \u202Ecod.exe',
    'e\u0301 is not \u00e9.txt',
    `it's "quoted" & <b>.html`,
    '..hidden..',
    '%2e%2e%2fpercent+plus#hash?query.bin',
    'ends with a space ',
  ];
  const files = await Promise.all(names.map((name, index) => scene.file(name, KIB, index + 1)));
  const tab = await scene.tab();
  await tab.choose(...files.map(({ path }) => path));
  for (const index of names.keys()) await (await tab.begin(index)).done();
  // Names that this disk does not take, but an app may give.
  const own = ['a'.repeat(1_024), `${'é'.repeat(500)}.txt`];
  for (const name of own) await (await tab.begin(0, { name, unfinished: 'restart' })).done();
  const reports = await tab.reports();
  assert.deepEqual(reports.map(({ name }) => name), [...names, ...own]);
  for (const [index, report] of reports.entries()) {
    await expectIdentical(scene, report, files[index] ?? files[0]!);
    const { filename, key } = await scene.gateway.status(report.uploadId!);
    assert.equal(filename, report.name);
    assert.ok(!key.split('/').includes('..'), key);
  }
});

it('a name that is a way to somewhere else is refused with words', async (scene) => {
  const { path } = await scene.file('a.bin', KIB);
  const tab = await scene.tab();
  for (const name of ['..', '../../etc/passwd', 'line\nbreak', 'a'.repeat(1_025)]) {
    const { error } = await (await tab.upload(path, { name })).failed();
    assert.equal(error.code, 'invalid_request', name);
    assert.match(error.message, /^filename: \S/);
    assert.equal(error.message.split('filename: ').length, 2, `said twice: ${error.message}`);
  }
});

it('a checksum of each kind goes with every part', async (scene) => {
  const file = await scene.file('a.bin', 6 * MIB);
  const tab = await scene.tab();
  for (const checksum of ['crc64nvme', 'crc32c', 'crc32', 'sha1', 'sha256', 'md5', 'none'] as const) {
    const report = await (await tab.upload(file.path, { checksum, partSize: 5 * MIB })).done();
    await expectIdentical(scene, report, file);
    // Storage keeps none of an MD5.
    const proven = checksum === 'md5' || checksum === 'none' ? ['size'] : ['size', 'checksum'];
    assert.deepEqual([checksum, report.result!.proven], [checksum, proven]);
  }
  assert.equal(scene.storeProxy.puts().length, 7 * 2);
});

it('the SHA-256 of the whole file is proven', async (scene) => {
  const file = await scene.file('a.bin', 12 * MIB);
  const report = await (await scene.tab()).upload(file.path, { sha256: true }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  assert.ok(report.result!.proven.includes('sha256'));
  assert.equal(report.result!.completion.sha256, file.sha256);
});

it('a store that hides the ETag is no hindrance', async (scene) => {
  scene.storeProxy.hidesEtag = true;
  const file = await scene.file('a.bin', 17 * MIB);
  const report = await (await scene.tab()).upload(file.path, { partSize: 5 * MIB }).then((run) => run.done());
  await expectIdentical(scene, report, file);
  expectEachSentOnce(scene.storeProxy);
  assert.deepEqual(report.notices, ['etag_hidden']);
});

it('300 small files arrive through a queue', async (scene) => {
  const files = await folderOf(300, (name, size, seed) => scene.file(name, size, seed));
  const tab = await scene.tab();
  await tab.choose(...files.map(({ path }) => path));
  await tab.beginQueue();
  await expectAllArrive(scene, tab, files);
  assert.equal(scene.storeProxy.puts().length, files.length);
}, { timeout: 150_000 });

it('a folder arrives with everything in it', async (scene) => {
  const files = await folderOf(20, (name, size, seed) => scene.file(join('photos', seed % 2 ? 'deep/er' : 'flat', name), size, seed));
  const tab = await scene.tab();
  await tab.chooseFolder(scene.path('photos'));
  await tab.beginQueue();
  await expectAllArrive(scene, tab, files);
});

function folderOf(count: number, file: (name: string, size: number, seed: number) => Promise<TestFile>): Promise<TestFile[]> {
  const seeds = Array.from({ length: count }, (_, index) => index + 1);
  return Promise.all(seeds.map((seed) => file(`photo ${seed}.jpg`, 1 + ((seed * 7_919) % (100 * KIB)), seed)));
}
