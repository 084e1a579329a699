import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hashBlob } from '../src/hashing/algorithms.js';
import { fromHex, toBase64, toHex } from '../src/hashing/bytes.js';
import { fullObject } from '../src/hashing/combine.js';
import { backoffMs, toldMs } from '../src/transfer/backoff.js';
import { Concurrency } from '../src/transfer/concurrency.js';
import { Grid } from '../src/transfer/grid.js';
import { PartSet } from '../src/transfer/part-set.js';
import { wishedPartSize } from '../src/transfer/part-size.js';
import { Rate } from '../src/transfer/rate.js';
import { windowSize } from '../src/transfer/window.js';

const MIB = 1 << 20;

test('backoff doubles up to thirty seconds and takes a random share', () => {
  const ceilings = [1, 2, 3, 4, 5, 6, 7, 8, 99].map((failures) => backoffMs(failures, 1));
  assert.deepEqual(ceilings, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(backoffMs(3, 0.25), 500);
});

test('who is told to wait never comes earlier, and not all at the same moment', () => {
  assert.deepEqual([toldMs(0, 0), toldMs(0, 1), toldMs(8_000, 0), toldMs(8_000, 1)], [0, 500, 8_000, 10_000]);
});

test('the window starts at 16, lasts ten seconds, and never a third of the life of a URL', () => {
  assert.equal(windowSize(null, null, 4), 16);
  assert.equal(windowSize(Number.NaN, 900_000, 4), 16);
  assert.equal(windowSize(0.03, 900_000, 4), 300);
  assert.equal(windowSize(1e6, 900_000, 16), 1000);
  assert.equal(windowSize(0.00005, 300_000, 4), 5);
  assert.equal(windowSize(0.00001, 30_000, 4), 4);
});

/** Runs the controller against a link; the limit after each comparison. */
function limits(control: Concurrency, rounds: number, goodput: (limit: number) => number): number[] {
  let now = 0;
  let bytes = 0;
  control.observe(bytes, control.limit, now);
  return Array.from({ length: rounds }, () => {
    now += 2_000;
    bytes += goodput(control.limit) * 2_000;
    control.observe(bytes, control.limit, now);
    return control.limit;
  });
}

test('concurrency grows while each connection brings more', () => {
  assert.equal(limits(new Concurrency(16), 14, (limit) => limit * 1000).at(-1), 16);
  assert.equal(limits(new Concurrency(6), 14, (limit) => limit * 1000).at(-1), 6);
});

test('concurrency leaves a saturated link at what saturates it', () => {
  const found = limits(new Concurrency(16), 40, (limit) => Math.min(limit, 6) * 1000).slice(10);
  assert.ok(found.every((limit) => limit === 6 || limit === 7), String(found));
});

test('loss halves once for a burst, and never to none', () => {
  const control = new Concurrency(6);
  control.lost(10_000);
  control.lost(10_100);
  assert.equal(control.limit, 2);
  control.lost(13_000);
  control.lost(16_000);
  assert.equal(control.limit, 1);
});

test('a grid covers the file once', () => {
  for (const [size, partSize, total] of [[0, 5, 0], [1, 5, 1], [5, 5, 1], [6, 5, 2], [50e9, 10e6, 5000]] as const) {
    const grid = new Grid(size, partSize);
    assert.equal(grid.totalParts, total);
    let sum = 0;
    for (let number = 1; number <= total; number += 1) sum += grid.length(number);
    assert.equal(sum, size);
  }
  assert.deepEqual(new Grid(30, 10).numbers([[1, 1], [3, 9]]), [1, 3]);
});

test('a part set gives the lowest first, whatever comes in between', () => {
  const set = new PartSet(10_000);
  for (const number of [9, 5, 10_000, 7]) set.add(number);
  assert.equal(set.shift(), 5);
  set.add(2);
  set.add(20_000);
  set.delete(9);
  assert.deepEqual([...set], [2, 7, 10_000]);
  assert.deepEqual([set.shift(), set.shift(), set.shift(), set.shift()], [2, 7, 10_000, undefined]);
  set.add(3);
  assert.deepEqual([set.size, set.shift(), set.size], [1, 3, 0]);
});

test('parts last some seconds each, between 5 and 64 MiB, and a file has enough of them', () => {
  assert.equal(wishedPartSize(50e9, null), undefined);
  assert.equal(wishedPartSize(50e9, 1000), 5 * MIB);
  assert.equal(wishedPartSize(50e9, 2 * MIB), 14 * MIB);
  assert.equal(wishedPartSize(50e9, 1e9), 64 * MIB);
  assert.equal(wishedPartSize(100 * MIB, 1e9), 10 * MIB);
});

test('a steady rate is found, going backwards is not negative, and no estimate before three seconds', () => {
  const rate = new Rate(500, 0);
  for (let tenth = 1; tenth <= 100; tenth += 1) {
    rate.observe(500 + tenth * 100_000, tenth * 100);
    if (tenth === 29) assert.equal(rate.secondsLeft(1e6, 2_900), null);
  }
  assert.ok(Math.abs(rate.bytesPerSecond - 1e6) < 5e4, String(rate.bytesPerSecond));
  assert.ok(Math.abs((rate.secondsLeft(1e7, 10_000) ?? 0) - 10) < 1);
  rate.observe(0, 10_100);
  assert.ok(rate.bytesPerSecond >= 0);
});

test('checksums have the published check values', async () => {
  const check = new Blob(['123456789']);
  const expected = {
    crc64nvme: 'ae8b14860a799888',
    crc32c: 'e3069283',
    crc32: 'cbf43926',
    md5: '25f9e794323b453885f5181f1b624d0b',
    sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
    sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  } as const;
  for (const kind of Object.keys(expected) as (keyof typeof expected)[]) {
    assert.equal(toHex(await hashBlob(check, kind)), expected[kind], kind);
  }
});

test('a CRC of a whole follows from those of its parts', async () => {
  const bytes = Uint8Array.from({ length: 5_000 }, (_, index) => (index * 7 + (index >> 3)) & 255);
  for (const kind of ['crc64nvme', 'crc32c', 'crc32'] as const) {
    for (const partSize of [5_000, 1_000, 999, 1]) {
      const parts: [string, number][] = [];
      for (let offset = 0; offset < bytes.length; offset += partSize) {
        const part = bytes.slice(offset, offset + partSize);
        parts.push([toBase64(await hashBlob(new Blob([part]), kind)), part.length]);
      }
      assert.equal(fullObject(kind, parts), toBase64(await hashBlob(new Blob([bytes]), kind)), `${kind} ${partSize}`);
    }
  }
  assert.equal(fullObject('sha256', []), null);
  assert.equal(fullObject('crc64nvme', []), 'AAAAAAAAAAA=');
});

test('hex is read and written', () => {
  assert.deepEqual(fromHex('00ff'), Uint8Array.of(0, 255));
  assert.equal(fromHex('0'), null);
  assert.equal(fromHex('zz'), null);
});
