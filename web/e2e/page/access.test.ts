/** The page of a gateway that wants to know who calls: the keys, grants and refusals are its own. */
import assert from 'node:assert/strict';

import { KIB, MIB } from '../harness/files.js';
import { grant } from '../harness/gateway.js';
import { stage } from '../harness/scene.js';
import { until } from '../harness/wait.js';
import { SETTINGS, underWay, UploadPage } from './upload-page.js';

const it = stage();

const auth = 'required';

it('the page asks before it asks the gateway, and a key opens it', async (scene) => {
  const page = await UploadPage.openSignedOut(scene);
  await page.at('sign-in').waitFor();
  assert.deepEqual(scene.gatewayProxy.seen.filter(({ path }) => path.startsWith('/upload')), [], 'nothing is asked in vain');
  await page.signIn('pgk_0000_wrong');
  await until('a wrong key is told', async () => /does not accept/.test(await page.at('sign-in-trouble').innerText().catch(() => '')));
  await page.signIn(scene.gateway.key!);
  await page.at('drop').waitFor();
  const file = await scene.file('a.bin', MIB);
  await page.choose(file.path);
  await page.looks('a.bin', 'done');
  await page.expectIdentical(scene, file, 'a.bin');
}, { auth });

it('a key that is revoked opens nothing more; what it opened arrives, and the rest goes on with another key', async (scene) => {
  const key = scene.gateway.newKey();
  const page = await UploadPage.openSignedOut(scene, undefined, `#token=${key}`);
  await page.at('drop').waitFor();
  const { file, others } = await underWay(scene, page);
  scene.gateway.revoke(key);
  const late = await scene.file('late.bin', MIB, 3);
  await page.choose(late.path);
  await page.looks('late.bin', 'failed');
  assert.match(await page.at('sign-in-trouble').innerText(), /no longer accepts your key/);
  others.release();
  await page.looks('a.bin', 'done');
  await page.signIn(scene.gateway.key!);
  await page.goesOn('late.bin');
  await page.looks('late.bin', 'done');
  await page.expectIdentical(scene, file, 'a.bin');
  await page.expectIdentical(scene, late, 'late.bin');
}, { auth, settings: SETTINGS });

it('a grant in a link uploads what it allows, and says what it does not', async (scene) => {
  const page = await UploadPage.openSignedOut(scene, undefined, `#token=${grant({ max_bytes: 100 * KIB })}`);
  await page.at('drop').waitFor();
  const [small, large, more] = [await scene.file('small.bin', 60 * KIB), await scene.file('large.bin', MIB), await scene.file('more.bin', 60 * KIB, 2)];
  await page.choose(small.path);
  await page.looks('small.bin', 'done');
  await page.expectIdentical(scene, small, 'small.bin');
  await page.choose(large.path);
  await page.looks('large.bin', 'failed');
  assert.match(await page.row('large.bin').innerText(), /too large: at most 102 kB are allowed/);
  await page.choose(more.path);
  await page.looks('more.bin', 'failed');
  await page.row('more.bin').locator('[data-testid=error][data-code=quota_exceeded]').waitFor();
  assert.equal(await page.at('sign-in').count(), 0);
}, { auth });

it('after signing out nothing in the browser opens anything', async (scene) => {
  const page = await UploadPage.openSignedOut(scene, undefined, `#token=${scene.gateway.key!}`);
  await page.at('drop').waitFor();
  const { others, uploadId } = await underWay(scene, page);
  const kept = () => page.page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]));
  assert.match(await kept(), /pgk_[^]*pgu_/);
  await page.page.locator('[data-action=sign-out]').click();
  await page.answer('yes');
  await page.at('sign-in').waitFor();
  others.drop();
  assert.doesNotMatch(await kept(), /pg[ku]_/);
  await page.signIn(scene.gateway.key!);
  assert.equal(await (await page.unfinished('a.bin')).getAttribute('data-id'), uploadId);
}, { auth, settings: SETTINGS });
