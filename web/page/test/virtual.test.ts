import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heightBetween, spanOf } from '../src/virtual.js';

const even = (): number => 80;

test('only_rows_in_the_window_are_shown', () => {
  assert.deepEqual(spanOf(300, even, 800, 1600), { first: 10, end: 20 });
});

test('a_row_that_is_cut_by_the_edge_is_shown', () => {
  assert.deepEqual(spanOf(300, even, 790, 1601), { first: 9, end: 21 });
});

test('ends_of_the_list_hold', () => {
  assert.deepEqual(spanOf(0, even, 0, 800), { first: 0, end: 0 });
  assert.deepEqual(spanOf(3, even, -500, 5000), { first: 0, end: 3 });
  assert.deepEqual(spanOf(3, even, 5000, 6000), { first: 3, end: 3 });
  assert.deepEqual(spanOf(3, even, -6000, -5000), { first: 0, end: 0 });
});

test('open_rows_count_with_their_height', () => {
  const heightOf = (index: number): number => (index === 2 ? 500 : 80);
  assert.equal(heightBetween(heightOf, 0, 4), 740);
  assert.deepEqual(spanOf(10, heightOf, 600, 700), { first: 2, end: 4 });
});
