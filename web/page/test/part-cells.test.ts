import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellAt, cellWords, gridFor, tally, tallyWords } from '../src/part-cells.js';

const [MISSING, SENDING, STORED, FAILED] = [0, 1, 2, 3];
const none = (): number => 0;
const half = (): number => 0.5;

test('every_part_has_a_cell_in_every_width', () => {
  for (const parts of [1, 2, 17, 300, 746, 1000, 9999, 10_000]) {
    for (const width of [200, 288, 830]) {
      const grid = gridFor(parts, width);
      assert.ok(grid.cells * grid.partsPerCell >= parts, `${parts} in ${width}`);
      assert.ok((grid.cells - 1) * grid.partsPerCell < parts, 'no cell is empty');
      assert.ok(grid.columns * grid.rows >= grid.cells);
      assert.ok(grid.columns * grid.pitchX <= width + 1e-6);
      assert.ok(grid.rows * grid.pitchY <= 144);
    }
  }
});

test('a_few_hundred_parts_have_a_cell_each', () => {
  assert.equal(gridFor(600, 830).partsPerCell, 1);
  assert.equal(gridFor(10_000, 830).partsPerCell, 9);
});

test('few_parts_read_as_a_bar_over_the_whole_width', () => {
  const grid = gridFor(5, 830);
  assert.equal(grid.rows, 1);
  assert.equal(grid.pitchX, 166);
});

test('a_cell_of_several_parts_tells_shares', () => {
  const states = Uint8Array.of(STORED ?? 0, STORED ?? 0, SENDING ?? 0, MISSING ?? 0);
  const grid = { parts: 4, partsPerCell: 4, cells: 1, columns: 1, rows: 1, pitchX: 10, pitchY: 10 };
  assert.deepEqual(cellAt(states, grid, 0, half), { stored: 0.5, sending: 0.125, failed: false });
  assert.equal(cellWords(states, grid, 0, half), 'Parts 1 to 4: 2 stored, 1 being sent, 1 missing');
});

test('the_last_cell_may_be_short', () => {
  const states = Uint8Array.of(MISSING ?? 0, MISSING ?? 0, STORED ?? 0);
  const grid = { parts: 3, partsPerCell: 2, cells: 2, columns: 2, rows: 1, pitchX: 10, pitchY: 10 };
  assert.deepEqual(cellAt(states, grid, 1, none), { stored: 1, sending: 0, failed: false });
  assert.equal(cellWords(states, grid, 1, none), 'Part 3: stored');
});

test('a_failed_part_shows_in_its_cell', () => {
  const states = Uint8Array.of(FAILED ?? 0, STORED ?? 0);
  const grid = { parts: 2, partsPerCell: 2, cells: 1, columns: 1, rows: 1, pitchX: 10, pitchY: 10 };
  assert.equal(cellAt(states, grid, 0, none).failed, true);
  assert.equal(tallyWords(tally(states)), '1 stored, 1 to be sent again');
});
