import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../src/format.js';

function check<Input>(say: (input: Input) => string, table: readonly (readonly [Input, string])[]): void {
  for (const [input, words] of table) assert.equal(say(input), words);
}

test('sizes_are_decimal_with_three_digits', () => {
  check(format.bytes, [
    [0, '0 bytes'],
    [1, '1 byte'],
    [100, '100 bytes'],
    [999, '999 bytes'],
    [1000, '1 kB'],
    [1024, '1.02 kB'],
    [12_400_000, '12.4 MB'],
    [10_000_000, '10 MB'],
    [100_000_000, '100 MB'],
    [999_499, '999 kB'],
    [999_500, '1 MB'],
    [999_999_999, '1 GB'],
    [9_994_999, '9.99 MB'],
    [9_995_000, '10 MB'],
    [99_950_000, '100 MB'],
    [50e9, '50 GB'],
    [5_497_558_138_880, '5.5 TB'],
    [2e15, '2 PB'],
    [5e18, '5000 PB'],
  ]);
});

test('moving_sizes_keep_their_zeros', () => {
  check(format.movingBytes, [
    [4_200_000_000, '4.20 GB'],
    [12_000_000, '12.0 MB'],
    [812, '812 bytes'],
  ]);
  assert.equal(format.rate(12_400_000), '12.4 MB/s');
});

test('percent_reaches_100_only_at_the_end', () => {
  check(format.percent, [
    [0, '0 %'],
    [99.99, '99 %'],
    [100, '100 %'],
  ]);
});

test('time_left_is_rounded_as_people_speak', () => {
  check(format.duration, [
    [0, 'a few seconds'],
    [4.9, 'a few seconds'],
    [5, '5 s'],
    [37, '40 s'],
    [55, '55 s'],
    [59, '1 min'],
    [89, '1 min'],
    [200, '3 min'],
    [59 * 60, '59 min'],
    [3599, '1 h'],
    [4800, '1 h 20 min'],
    [7100, '2 h'],
    [9 * 3600 + 1200, '9 h 20 min'],
    [9 * 3600 + 3500, '10 h'],
    [23 * 3600 + 3500, '1 day'],
    [2 * 86_400 + 3 * 3600, '2 days 3 h'],
    [9 * 86_400 + 3 * 3600, '9 days'],
  ]);
});

test('what_took_a_while_is_told_exactly', () => {
  check(format.took, [
    [412, '0.4 s'],
    [9960, '10 s'],
    [200_000, '3 min 20 s'],
    [754_000, '12 min 34 s'],
    [7_200_000, '2 h'],
  ]);
});

test('moments_are_named_by_day', () => {
  const now = new Date(2026, 10, 22, 21, 40);
  const at = (...parts: [number, number, number, number, number]): string => format.moment(new Date(...parts), now);
  assert.equal(at(2026, 10, 22, 0, 5), 'today, 00:05');
  assert.equal(at(2026, 10, 21, 23, 59), 'yesterday, 23:59');
  assert.equal(at(2026, 10, 23, 1, 0), 'tomorrow, 01:00');
  assert.equal(at(2026, 10, 14, 9, 5), '14 November, 09:05');
  assert.equal(at(2025, 11, 31, 9, 5), '31 December 2025, 09:05');
});

test('expiry_is_told_in_one_unit', () => {
  const now = new Date(2026, 10, 22);
  const inSeconds = (seconds: number): string => format.until(new Date(now.getTime() + seconds * 1000), now);
  assert.equal(inSeconds(-1), 'now');
  assert.equal(inSeconds(600), 'in 10 min');
  assert.equal(inSeconds(3 * 3600 + 100), 'in 3 hours');
  assert.equal(inSeconds(5.3 * 86_400), 'in 5 days');
});

test('names_keep_their_end', () => {
  assert.deepEqual(format.splitName('notes.txt'), ['notes.txt', '']);
  assert.deepEqual(format.splitName('a long report, final (3).docx'), ['a long report, fina', 'l (3).docx']);
  assert.deepEqual(format.splitName('a-file-without-any-extension'), ['a-file-without-any-exte', 'nsion']);
  assert.deepEqual(format.splitName('a sentence. with a dot far from its end'), ['a sentence. with a dot far from it', 's end']);
});

test('names_are_not_cut_inside_a_character', () => {
  const family = '👨‍👩‍👧‍👦';
  const name = family.repeat(20);
  const [head, tail] = format.splitName(name);
  assert.equal(head, family.repeat(15));
  assert.equal(tail, family.repeat(5));
});

test('the_parts_of_a_split_name_are_the_name', () => {
  for (const name of ['', '.bashrc-with-a-long-name', '写真アルバム二〇二六年夏の思い出アルバム.zip', 'x'.repeat(1024), 'e\u0301'.repeat(30)]) {
    assert.equal(format.splitName(name).join(''), name);
  }
});

test('folders_are_what_stands_before_the_name', () => {
  check(format.folderOf, [
    ['photos/2026/a.jpg', 'photos/2026'],
    ['a.jpg', ''],
    ['', ''],
  ]);
});
