import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HashPool } from '../src/hashing/pool.js';
import { Grid } from '../src/transfer/grid.js';
import { hashBlob, identify } from '../src/hashing/algorithms.js';
import { toBase64, toHex } from '../src/hashing/bytes.js';
import { type Compared, judge, prove, sample } from '../src/upload/proof.js';
import { element } from '../src/upload/send.js';
import { verify } from '../src/upload/finish.js';
import { retryAfterMs } from '../src/gateway/call.js';
import { lifetimeMs } from '../src/gateway/gateway.js';
import type { Completion } from '../src/wire.js';

// Where there are no workers, the worker's own file is loaded as a module.
const pool = new HashPool(new URL('./hash-worker.js', import.meta.url));
const part = (number: number, byChecksum: boolean | null, byEtag: boolean | null = null): Compared => ({ number, checksum: 'c', byChecksum, byEtag });

const sha256 = async (text: string) => toHex(await hashBlob(new Blob([text]), 'sha256'));

test('the fingerprint is that of the Rust client', async () => {
  // crates/client/src/fingerprint.rs: the_formula_is_fixed, another_purpose_is_another_upload.
  const abc = new Blob(['abc']);
  assert.equal((await identify(abc, null, null)).fingerprint, await sha256('3\nabcabcabc'));
  assert.equal((await identify(new Blob([]), null, null)).content, await sha256('0\n'));
  const { content, fingerprint } = await pool.identify(abc, '\na\nfalse\ncrc64nvme', null);
  assert.equal(fingerprint, await sha256(`${content}\na\nfalse\ncrc64nvme`));
});

test('beginning, middle, end and size count in the fingerprint, in small files and large', async () => {
  for (const size of [200_000, 3 << 20]) {
    const bytes = new Uint8Array(size).fill(7);
    const base = (await identify(new Blob([bytes]), null, null)).content;
    for (const position of [0, size / 2 - 100, size - 1]) {
      const changed = bytes.slice();
      changed[position] = 8;
      assert.notEqual((await identify(new Blob([changed]), null, null)).content, base, String(position));
    }
    assert.notEqual((await identify(new Blob([bytes.slice(1)]), null, null)).content, base);
  }
});

test('the checksum of a file of one part comes with its fingerprint', async () => {
  for (const size of [0, 1, 200_000, 3 << 20]) {
    const file = new Blob([new Uint8Array(size).fill(3)]);
    const { checksum } = await identify(file, null, 'crc64nvme');
    assert.equal(checksum, toBase64(await hashBlob(file, 'crc64nvme')));
  }
});

test('the sample has the first, the last, and one in a hundred', () => {
  assert.deepEqual(sample(0), []);
  assert.deepEqual(sample(2), [0, 1]);
  assert.deepEqual(sample(10), [0, 4, 9]);
  assert.equal(sample(5_000).length, 50);
  assert.deepEqual([sample(5_000)[0], sample(5_000).at(-1)], [0, 4_999]);
});

test('a checksum that differs is a changed file', () => {
  assert.deepEqual(judge([part(1, true), part(2, false)]), { is: 'changed', number: 2 });
});

test('an ETag that differs is a change only where ETags are MD5s', () => {
  assert.deepEqual(judge([part(1, null, true), part(2, null, false)]), { is: 'changed', number: 2 });
  assert.equal(judge([part(1, null, false), part(2, null, false)]).is, 'incomparable');
  assert.equal(judge([part(1, null), part(2, null)]).is, 'incomparable');
  assert.equal(judge([part(1, true), part(2, null, true)]).is, 'same');
});

test('parts that storage has are compared with the file', async () => {
  const file = new Blob(['aaaaabbbbbccccc']);
  const grid = new Grid(15, 5);
  const received = await Promise.all(
    [1, 2, 3].map(async (number) => ({ number, size: 5, checksum: await pool.checksum(grid.slice(file, number), 'crc64nvme') })),
  );
  assert.equal((await prove(file, grid, 'crc64nvme', received, pool)).is, 'same');
  const other = new Blob(['aaaaabbbbbcccc!']);
  assert.deepEqual(await prove(other, grid, 'crc64nvme', received, pool), { is: 'changed', number: 3 });
  const md5 = Buffer.from(await pool.checksum(grid.slice(file, 1), 'md5'), 'base64').toString('hex');
  const byEtag = [{ number: 1, size: 5, etag: `"${md5}"` }];
  assert.equal((await prove(file, grid, 'none', byEtag, pool)).is, 'same');
});

test('another size, checksum or SHA-256 is a wrong object', async () => {
  const completion = { size: 9, checksum: { algorithm: 'crc64nvme', type: 'FULL_OBJECT', value: 'rosUhgp5mIg=' } } as Completion;
  const expected = { size: 9, algorithm: 'crc64nvme', parts: [['rosUhgp5mIg=', 9]], sha256: null } as const;
  assert.deepEqual(await verify(completion, expected, pool), ['size', 'checksum']);
  for (const wrong of [{ ...completion, size: 8 }, { ...completion, checksum: { ...completion.checksum, value: 'x' } }]) {
    await assert.rejects(verify(wrong as Completion, expected, pool), { code: 'wrong_object' });
  }
  await assert.rejects(verify(completion, { ...expected, sha256: 'ab' }, pool), { code: 'wrong_object' });
  assert.deepEqual(await verify({ size: 9 } as Completion, expected, pool), ['size']);
});

test('code and message of an S3 error are found', () => {
  const xml = '<?xml version="1.0"?><Error><Code>BadDigest</Code><Message>a &lt;b&gt; &amp;lt;</Message></Error>';
  assert.deepEqual([element(xml, 'Code'), element(xml, 'Message'), element('<html>', 'Code')], ['BadDigest', 'a <b> &lt;', '']);
});

test('Retry-After is seconds or a date', () => {
  assert.deepEqual(['7', null, '', 'soon'].map(retryAfterMs), [7000, null, null, null]);
  assert.ok((retryAfterMs(new Date(Date.now() + 60_000).toUTCString()) ?? 0) > 50_000);
});

test('the life of a URL is what it says itself, whatever clocks say', () => {
  const url = 'http://s/b/k?X-Amz-Date=20000101T000000Z&X-Amz-Expires=900';
  assert.equal(lifetimeMs(url, '2000-01-01T00:15:00Z', null), 900_000);
  assert.equal(lifetimeMs('http://s/b/k', '2000-01-01T00:15:00Z', Date.parse('2000-01-01T00:10:00Z')), 300_000);
});
