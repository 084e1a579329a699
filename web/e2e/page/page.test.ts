/** Files that people give to the gateway's own page, and what it tells them. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';

import { expectNothingLeft, expectNotSentAgain, problem } from '../harness/expect.js';
import { KIB, MIB, type TestFile } from '../harness/files.js';
import { stage } from '../harness/scene.js';
import { never, until } from '../harness/wait.js';
import { asOfNow, PART_SIZE, SETTINGS, underWay, UploadPage } from './upload-page.js';

const it = stage();

it('a file arrives, and its proof is shown; nobody else is asked for anything', async (scene) => {
  const file = await scene.file('film.mov', 60 * MIB);
  const page = await UploadPage.open(scene);
  assert.match(page.policy, /default-src 'none'/);
  await page.choose(file.path);
  const row = await page.looks('film.mov', 'done');
  assert.match(row.words, /^Done · proven by CRC-64/);
  await page.expectIdentical(scene, file, 'film.mov');
  assert.equal(scene.storeProxy.puts().length, Math.ceil(file.size / PART_SIZE));
  await page.act('film.mov', 'details');
  const { text } = await page.untilRow('film.mov', 'details are shown', ({ text }) => text.includes('Proven'));
  const { key, checksum } = await scene.gateway.complete(await page.uploadId('film.mov'));
  assert.ok(text.includes(key), `no ${key} in ${text}`);
  assert.ok(text.includes(checksum!.value), `no ${checksum!.value} in ${text}`);
  assert.match(text, /Proven: the object in storage has your file’s size and CRC-64\/NVME checksum/);
  await until('it is announced', async () => (await page.at('announcer').innerText()).includes('film.mov: done'));
  assert.deepEqual(page.origins, new Set([scene.gatewayProxy.url, scene.storeProxy.url]));
}, { settings: SETTINGS });

it('what is paused does not move, and goes on without sending anything again that is stored', async (scene) => {
  const { file, page, others } = await underWay(scene);
  await page.act('a.bin', 'pause');
  assert.equal((await page.looks('a.bin', 'paused')).words, 'Paused');
  others.drop();
  await until('the connections are closed', () => scene.storeProxy.idle);
  const { received } = scene.storeProxy;
  await never('bytes move', () => scene.storeProxy.received !== received, 500);
  const [stored, requests] = asOfNow(scene);
  await page.act('a.bin', 'resume');
  await page.looks('a.bin', 'done');
  await page.expectIdentical(scene, file, 'a.bin');
  expectNotSentAgain(scene.storeProxy, stored, requests);
}, { settings: SETTINGS });

it('cancelling asks first, and then leaves nothing', async (scene) => {
  const { page, key } = await underWay(scene);
  await page.act('a.bin', 'cancel');
  assert.match(await page.at('question').innerText(), /Cancel this upload\?[^]*stored already and will be deleted/);
  await page.answer('no');
  await page.at('question').waitFor({ state: 'hidden' });
  assert.equal((await scene.gateway.list('open')).length, 1, 'no means no');
  await page.act('a.bin', 'cancel');
  await page.answer('yes');
  await page.row('a.bin').waitFor({ state: 'detached' });
  assert.match(await page.at('note').innerText(), /Cancelled “a\.bin”\. Nothing of it is kept\./);
  assert.deepEqual(await scene.gateway.list('open'), []);
  await expectNothingLeft(scene, key);
  await page.reload();
  await until('the gateway was asked', () => scene.gatewayProxy.idle);
  assert.equal(await page.at('unfinished').count(), 0);
}, { settings: SETTINGS });

it('without a network it says so, and goes on when there is one', async (scene) => {
  const { file, page, others } = await underWay(scene);
  await page.page.context().setOffline(true);
  others.drop();
  assert.equal((await page.looks('a.bin', 'offline')).words, 'Waiting for the network');
  await until('the header says it too', async () => (await page.at('overall').innerText()).includes('Waiting for the network'));
  await page.page.context().setOffline(false);
  await page.looks('a.bin', 'done');
  await page.expectIdentical(scene, file, 'a.bin');
}, { settings: SETTINGS });

it('files of any name arrive', async (scene) => {
  const names = ['Überraschung für Zoë.txt', '文件 – 测试.bin', '🎉🏳️‍🌈.jpg', 'עברית.pdf', `it's "quoted" & <b>bold<b>.html`, '100% a+b#c?d;e=f.txt', ' spaces  inside .txt', `${'long '.repeat(40)}.txt`, 'no extension', 'e\u0301.txt'];
  const files = await Promise.all(names.map((name, index) => scene.file(name, 1 + index * 9 * KIB, index + 1)));
  const page = await UploadPage.open(scene);
  await page.choose(...files.map(({ path }) => path));
  await page.allDone(files.length);
  assert.deepEqual((await page.rows()).map(({ name }) => name), names);
  for (const [index, name] of names.entries()) {
    await page.expectIdentical(scene, files[index]!, name);
    const { disposition } = await scene.gateway.download(await page.uploadId(name));
    const [, told] = /filename\*=UTF-8''([^;]+)/i.exec(disposition) ?? [, /filename="([^"]*)"/.exec(disposition)?.[1]];
    assert.equal(decodeURIComponent(told ?? ''), name, disposition);
  }
  assert.match(await page.at('overall').innerText(), /10 files uploaded/);
});

it('a folder arrives with everything in it', async (scene) => {
  const places = ['photos/1.jpg', 'photos/10.jpg', 'photos/2.jpg', 'photos/deep/er/3.jpg', 'photos/deep/é.jpg', 'photos/empty.txt'];
  const files = new Map<string, TestFile>();
  for (const [index, place] of places.entries()) {
    files.set(basename(place), await scene.file(place, place.includes('empty') ? 0 : 1_000 * (index + 1), index + 1));
  }
  const page = await UploadPage.open(scene);
  await page.at('folder').setInputFiles(scene.path('photos'));
  await page.allDone(places.length);
  const rows = await page.rows();
  assert.deepEqual(rows.map(({ name }) => name), ['1.jpg', '2.jpg', '10.jpg', 'é.jpg', '3.jpg', 'empty.txt']);
  assert.match(rows[4]!.text, /photos\/deep\/er/);
  for (const [name, file] of files) await page.expectIdentical(scene, file, name);
});

it('a file that is too large is told, with the limit', async (scene) => {
  const [small, large] = [await scene.file('small.bin', MIB), await scene.file('large.bin', MIB + 1)];
  const page = await UploadPage.open(scene);
  assert.match(await page.at('promise').innerText(), /Up to 1\.0\d MB a file/);
  await page.choose(large.path, small.path);
  await page.looks('large.bin', 'failed');
  await page.looks('small.bin', 'done');
  const error = page.row('large.bin').locator('[data-testid=error][data-code=too_large]');
  assert.match(await error.innerText(), /The file is too large: at most 1\.0\d MB are allowed\.[^]*Nothing was stored/);
  assert.deepEqual(scene.storeProxy.puts().map(({ bytes }) => bytes), [MIB]);
}, { settings: { 'uploads.max_size': '1MiB' } });

it('a quota that is used up is told, and the same file goes on when there is room', async (scene) => {
  const full = problem(403, 'quota_exceeded', 'there are 1000 bytes left', { limit: 1_000 });
  scene.gatewayProxy.trap(({ method, path }) => method === 'POST' && path === '/upload/init', full);
  const file = await scene.file('a.bin', MIB);
  const page = await UploadPage.open(scene);
  await page.choose(file.path);
  await page.looks('a.bin', 'failed');
  const error = page.row('a.bin').locator('[data-testid=error][data-code=quota_exceeded]');
  assert.match(await error.innerText(), /There is no room left for this file\.[^]*there are 1000 bytes left/);
  await error.locator('[data-action=retry]').click();
  await page.goesOn('a.bin');
  await page.looks('a.bin', 'done');
  await page.expectIdentical(scene, file, 'a.bin');
});

it('a gateway that answers 503 is told, tried again, and told to answer again', async (scene) => {
  const away = problem(503, 'storage_unavailable', 'storage does not answer');
  const trap = scene.gatewayProxy.trap(({ method, path }) => method === 'POST' && path === '/upload/init', away, Infinity);
  const file = await scene.file('a.bin', MIB);
  const page = await UploadPage.open(scene);
  await page.choose(file.path);
  await page.row('a.bin').waitFor();
  await page.act('a.bin', 'details');
  await page.untilRow('a.bin', 'it says that it tries again', ({ text }) => /503.*trying again/i.test(text));
  await until('it was tried again', () => trap.hits > 1);
  trap.release();
  const { text } = await page.looks('a.bin', 'done');
  assert.match(text, /the gateway answers again/i);
  await page.expectIdentical(scene, file, 'a.bin');
});

it('storage that is away is told, and gone on with', async (scene) => {
  const { file, page, others } = await underWay(scene);
  await scene.storeProxy.refuse();
  others.drop();
  const { words } = await page.looks('a.bin', 'retrying');
  assert.match(words, /^Trying again/);
  const [stored, requests] = asOfNow(scene);
  await scene.storeProxy.accept();
  await page.looks('a.bin', 'done');
  await page.expectIdentical(scene, file, 'a.bin');
  expectNotSentAgain(scene.storeProxy, stored, requests);
}, { settings: SETTINGS });

it('with the keyboard alone an upload is paused and gone on with', async (scene) => {
  const { file, page, others } = await underWay(scene);
  const { keyboard } = page.page;
  const focused = () => page.page.evaluate(() => (document.activeElement as HTMLElement | null)?.closest('[data-testid=upload]') ? (document.activeElement as HTMLElement).dataset['action'] : null);
  for (let tabs = 0; (await focused()) !== 'pause'; tabs += 1) {
    assert.ok(tabs < 20, 'the button is not reached');
    await keyboard.press('Tab');
  }
  await keyboard.press('Enter');
  await page.looks('a.bin', 'paused');
  others.drop();
  assert.equal(await focused(), 'resume', 'the focus stays where it was');
  await keyboard.press('Enter');
  await page.looks('a.bin', 'done');
  await page.expectIdentical(scene, file, 'a.bin');
}, { settings: SETTINGS });
