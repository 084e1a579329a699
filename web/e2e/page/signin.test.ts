/** Signing in and out on the gateway's own page. The gateway's refusals are made up in front of it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { AxeResults } from 'axe-core';

import { expectNotSentAgain, problem } from '../harness/expect.js';
import { MIB } from '../harness/files.js';
import type { Seen } from '../harness/proxy.js';
import { type Scene, stage } from '../harness/scene.js';
import { until } from '../harness/wait.js';
import { asOfNow, SETTINGS, underWay, UploadPage } from './upload-page.js';

declare const axe: { run(): Promise<AxeResults> };

const declare = stage();

/** In front of an open gateway, which takes any credential that the tests make up. */
const it: typeof declare = (name, run, options) => declare(name, run, { auth: 'open', ...options });

const KEY = 'pgk_e2e_first-Secret';
const OTHER_KEY = 'pgk_e2e_second-Secret';
const GRANT = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJlMmUifQ.c2lnbmF0dXJl';

const isApi = ({ path }: Seen) => path.startsWith('/upload');

/** From now on the gateway answers whoever has one of these, and nobody else. */
function guard(scene: Scene, ...credentials: string[]): Set<string> {
  const good = new Set(credentials.map((credential) => `Bearer ${credential}`));
  const unknown = (seen: Seen) => isApi(seen) && !good.has(seen.authorization ?? '');
  scene.gatewayProxy.trap(unknown, problem(401, 'unauthorized', 'send Authorization: Bearer with an API key or a grant'), Infinity);
  return good;
}

/** What the browser keeps, of this tab and for good. */
const kept = ({ page }: UploadPage) =>
  page.evaluate(() => ({ tab: JSON.stringify({ ...sessionStorage }), browser: JSON.stringify({ ...localStorage }) }));

/** No address has a credential, and storage is told none. */
function expectSecret(scene: Scene, ...credentials: string[]): void {
  const all = [...scene.storeProxy.seen, ...scene.gatewayProxy.seen];
  assert.deepEqual(all.filter(({ url }) => credentials.some((credential) => url.includes(credential))), []);
  assert.deepEqual(scene.storeProxy.seen.filter(({ authorization }) => authorization !== null), []);
}

it('people sign in with a key, which this tab alone keeps', async (scene) => {
  guard(scene, KEY);
  const page = await UploadPage.openSignedOut(scene);
  const card = page.page.getByRole('region', { name: 'Sign in to upload' });
  await card.waitFor();
  assert.equal(await page.at('drop').count(), 0, 'there is nothing to upload to yet');
  const field = page.page.getByLabel('Key or grant');
  assert.equal(await field.getAttribute('type'), 'password');
  await until('the field has the focus', () => field.evaluate((element) => element === document.activeElement));

  await page.signIn('pgk_e2e_wrong');
  const trouble = page.at('sign-in-trouble');
  await trouble.waitFor();
  assert.match(await trouble.innerText(), /does not accept this key or grant/);
  assert.equal(await field.getAttribute('aria-invalid'), 'true');
  assert.ok(!JSON.stringify(await kept(page)).includes('pgk_'), 'what is wrong is not kept');
  const asked = scene.gatewayProxy.seen.filter(isApi).length;
  await page.signIn('pgu_e30.e30.own');
  await until('an upload token is told for what it is', async () => /token of a single upload/.test(await trouble.innerText()));
  await page.signIn('two words');
  await until('what is no key is told', async () => /neither a key nor a grant/.test(await trouble.innerText()));
  assert.equal(scene.gatewayProxy.seen.filter(isApi).length, asked, 'the gateway need not be asked for that');

  await page.signIn(` Bearer ${KEY} `);
  await page.at('drop').waitFor();
  assert.equal(await page.at('sign-in').count(), 0);
  assert.ok(await page.page.evaluate(() => document.activeElement?.matches('main')), 'the focus is not lost');
  const file = await scene.file('a.bin', MIB);
  await page.choose(file.path);
  await page.looks('a.bin', 'done');
  assert.equal(await page.row('a.bin').locator('[data-action=download]').count(), 0, 'a link carries no key');
  const { tab, browser } = await kept(page);
  assert.ok(tab.includes(KEY) && !browser.includes(KEY));
  expectSecret(scene, KEY);
  await page.reload();
  assert.equal(await page.at('sign-in').count(), 0, 'a reload keeps it');
  const another = await UploadPage.openSignedOut(scene, page.page.context());
  await another.at('sign-in').waitFor();
});

