import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Grid } from '../src/transfer/grid.js';
import { Lanes } from '../src/transfer/lanes.js';
import { type Command, type Ticket, Transfer } from '../src/transfer/transfer.js';
import { PartState } from '../src/types.js';
import type { Seen } from '../src/transfer/decide.js';
import type { ChecksumAlgorithm, SignedPart, UploadStatus } from '../src/wire.js';

const LIFETIME_MS = 900_000;

function transfer(totalParts: number, algorithm: ChecksumAlgorithm = 'crc64nvme', lanes = new Lanes(6)): Transfer {
  return new Transfer({ grid: new Grid(totalParts * 10, 10), algorithm, lanes, giveUpAfterMs: 600_000 }, 0);
}

const signed = (numbers: readonly number[]): SignedPart[] =>
  numbers.map((number) => ({ number, method: 'PUT', url: `http://s/${number}`, headers: {}, offset: 0, size: 10 }));

const numbersOf = (command: Extract<Command, { do: 'sign' }>): number[] =>
  command.parts.map((part) => (typeof part === 'number' ? part : part.number));

const status = (numbers: Iterable<number>): UploadStatus =>
  ({ parts: [...numbers].map((number) => ({ number, size: 10 })) }) as unknown as UploadStatus;

const storageSays = (status: number, code: string): Seen => ({
  kind: 'storage',
  answer: { status, code, message: '', retryAfterMs: null, urlExpired: false },
});

/** A small generator: the same seed gives the same run. */
function dice(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Runs commands until it waits; sends are collected. */
function settle(transfer: Transfer, now: number): { sends: Ticket[]; others: Command[] } {
  const sends: Ticket[] = [];
  const others: Command[] = [];
  for (;;) {
    const command = transfer.next(now);
    if (command.do === 'hash') transfer.hashed(command.number, `c${command.number}`, now);
    else if (command.do === 'sign') {
      others.push(command);
      transfer.signed(signed(numbersOf(command)), LIFETIME_MS, now);
    } else if (command.do === 'send') sends.push(command.ticket);
    else {
      others.push(command);
      if (command.do === 'report') transfer.called();
      else return { sends, others };
    }
  }
}

test('an upload of 5,000 parts needs few calls, and every part is sent once', () => {
  const upload = transfer(5_000);
  let calls = 0;
  const sent = new Map<number, number>();
  for (let now = 0; now < 1e7; now += 100) {
    const { sends, others } = settle(upload, now);
    calls += others.filter((command) => command.do === 'sign' || command.do === 'report').length;
    for (const ticket of sends) {
      sent.set(ticket.number, (sent.get(ticket.number) ?? 0) + 1);
      upload.sent(ticket.number, { stored: true, etag: null, tookMs: 100 }, now + 100, 0.5);
    }
    if (others.some((command) => command.do === 'finished')) break;
  }
  assert.equal(sent.size, 5_000);
  assert.ok([...sent.values()].every((times) => times === 1));
  assert.ok(calls <= 60, `${calls} calls`);
});

test('each part is in one place, whatever fails, and everything is stored in the end', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = dice(seed);
    const total = 1 + Math.floor(random() * 40);
    const upload = transfer(total, random() < 0.3 ? 'none' : 'crc64nvme');
    const stored = new Set<number>();
    const inFlight: Ticket[] = [];
    let finished = false;
    for (let now = 0; now < 3_600_000 && !finished; now += 200) {
      if (random() < 0.02) {
        upload.hold(true, now);
        for (const { number } of inFlight.splice(0)) upload.cut(number);
        upload.hold(false, now);
      }
      for (let steps = 0; steps < 200; steps += 1) {
        const command = upload.next(now);
        if (command.do === 'wait') break;
        if (command.do === 'hash') upload.hashed(command.number, `c${command.number}`, now);
        else if (command.do === 'sign') upload.signed(signed(numbersOf(command)), random() < 0.2 ? 500 : LIFETIME_MS, now);
        else if (command.do === 'send') inFlight.push(command.ticket);
        else if (command.do === 'report') upload.called();
        else if (command.do === 'refresh') {
          // Storage forgets a part now and then.
          if (random() < 0.1) stored.delete(1 + Math.floor(random() * total));
          upload.refreshed(status(stored), now, random());
        } else if (command.do === 'finished') finished = true;
        else assert.fail(`seed ${seed}: ${JSON.stringify(command)}`);
        if (finished) break;
      }
      for (let number = 1; number <= total; number += 1) {
        assert.equal(upload.places(number), 1, `seed ${seed}, part ${number} at ${now}`);
      }
      while (inFlight.length > 0 && random() < 0.7) {
        const [ticket] = inFlight.splice(Math.floor(random() * inFlight.length), 1);
        assert.ok(ticket);
        const { number } = ticket;
        const fate = random();
        // The answer is lost, but storage has the part.
        if (fate < 0.6 || fate > 0.95) stored.add(number);
        if (fate < 0.6) upload.sent(number, { stored: true, etag: '"e"', tookMs: 200 }, now, random());
        else {
          const seen: Seen[] = [
            { kind: 'network' },
            { kind: 'stall' },
            storageSays(503, 'SlowDown'),
            storageSays(500, 'InternalError'),
          ];
          const what = fate > 0.95 ? { kind: 'network' as const } : (seen[Math.floor(random() * seen.length)] ?? { kind: 'stall' });
          upload.sent(number, { stored: false, seen: what }, now, random());
        }
      }
    }
    assert.ok(finished, `seed ${seed} did not finish`);
    assert.equal(upload.keptBytes, total * 10);
    assert.ok(upload.parts.every((state) => state === PartState.Stored));
  }
});

