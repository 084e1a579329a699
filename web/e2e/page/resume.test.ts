/** What was begun on the page is offered, and gone on with by the same file only. */
import assert from 'node:assert/strict';

import { expectNotSentAgain } from '../harness/expect.js';
import { MIB } from '../harness/files.js';
import { Gateway } from '../harness/gateway.js';
import { type Scene, stage } from '../harness/scene.js';
import { until } from '../harness/wait.js';
import { asOfNow, holdAfter, SETTINGS, underWay, UploadPage } from './upload-page.js';

const it = stage();

/** The page of a browser that has only the plain file dialog, which tests can answer. */
async function withPlainDialog(scene: Scene): Promise<UploadPage> {
  const context = await scene.device();
  await context.addInitScript(() => delete (window as { showOpenFilePicker?: unknown }).showOpenFilePicker);
  return UploadPage.open(scene, context);
}

it('after a reload the file is chosen again, and only what is missing is sent', async (scene) => {
  const { file, page, uploadId, others } = await underWay(scene, await withPlainDialog(scene));
  await page.reload();
  others.drop();
  const [stored, requests] = asOfNow(scene);
  assert.deepEqual(stored, new Set([1, 2, 3]));
  const offered = await page.unfinished('a.bin');
  assert.equal(await offered.getAttribute('data-id'), uploadId);
  assert.match(await offered.innerText(), /15\.7 MB of 39\.8 MB stored[^]*expires/);
  const rest = holdAfter(scene, 0);
  const [dialog] = await Promise.all([page.page.waitForEvent('filechooser'), offered.locator('[data-action=choose]').click()]);
  await dialog.setFiles(file.path);
  assert.equal((await page.looks('a.bin', 'resuming')).words, 'Resuming… 5 parts left');
  assert.equal(await page.at('unfinished').count(), 0, 'it is offered no more');
  rest.release();
  await page.looks('a.bin', 'done');
  assert.equal(await page.uploadId('a.bin'), uploadId);
  await page.expectIdentical(scene, file, 'a.bin');
  expectNotSentAgain(scene.storeProxy, stored, requests);
  await page.reload();
  await until('the gateway was asked', () => scene.gatewayProxy.idle);
  assert.equal(await page.at('unfinished').count(), 0);
}, { settings: SETTINGS });

it('the same file dropped among the others goes on too', async (scene) => {
  const { file, page, uploadId, others } = await underWay(scene);
  await page.reload();
  others.drop();
  const [stored, requests] = asOfNow(scene);
  await page.unfinished('a.bin');
  await page.choose(file.path);
  await page.looks('a.bin', 'done');
  assert.equal(await page.uploadId('a.bin'), uploadId);
  await page.expectIdentical(scene, file, 'a.bin');
  expectNotSentAgain(scene.storeProxy, stored, requests);
  assert.equal(await page.at('unfinished').count(), 0);
}, { settings: SETTINGS });

it('another file is refused for an unfinished upload, nothing is mixed, and the right one goes on', async (scene) => {
  const { file, page, uploadId, key, others } = await underWay(scene);
  await page.reload();
  others.drop();
  await until('nothing is in flight', () => scene.storeProxy.idle);
  const [stored, requests] = asOfNow(scene);
  const offered = await page.unfinished('a.bin');
  const shorter = await scene.file('shorter/a.bin', MIB, 2);
  await offered.getByTestId('unfinished-file').setInputFiles(shorter.path);
  await until('the size is told', async () => /“a\.bin” is not the file of this upload\. It has 1\.05 MB, not 39\.8 MB/.test(await page.page.locator('body').innerText()));
  const other = await scene.file('other/a.bin', file.size, 2);
  await offered.getByTestId('unfinished-file').setInputFiles(other.path);
  await page.looks('a.bin', 'failed');
  const error = page.row('a.bin').locator('[data-testid=error][data-code=file_changed]');
  assert.match(await error.innerText(), /This file is not the one that was uploaded before\.[^]*Nothing was mixed/);
  for (const remedy of ['choose', 'restart']) assert.ok(await error.locator(`[data-action=${remedy}]`).isVisible(), remedy);
  const before = await scene.gateway.status(uploadId);
  assert.deepEqual([before.state, before.received_parts], ['open', 3]);
  assert.deepEqual(await scene.objects(key), []);
  assert.deepEqual(scene.storeProxy.seen.slice(requests).filter(({ method }) => method === 'PUT'), [], 'something was sent');
  await error.getByTestId('choose-again').setInputFiles(file.path);
  await page.goesOn('a.bin');
  await page.looks('a.bin', 'done');
  assert.equal(await page.uploadId('a.bin'), uploadId);
  await page.expectIdentical(scene, file, 'a.bin');
  expectNotSentAgain(scene.storeProxy, stored, requests);
}, { settings: SETTINGS });

