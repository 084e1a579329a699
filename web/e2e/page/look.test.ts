/** How the page looks and answers: for everybody, in narrow windows, and with ten thousand parts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { AxeResults } from 'axe-core';

import { KIB } from '../harness/files.js';
import { type Scene, stage } from '../harness/scene.js';
import { until } from '../harness/wait.js';
import { holdAfter, SETTINGS, underWay, UploadPage } from './upload-page.js';

declare const axe: { run(): Promise<AxeResults> };

const it = stage();

/** Leads a page through what people see of it, and shows each. */
async function everyState(scene: Scene, page: UploadPage, look: (what: string) => Promise<void>): Promise<void> {
  await look('empty');
  const { file, others } = await underWay(scene, page);
  await page.act('a.bin', 'details');
  await page.at('part-map').waitFor();
  await look('busy');
  await page.act('a.bin', 'cancel');
  await page.at('question').waitFor();
  await look('question');
  await page.answer('no');
  await page.reload();
  others.drop();
  const offered = await page.unfinished('a.bin');
  await look('unfinished');
  const other = await scene.file('other/a.bin', file.size, 2);
  await offered.getByTestId('unfinished-file').setInputFiles(other.path);
  await page.looks('a.bin', 'failed');
  await look('failed');
  const rest = holdAfter(scene, 0);
  await page.at('choose-again').setInputFiles(file.path);
  await until('it goes on', async () => (await page.rows())[0]!.look === 'resuming');
  await look('resuming');
  await page.act('a.bin', 'pause');
  await page.looks('a.bin', 'paused');
  await look('paused');
  rest.release();
  await page.act('a.bin', 'resume');
  await page.looks('a.bin', 'done');
  await page.act('a.bin', 'details');
  await page.row('a.bin').getByRole('region', { name: 'Result' }).waitFor();
  await look('done');
}

it('axe finds nothing in any state, light and dark', async (scene) => {
  const source = readFileSync(join(process.env['PARTGATE_ROOT']!, 'web/node_modules/axe-core/axe.min.js'), 'utf8');
  const page = await UploadPage.open(scene);
  const found: string[] = [];
  let checked = 0;
  await everyState(scene, page, async (what) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      // The policy forbids scripts in the page; the debugger's are none of it.
      if (!(await page.page.evaluate(() => 'axe' in window))) await page.page.evaluate(source);
      const { violations, passes } = await page.page.evaluate(() => axe.run());
      assert.ok(passes.length > 10, `${what}: axe has looked at nothing`);
      checked += 1;
      for (const { id, help, nodes } of violations) {
        found.push(`${what}, ${colorScheme}: ${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
      }
    }
  });
  assert.equal(checked, 16);
  assert.deepEqual(found, []);
}, { settings: SETTINGS, timeout: 120_000 });

it('a window of 320 pixels holds everything in every state', async (scene) => {
  const page = await UploadPage.open(scene);
  await page.page.setViewportSize({ width: 320, height: 640 });
  const tooWide: string[] = [];
  const look = async (what: string) => {
    const beyond = await page.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const controls = [...document.querySelectorAll<HTMLElement>('button, a, canvas, p, h2')];
      const outside = controls.filter((one) => {
        const { left, right, width } = one.getBoundingClientRect();
        return width > 1 && (left < -0.5 || right > clientWidth + 0.5) && one.checkVisibility();
      });
      return [...(scrollWidth > clientWidth ? [`the page is ${scrollWidth} wide`] : []), ...outside.map((one) => one.outerHTML.slice(0, 160))];
    });
    tooWide.push(...beyond.map((one) => `${what}: ${one}`));
  };
  await everyState(scene, page, look);
  const long = await scene.file(`${'W'.repeat(180)}.bin`, KIB);
  await page.choose(long.path);
  await page.allDone(2);
  await look('a long name');
  assert.deepEqual(tooWide, []);
}, { settings: SETTINGS });

it('with ten thousand parts on the move the page still answers', async (scene) => {
  scene.storeProxy.bytesPerSecond = 400_000;
  const file = await scene.file('many.bin', 10_000_000);
  const page = await UploadPage.open(scene);
  await page.choose(file.path);
  await page.looks('many.bin', 'uploading');
  await page.act('many.bin', 'details');
  const map = page.at('part-map');
  const stored = async () => Number(await map.getAttribute('data-stored'));
  await until('a hundred parts are stored', async () => (await stored()) >= 100);
  assert.equal(await map.getAttribute('data-total'), '10000');
  const before = await stored();
  const delays = await page.inputDelays('many.bin', 25);
  await until('parts are stored meanwhile', async () => (await stored()) > before);
  assert.ok((await stored()) < 10_000, 'it was measured in the middle');
  // A machine that has more to do delays a few; a page that has delays them all.
  const usual = delays.toSorted((a, b) => a - b)[Math.floor(delays.length * 0.8)]!;
  assert.ok(usual < 500, `inputs take this many ms to be seen: ${delays.map(Math.round).join(', ')}`);
  assert.match(await map.innerText(), /stored[^]*missing/);
  await page.act('many.bin', 'pause');
  await page.looks('many.bin', 'paused', 5_000);
}, { settings: { 'uploads.part_size': '1000', 'storage.min_part_size': '1' } });
