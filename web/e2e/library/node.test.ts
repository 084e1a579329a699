/** The library in Node, which has neither XMLHttpRequest nor workers nor locks. */
import assert from 'node:assert/strict';
import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { MIB } from '../harness/files.js';
import { LIBRARY_PAGE } from '../harness/means.js';
import { stage } from '../harness/scene.js';
import { until } from '../harness/wait.js';

const it = stage();

const partSize = 5 * MIB;

const library = import(pathToFileURL(join(LIBRARY_PAGE, 'index.js')).href) as Promise<typeof import('../../client/src/index.js')>;

it('a file of Node arrives bit by bit, past a corrupted part', async (scene) => {
  const { Upload } = await library;
  const trap = scene.storeProxy.trap(({ part }) => part === 2, { do: 'corrupt', at: MIB });
  const file = await scene.file('a.bin', 22 * MIB);
  const upload = new Upload(await openAsBlob(file.path), { ...scene.caller, name: 'a.bin', partSize, sha256: true });
  const { completion, proven, retries } = await upload.start().done;
  assert.deepEqual([proven, retries, trap.hits], [['size', 'checksum', 'sha256'], 1, 1]);
  assert.equal((await scene.gateway.download(completion.upload_id)).sha256, file.sha256);
});

it('a queue of Node sends many files', async (scene) => {
  const { UploadQueue } = await library;
  const queue = new UploadQueue(scene.caller);
  const files = await Promise.all([0, 1, 1_000, 12 * MIB].map((size, index) => scene.file(`${index}.bin`, size, index)));
  const uploads = [];
  for (const { path } of files) uploads.push(queue.add(await openAsBlob(path), { name: path.split('/').at(-1)! }));
  await queue.idle;
  assert.deepEqual([queue.progress.done, queue.progress.percent], [4, 100]);
  for (const [index, upload] of uploads.entries()) {
    assert.equal((await scene.gateway.download(upload.uploadId!)).sha256, files[index]!.sha256);
  }
});

it('what was begun in a browser is gone on with in Node', async (scene) => {
  const { Upload } = await library;
  const others = scene.storeProxy.trap(({ part }) => part !== null && part > 2, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 22 * MIB);
  const tab = await scene.tab();
  const run = await tab.upload(file.path, { partSize });
  const { uploadId } = await run.stored(2);
  await tab.page.close();
  others.drop();
  // A part that was on its way when the tab closed may land after all: storage says what there is to go on from.
  await until('nothing is in flight', () => scene.storeProxy.idle);
  const { received_parts: stored } = await scene.gateway.status(uploadId!);
  const upload = new Upload(await openAsBlob(file.path), { ...scene.caller, name: 'b.bin', partSize });
  const { resumedParts } = await upload.start().done;
  assert.deepEqual([upload.uploadId, resumedParts], [uploadId, stored]);
  assert.ok(stored >= 2);
  assert.equal((await scene.gateway.download(uploadId!)).sha256, file.sha256);
});

it('an upload of Node stops at its signal and leaves what can be gone on with', async (scene) => {
  const { Upload } = await library;
  scene.storeProxy.trap(({ part }) => part !== null && part > 2, { do: 'stall', after: MIB }, Infinity);
  const file = await scene.file('a.bin', 22 * MIB);
  const stop = new AbortController();
  const upload = new Upload(await openAsBlob(file.path), { ...scene.caller, name: 'a.bin', partSize, signal: stop.signal });
  upload.on('part', () => stop.abort());
  await assert.rejects(upload.start().done, { name: 'UploadError', code: 'cancelled', resumable: true });
  assert.equal((await scene.gateway.status(upload.uploadId!)).state, 'open');
});