it('a link brings a grant, which leaves the address bar at once', async (scene) => {
  guard(scene, GRANT, KEY);
  const page = await UploadPage.openSignedOut(scene, undefined, `#token=${GRANT}`);
  await page.at('drop').waitFor();
  assert.equal(page.page.url(), `${scene.gatewayProxy.url}/`);
  const file = await scene.file('a.bin', MIB);
  await page.choose(file.path);
  await page.looks('a.bin', 'done');
  // The next link, in the same tab.
  await page.go(`#token=${KEY}`);
  await until('it is taken too', async () => (await kept(page)).tab.includes(KEY));
  assert.equal(page.page.url(), `${scene.gatewayProxy.url}/`);
  assert.deepEqual((await page.rows()).map(({ look }) => look), ['done'], 'the list stays');
  expectSecret(scene, GRANT, KEY);
});

it('where the gateway says so before, it is not asked in vain', async (scene) => {
  guard(scene, KEY);
  const context = await scene.device();
  await context.route(`${scene.gatewayProxy.url}/`, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace('"auth":"open"', '"auth":"required"');
    await route.fulfill({ response: answer, body });
  });
  const page = await UploadPage.openSignedOut(scene, context);
  await page.at('sign-in').waitFor();
  await page.signIn(KEY);
  await page.at('drop').waitFor();
  assert.ok(scene.gatewayProxy.seen.filter(isApi).every(({ authorization }) => authorization === `Bearer ${KEY}`));
});

it('a key that ends in the middle is told above the list, and with another one the uploads go on by themselves', async (scene) => {
  const good = guard(scene, KEY);
  const page = await UploadPage.openSignedOut(scene);
  await page.signIn(KEY);
  await page.at('drop').waitFor();
  const { others } = await underWay(scene, page);
  good.clear();
  others.drop();
  await page.looks('a.bin', 'failed');
  await until('nothing is in flight', () => scene.storeProxy.idle);
  assert.match(await page.row('a.bin').innerText(), /You are not signed in any more\.[^]*kept in storage[^]*Sign in above/);
  assert.match(await page.at('sign-in-trouble').innerText(), /no longer accepts your key/);
  assert.equal(await page.at('drop').count(), 0);
  assert.ok(!(await kept(page)).tab.includes(KEY));
  const leaves = await page.page.evaluate(() => {
    const event = new DragEvent('drop', { bubbles: true, cancelable: true });
    document.body.dispatchEvent(event);
    return !event.defaultPrevented;
  });
  assert.ok(!leaves, 'a file that is dropped now must not replace the page');
  const [stored, requests] = asOfNow(scene);
  good.add(`Bearer ${OTHER_KEY}`);
  await page.signIn(OTHER_KEY);
  await page.goesOn('a.bin');
  await page.looks('a.bin', 'done');
  expectNotSentAgain(scene.storeProxy, stored, requests);
  expectSecret(scene, KEY, OTHER_KEY);
}, { settings: SETTINGS });

it('signing out asks while uploads are under way, and leaves nothing that could act', async (scene) => {
  guard(scene, KEY, 'pgu_e30.e30.own');
  const page = await UploadPage.openSignedOut(scene);
  await page.signIn(KEY);
  await page.at('drop').waitFor();
  const { others, uploadId } = await underWay(scene, page);
  // What gateways that issue tokens leave behind.
  await page.page.evaluate(() => {
    for (const [name, text] of Object.entries({ ...localStorage })) {
      if (name.startsWith('partgate/upload/')) localStorage.setItem(name, JSON.stringify({ ...JSON.parse(text as string), token: 'pgu_e30.e30.own' }));
    }
  });
  const signOut = page.page.locator('[data-action=sign-out]');
  await signOut.click();
  assert.match(await page.at('question').innerText(), /Sign out\?[^]*An upload stops\. What is stored is kept/);
  await page.answer('no');
  assert.ok((await kept(page)).tab.includes(KEY));
  await signOut.click();
  await page.answer('yes');
  others.drop();
  await page.at('sign-in').waitFor();
  assert.equal(await signOut.count(), 0);
  const { tab, browser } = await kept(page);
  assert.ok(!tab.includes(KEY) && !browser.includes('pgu_'), `${tab} ${browser}`);
  assert.ok(browser.includes(uploadId), 'the upload itself is remembered');
  await page.signIn(KEY);
  await page.unfinished('a.bin');
}, { settings: SETTINGS });

