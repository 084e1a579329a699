import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestChecksum } from '../src/gateway.js';
import { Changes } from '../src/model/changes.js';
import { actionsFor, moves, runs } from '../src/model/item.js';

test('changes_are_told_at_once_and_then_at_most_ten_times_a_second', async () => {
  const changes = new Changes();
  let told = 0;
  changes.subscribe(() => (told += 1));
  for (let index = 0; index < 50; index += 1) changes.announce();
  assert.equal(told, 1);
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.equal(told, 2, 'the last change is told too');
});

test('closing_is_warned_about_only_while_bytes_move', () => {
  assert.ok(moves('uploading') && moves('resuming') && moves('checking'));
  assert.ok(!moves('paused') && !moves('done') && !moves('failed') && !moves('waiting') && !moves('verifying'));
});

test('what_storage_is_putting_together_cannot_be_stopped', () => {
  assert.deepEqual(actionsFor('finishing'), []);
  assert.ok(runs('finishing'));
});

test('the_best_checksum_that_storage_knows_is_used', () => {
  assert.equal(bestChecksum({ checksum_algorithms: ['none', 'md5', 'crc64nvme'] }), 'crc64nvme');
  assert.equal(bestChecksum({ checksum_algorithms: ['none', 'md5'] }), 'md5');
  assert.equal(bestChecksum({}), undefined);
});
