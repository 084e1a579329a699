/** The size of a file costs no memory. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import type { Browser } from 'playwright-core';

import { MIB } from '../harness/files.js';
import { stage } from '../harness/scene.js';
import { until } from '../harness/wait.js';

const it = stage();

const GIB = 1024 * MIB;

// The renderer as it starts, hashing workers included, has about 130 MiB.
const GROWTH_MAX = 150 * MIB;

it('the tab stays as small as it is through a file of 2 GiB', async (scene) => {
  const path = await scene.sparseFile('disk.img', 2 * GIB);
  const tab = await scene.tab();
  const small = await tab.upload((await scene.file('a.bin', 12 * MIB)).path);
  await small.done();
  const memory = await renderers(scene.browser);
  const before = memory();
  const run = await tab.upload(path);
  let most = 0;
  await until(
    'it is done',
    async () => {
      most = Math.max(most, memory());
      return (await run.report()).state === 'done';
    },
    280_000,
  );
  const growth = most - before;
  assert.ok(growth < GROWTH_MAX, `grew by ${Math.round(growth / MIB)} MiB from ${Math.round(before / MIB)} MiB`);
  const report = await run.report();
  assert.equal((await scene.gateway.status(report.uploadId!)).size, 2 * GIB);
  assert.deepEqual(report.result!.proven, ['size', 'checksum']);
}, { timeout: 300_000 });

/** Gives a function that reads how many bytes all tabs together hold that are theirs alone. */
async function renderers(browser: Browser): Promise<() => number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const ids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  assert.ok(ids.length > 0);
  return () => ids.map(ownBytes).reduce((sum, bytes) => sum + bytes, 0);
}

function ownBytes(processId: number): number {
  const status = readFileSync(`/proc/${processId}/status`, 'utf8');
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  return (kib('RssAnon') + kib('RssShmem')) * 1024;
}