test('status is asked before a part is sent again after a network error', () => {
  const upload = transfer(1);
  const [ticket] = settle(upload, 0).sends;
  assert.ok(ticket);
  upload.sent(1, { stored: false, seen: { kind: 'network' } }, 10, 0);
  const { sends, others } = settle(upload, 20);
  assert.deepEqual([sends.length, others.at(-1)?.do], [0, 'refresh']);
  upload.refreshed(status([1]), 30, 0);
  assert.equal(settle(upload, 40).others.at(-1)?.do, 'finished');
});

test('a hash that is another now stops the upload, one that is the same sends it again', () => {
  for (const [checksum, expected] of [['other', 'stop'], ['c1', 'wait']] as const) {
    const upload = transfer(1);
    settle(upload, 0);
    upload.sent(1, { stored: false, seen: storageSays(400, 'BadDigest') }, 10, 0);
    const again = upload.next(20);
    assert.deepEqual(again, { do: 'hash', number: 1 });
    upload.hashed(1, checksum, 30);
    assert.equal(upload.next(31).do, expected);
    if (expected === 'wait') assert.equal(settle(upload, 10_000).sends.length, 1);
  }
});

test('what storage had before is hashed while others are sent, and a difference stops it', () => {
  for (const [checksum, expected] of [['before', 'finished'], ['changed', 'stop']] as const) {
    const upload = transfer(2);
    upload.adopt([{ number: 1, size: 10, checksum: 'before' }], new Map());
    const commands = [upload.next(0), upload.next(0)];
    assert.deepEqual(commands.map((command) => command.do === 'hash' && command.number), [2, 1]);
    upload.hashed(2, 'two', 1);
    const { sends } = settle(upload, 2);
    upload.sent(sends[0]?.number ?? 0, { stored: true, etag: null, tookMs: 1 }, 3, 0);
    assert.equal(upload.next(4).do, 'wait', 'not finished before it is verified');
    upload.hashed(1, checksum, 5);
    assert.equal(upload.next(6).do, expected);
  }
});