it('a changed file is begun anew when that is asked for, and what was kept is deleted', async (scene) => {
  const { file, page, uploadId, others } = await underWay(scene);
  await page.reload();
  others.drop();
  const other = await scene.file('other/a.bin', file.size, 2);
  await (await page.unfinished('a.bin')).getByTestId('unfinished-file').setInputFiles(other.path);
  await page.looks('a.bin', 'failed');
  await page.row('a.bin').locator('[data-testid=error] [data-action=restart]').click();
  await page.goesOn('a.bin');
  await page.looks('a.bin', 'done');
  assert.notEqual(await page.uploadId('a.bin'), uploadId);
  await page.expectIdentical(scene, other, 'a.bin');
  assert.deepEqual((await scene.gateway.list()).find((upload) => upload.upload_id === uploadId)?.state, 'aborted');
}, { settings: SETTINGS });

it('an unfinished upload is discarded after a question', async (scene) => {
  const { page, key, others } = await underWay(scene);
  await page.reload();
  others.drop();
  const offered = await page.unfinished('a.bin');
  await offered.locator('[data-action=discard]').click();
  assert.match(await page.at('question').innerText(), /Discard this upload\?/);
  await page.answer('yes');
  await offered.waitFor({ state: 'detached' });
  assert.deepEqual(await scene.gateway.list('open'), []);
  assert.deepEqual(await scene.multiparts(key), []);
}, { settings: SETTINGS });

it('gateway and store of `partgate dev` are killed and started again, and the page goes on', async (scene) => {
  const gateway = await Gateway.dev(scene.path('dev'));
  try {
    const page = await UploadPage.open(scene, undefined, gateway.url);
    const stored = new Set<string>();
    const asked: string[] = [];
    const partOf = (url: string) => new URL(url).searchParams.get('partNumber');
    page.page.on('response', (answer) => {
      const part = partOf(answer.url());
      if (answer.request().method() === 'PUT' && answer.status() === 200 && part) stored.add(part);
    });
    page.page.on('request', (request) => {
      const part = partOf(request.url());
      if (request.method() === 'PUT' && part) asked.push(part);
    });
    // Nothing of the tests stands in between that could be slow: the browser is.
    const browser = await page.page.context().newCDPSession(page.page);
    await browser.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 12 * MIB });
    const file = await scene.file('a.bin', 65 * MIB);
    await page.choose(file.path);
    await until('some parts are stored', () => stored.size >= 2);
    await gateway.server.kill();
    const [kept, before] = [[...stored], asked.length];
    assert.ok(kept.length < 7, 'it was killed in the middle');
    await page.untilRow('a.bin', 'it says that it tries again', ({ words }) => words.startsWith('Trying again'));
    await gateway.server.start();
    await page.looks('a.bin', 'done', 45_000);
    await page.expectIdentical({ gateway }, file, 'a.bin');
    assert.deepEqual(kept.filter((part) => asked.slice(before).includes(part)), [], 'parts that storage had were sent again');
  } finally {
    await gateway.server.kill();
  }
}, { timeout: 90_000 });