it('who may upload but not list is not bothered with it', async (scene) => {
  guard(scene, GRANT);
  scene.gatewayProxy.trap(({ method, path }) => method === 'GET' && path === '/upload', problem(403, 'forbidden', 'this needs the role read'), Infinity);
  const page = await UploadPage.openSignedOut(scene, undefined, `#token=${GRANT}`);
  await page.at('drop').waitFor();
  const file = await scene.file('a.bin', MIB);
  await page.choose(file.path);
  await page.looks('a.bin', 'done');
  assert.equal(await page.at('error').count(), 0);
});

it('what the caller may not do is told in the words of the gateway', async (scene) => {
  scene.gatewayProxy.trap(({ path }) => path === '/upload/init', problem(403, 'forbidden', 'this needs the role upload'), Infinity);
  const page = await UploadPage.open(scene);
  await page.choose((await scene.file('a.bin', MIB)).path);
  await page.looks('a.bin', 'failed');
  assert.match(await page.row('a.bin').innerText(), /You may not upload this here\.[^]*this needs the role upload/);
  assert.equal(await page.at('sign-in').count(), 0, 'nobody has to sign in again for that');
});

it('axe finds nothing in the card, light and dark, and 320 pixels hold it', async (scene) => {
  const source = readFileSync(join(process.env['PARTGATE_ROOT']!, 'web/node_modules/axe-core/axe.min.js'), 'utf8');
  const good = guard(scene, KEY);
  const page = await UploadPage.openSignedOut(scene);
  await page.at('sign-in').waitFor();
  const found: string[] = [];
  let checked = 0;
  const look = async (what: string) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      if (!(await page.page.evaluate(() => 'axe' in window))) await page.page.evaluate(source);
      const { violations } = await page.page.evaluate(() => axe.run());
      checked += 1;
      for (const { id, nodes } of violations) found.push(`${what}, ${colorScheme}: ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
      await shot(page, `${what}-${colorScheme}`);
    }
    await page.page.setViewportSize({ width: 320, height: 640 });
    const wide = await page.page.evaluate(() => {
      const { clientWidth, scrollWidth } = document.documentElement;
      const outside = [...document.querySelectorAll<HTMLElement>('button, input, p, h2')].filter((one) => {
        const { left, right, width } = one.getBoundingClientRect();
        return width > 1 && (left < -0.5 || right > clientWidth + 0.5) && one.checkVisibility();
      });
      return [...(scrollWidth > clientWidth ? [`the page is ${scrollWidth} wide`] : []), ...outside.map(({ outerHTML }) => outerHTML.slice(0, 160))];
    });
    found.push(...wide.map((one) => `${what}: ${one}`));
    await shot(page, `${what}-narrow`);
    await page.page.setViewportSize({ width: 1_000, height: 700 });
  };
  await look('signed-out');
  await page.signIn('pgk_e2e_wrong');
  await page.at('sign-in-trouble').waitFor();
  await look('refused');
  await page.signIn(KEY);
  await page.at('drop').waitFor();
  await look('signed-in');
  await page.choose((await scene.file('done.bin', MIB)).path);
  await page.looks('done.bin', 'done');
  good.clear();
  await page.choose((await scene.file('a.bin', MIB, 2)).path);
  await page.looks('a.bin', 'failed');
  await look('ended');
  assert.equal(checked, 8);
  assert.deepEqual(found, []);
}, { timeout: 120_000 });

/** With E2E_SHOTS, pictures of what was looked at go there. */
async function shot(page: UploadPage, name: string): Promise<void> {
  const folder = process.env['E2E_SHOTS'];
  if (folder) await page.page.screenshot({ path: join(folder, `${name}.png`) });
}
