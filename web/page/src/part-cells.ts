import { PartState } from '@partgate/client';
import { count, plural } from './format.js';

/** How parts are laid out: in rows, one cell a part, or one cell for several when there are many. */
export interface Grid {
  readonly parts: number;
  readonly partsPerCell: number;
  readonly cells: number;
  readonly columns: number;
  readonly rows: number;
  /** From one cell's left edge to the next one's, in CSS pixels. */
  readonly pitchX: number;
  readonly pitchY: number;
}

/** The share of a cell's parts that are in each state; missing is the rest. */
export interface Cell {
  readonly stored: number;
  readonly sending: number;
  readonly failed: boolean;
}

const PITCHES = [24, 20, 16, 14, 12, 10] as const;
const MAX_HEIGHT = 144;

/** The largest cells with which all parts fit; below the smallest pitch that can be read, parts share a cell. */
export function gridFor(parts: number, width: number): Grid {
  for (const pitch of PITCHES) {
    const grid = gridWith(parts, 1, pitch, width);
    if (grid.rows * pitch <= MAX_HEIGHT) return grid;
  }
  const pitch = PITCHES[PITCHES.length - 1] ?? 10;
  const room = columnsIn(width, pitch) * Math.floor(MAX_HEIGHT / pitch);
  return gridWith(parts, Math.ceil(parts / room), pitch, width);
}

/** What a cell shows. `fractionOf` tells how much of a part in flight was sent. */
export function cellAt(
  states: Uint8Array,
  grid: Grid,
  index: number,
  fractionOf: (partNumber: number) => number,
): Cell {
  const first = index * grid.partsPerCell;
  const last = Math.min(first + grid.partsPerCell, grid.parts);
  let stored = 0;
  let sending = 0;
  let failed = false;
  for (let part = first; part < last; part += 1) {
    const state = states[part];
    if (state === PartState.Stored) stored += 1;
    else if (state === PartState.Sending) sending += fractionOf(part + 1);
    else if (state === PartState.Failed) failed = true;
  }
  const parts = last - first;
  return { stored: stored / parts, sending: sending / parts, failed };
}

/** `Part 312: stored`, or `Parts 301 to 313: 11 stored, 2 missing`. */
export function cellWords(
  states: Uint8Array,
  grid: Grid,
  index: number,
  fractionOf: (partNumber: number) => number,
): string {
  const first = index * grid.partsPerCell;
  const last = Math.min(first + grid.partsPerCell, grid.parts) - 1;
  if (first === last) return `Part ${count(first + 1)}: ${partWords(states[first], fractionOf(first + 1))}`;
  return `Parts ${count(first + 1)} to ${count(last + 1)}: ${tallyWords(tally(states.subarray(first, last + 1)))}`;
}

export interface Tally {
  stored: number;
  sending: number;
  failed: number;
  missing: number;
}

/** How many parts are in each state. */
export function tally(states: Uint8Array): Tally {
  const counts: Tally = { stored: 0, sending: 0, failed: 0, missing: 0 };
  for (const state of states) {
    if (state === PartState.Stored) counts.stored += 1;
    else if (state === PartState.Sending) counts.sending += 1;
    else if (state === PartState.Failed) counts.failed += 1;
    else counts.missing += 1;
  }
  return counts;
}

/** `1,204 stored, 6 being sent, 8,790 missing`: the map in words. */
export function tallyWords({ stored, sending, failed, missing }: Tally): string {
  const words: string[] = [];
  if (stored > 0) words.push(`${count(stored)} stored`);
  if (sending > 0) words.push(`${count(sending)} being sent`);
  if (failed > 0) words.push(`${count(failed)} to be sent again`);
  if (missing > 0) words.push(`${count(missing)} missing`);
  return words.join(', ') || plural(0, 'part');
}

function partWords(state: number | undefined, fraction: number): string {
  if (state === PartState.Stored) return 'stored';
  if (state === PartState.Sending) return `being sent, ${Math.floor(fraction * 100)} %`;
  if (state === PartState.Failed) return 'failed, will be sent again';
  return 'missing';
}

function gridWith(parts: number, partsPerCell: number, pitch: number, width: number): Grid {
  const cells = Math.max(1, Math.ceil(parts / partsPerCell));
  // A single row is stretched over the whole width, so that few parts read as a bar.
  const columns = Math.min(columnsIn(width, pitch), cells);
  const rows = Math.ceil(cells / columns);
  return { parts, partsPerCell, cells, columns, rows, pitchX: width / columns, pitchY: pitch };
}

function columnsIn(width: number, pitch: number): number {
  return Math.max(1, Math.floor(width / pitch));
}
