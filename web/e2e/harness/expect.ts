/** What holds for uploads whatever was done to them. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';

import type { Report } from './app.js';
import type { TestFile } from './files.js';
import type { Proxy } from './proxy.js';
import type { Scene } from './scene.js';
import type { Tab } from './tab.js';
import { until } from './wait.js';

/** It is done, and what a person downloads is the file, bit by bit. */
export async function expectIdentical(scene: Scene, report: Report, file: TestFile): Promise<void> {
  assert.equal(report.state, 'done');
  assert.equal(report.progress.percent, 100);
  const { size, sha256 } = await scene.gateway.download(report.uploadId!);
  assert.deepEqual({ size, sha256 }, { size: file.size, sha256: file.sha256 });
}

/** The queue finishes, and each file is in storage as it is on disk. */
export async function expectAllArrive(scene: Scene, tab: Tab, files: readonly TestFile[]): Promise<void> {
  await until('the queue is through', async () => (await tab.queue()).done === files.length, 100_000);
  assert.deepEqual(await tab.queue(), { total: files.length, done: files.length, failed: 0, active: 0, percent: 100 });
  const reports = await tab.reports();
  const byName = new Map(files.map((file) => [basename(file.path), file]));
  for (const report of reports) await expectIdentical(scene, report, byName.get(report.name)!);
  assert.equal(new Set(reports.map(({ uploadId }) => uploadId)).size, files.length);
}

/** None of these parts was sent after the first `before` requests. */
export function expectNotSentAgain(proxy: Proxy, parts: Iterable<number>, before: number): void {
  const later = new Set(proxy.seen.slice(before).map((seen) => seen.part));
  assert.deepEqual([...parts].filter((part) => later.has(part)), [], 'parts that storage had were sent again');
}

/** Every part went over the network once. */
export function expectEachSentOnce(proxy: Proxy): void {
  const numbers = proxy.puts().map(({ part }) => part!);
  const twice = numbers.filter((part, index) => numbers.indexOf(part) !== index);
  assert.deepEqual(twice, [], 'parts that were sent more than once');
}

/** Nothing of the upload is left in the store. */
export async function expectNothingLeft(scene: Scene, key: string): Promise<void> {
  assert.deepEqual([await scene.multiparts(key), await scene.objects(key)], [[], []]);
}

/** A problem as the gateway answers it. */
export function problem(status: number, code: string, detail: string, more: Record<string, unknown> = {}) {
  const body = { type: `/problems/${code}`, title: code, status, detail, code, request_id: 'e2e', ...more };
  return { do: 'answer', status, headers: { 'content-type': 'application/problem+json' }, body: JSON.stringify(body) } as const;
}

/** An error as storage answers it. */
export function storageError(status: number, code: string, message: string, headers: Record<string, string> = {}) {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { do: 'answer', status, headers: { 'content-type': 'application/xml', ...headers }, body } as const;
}
