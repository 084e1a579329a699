import { count } from '../format.js';
import { runs, type Item } from '../model/item.js';
import type { Counts } from '../model/session.js';

/** Which rows a long list shows. */
export type Shown = 'all' | 'running' | 'failed' | 'done';

/** A list that is looked over at a glance needs no filter. */
export const FILTER_FROM = 10;

const LABELS: readonly (readonly [Shown, string])[] = [
  ['all', 'All'],
  ['running', 'Under way'],
  ['failed', 'Stopped'],
  ['done', 'Done'],
];

export function Filter({ shown, counts, onChange }: { shown: Shown; counts: Counts; onChange: (shown: Shown) => void }) {
  const numbers = { all: counts.total, running: counts.running, failed: counts.failed, done: counts.done };
  return (
    <div class="filter" role="group" aria-label="Show">
      {LABELS.filter(([value]) => value === 'all' || value === shown || numbers[value] > 0).map(([value, label]) => (
        <button
          key={value}
          type="button"
          class="filter-button"
          aria-pressed={shown === value}
          data-action={`show-${value}`}
          onClick={() => onChange(value)}
        >
          {label} <span class="filter-count">{count(numbers[value])}</span>
        </button>
      ))}
    </div>
  );
}

export function isShown(item: Item, shown: Shown): boolean {
  switch (shown) {
    case 'all':
      return true;
    case 'running':
      return runs(item.look);
    case 'failed':
      return item.look === 'failed';
    case 'done':
      return item.look === 'done';
  }
}