test('a short last part says its size, for a gateway that does not know how large the file is', () => {
  const upload = new Transfer({ grid: new Grid(15, 10), algorithm: 'none', lanes: new Lanes(6), giveUpAfterMs: 600_000 }, 0);
  const sign = upload.next(0);
  assert.deepEqual(sign.do === 'sign' && sign.parts, [1, { number: 2, size: 5 }]);
});

test('URLs that are about to expire are signed again, not used', () => {
  const upload = transfer(1, 'none', new Lanes(1));
  const sign = upload.next(0);
  assert.equal(sign.do, 'sign');
  upload.signed(signed([1]), 60_000, 0);
  assert.equal(upload.next(50_000).do, 'sign');
});

test('a refused URL is signed again twice, then it stops', () => {
  const upload = transfer(1);
  for (const expected of ['sent', 'sent', 'stop']) {
    const { sends, others } = settle(upload, 0);
    assert.equal(sends.length, 1);
    assert.notEqual(others.at(-1)?.do, 'stop');
    upload.sent(1, { stored: false, seen: storageSays(400, 'ExpiredToken') }, 0, 0);
    if (expected === 'stop') {
      const command = upload.next(0);
      assert.ok(command.do === 'stop' && command.failure.why === 'signature_refused', JSON.stringify(command));
    }
  }
});

test('Retry-After is honoured', () => {
  const upload = transfer(1);
  settle(upload, 0);
  const seen: Seen = { kind: 'storage', answer: { status: 503, code: 'SlowDown', message: '', retryAfterMs: 7_000, urlExpired: false } };
  upload.sent(1, { stored: false, seen }, 0, 0);
  assert.equal(settle(upload, 6_999).sends.length, 0);
  assert.equal(upload.waitsMs(6_000), 1_000);
  assert.equal(settle(upload, 7_000).sends.length, 1);
});

test('nothing is sent while held, and the wait does not count as a stall', () => {
  const upload = transfer(3);
  upload.hold(true, 0);
  assert.equal(upload.next(1e9).do, 'wait');
  upload.hold(false, 1e9);
  assert.ok(settle(upload, 1e9).sends.length > 0);
});

test('no progress for ten minutes is told', () => {
  const upload = transfer(1);
  settle(upload, 0);
  upload.moved(1, 5, 1_000);
  assert.equal(upload.next(590_000).do, 'wait');
  const command = upload.next(602_000);
  assert.ok(command.do === 'stop' && command.failure.why === 'stalled');
});

test('storage that never took a part is told after thirty seconds', () => {
  const upload = transfer(1);
  let now = 0;
  let stopped: Command | null = null;
  for (; now < 120_000 && stopped === null; now += 500) {
    const { sends, others } = settle(upload, now);
    for (const { number } of sends) upload.sent(number, { stored: false, seen: { kind: 'network' } }, now, 0.5);
    for (const command of others) {
      if (command.do === 'refresh') upload.refreshed(status([]), now, 0.5);
      if (command.do === 'stop') stopped = command;
    }
  }
  assert.ok(stopped?.do === 'stop' && stopped.failure.why === 'storage_unreachable', JSON.stringify(stopped));
  assert.ok(now > 30_000 && now < 60_000, String(now));
});

test('uploads share connections: the first takes what it can, the next the rest', () => {
  const lanes = new Lanes(6);
  const first = transfer(3, 'none', lanes);
  const second = transfer(9, 'none', lanes);
  assert.equal(settle(first, 0).sends.length, 3);
  assert.equal(settle(second, 0).sends.length, 1);
  first.sent(1, { stored: true, etag: null, tookMs: 1 }, 1, 0);
  assert.equal(settle(second, 1).sends.length, 1);
});

test('parts of another size than planned are sent again', () => {
  const upload = transfer(2);
  upload.adopt([{ number: 1, size: 9, checksum: 'x' }, { number: 2, size: 10, checksum: 'y' }], new Map([[2, 'y']]));
  assert.deepEqual([upload.keptParts, upload.isKept(2)], [1, true]);
});
