import { Fragment, type ComponentChildren, type Ref } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useReducer, useRef } from 'preact/hooks';
import { heightBetween, spanOf, type Span } from '../virtual.js';

/** Rows beyond the window's edges, in pixels: what a turn of the wheel shows is there already. */
const MARGIN = 800;
/** When fewer pixels of rows are left, more are made: not at every row that passes. */
const RESERVE = 240;
/** So many rows cost nothing, and the browser's own search finds them. */
const WHOLE = 60;
/** Until a row was measured. */
const FIRST_GUESS = 80;

interface VirtualListProps<T> {
  items: readonly T[];
  label: string;
  /** Must stay the same function while rows stay the same: a row is rendered anew only for another one. */
  render: (item: T, place: RowPlace) => ComponentChildren;
}

/** What a row puts on its `<li>`. */
export interface RowPlace {
  ref: Ref<HTMLLIElement>;
  'aria-setsize': number;
  'aria-posinset': number;
}

/**
 * A list that scrolls with the page and has only the rows in the document that can be seen, and the one with the
 * focus. Rows lie in the flow between spacers, so that the browser's scroll anchoring holds the page still.
 */
export function VirtualList<T extends { readonly id: number }>({ items, label, render }: VirtualListProps<T>) {
  const list = useRef<HTMLUListElement>(null);
  const [, update] = useReducer((version: number) => version + 1, 0);
  const heights = useRef(new Map<number, number>()).current;
  const guess = useRef<number | null>(null);
  const focused = useRef<number | null>(null);
  const shown = useRef({ first: 0, end: 0 });
  const made = useRef(new Map<number, Made>());

  const heightOf = (index: number): number => heights.get(items[index]?.id ?? -1) ?? guess.current ?? FIRST_GUESS;
  const visible = (margin: number): Span => {
    if (items.length <= WHOLE) return { first: 0, end: items.length };
    const top = list.current?.getBoundingClientRect().top ?? 0;
    return spanOf(items.length, heightOf, -top - margin, window.innerHeight - top + margin);
  };

  const rows = useRows((id, height) => {
    if (heights.get(id) === height) return;
    heights.set(id, height);
    // The smallest row is a closed one: what the others will be like.
    guess.current = guess.current === null ? height : Math.min(guess.current, height);
    update(0);
  });

  useEffect(() => {
    let frame = 0;
    const look = (): void => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        const { first, end } = visible(RESERVE);
        if (first < shown.current.first || end > shown.current.end) update(0);
      });
    };
    // In another width rows have other heights.
    let width = window.innerWidth;
    const resize = (): void => {
      if (width !== window.innerWidth) {
        width = window.innerWidth;
        for (const id of [...heights.keys()]) if (!rows.has(id)) heights.delete(id);
        guess.current = null;
      }
      look();
    };
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', resize);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', look);
      removeEventListener('resize', resize);
    };
  });

  // The first render does not know yet where the list lies.
  useLayoutEffect(() => update(0), []);

  const span = visible(MARGIN);
  shown.current = span;
  const indices: number[] = [];
  for (let index = span.first; index < span.end; index += 1) indices.push(index);
  const kept = items.findIndex((item) => item.id === focused.current);
  if (kept >= 0 && kept < span.first) indices.unshift(kept);
  if (kept >= span.end) indices.push(kept);

  // A row that goes away with the focus in it hands the focus to its neighbour.
  const place = useRef(-1);
  useLayoutEffect(() => {
    const id = focused.current;
    if (id === null) return;
    const index = items.findIndex((item) => item.id === id);
    if (index >= 0) {
      place.current = index;
      return;
    }
    focused.current = null;
    if (document.activeElement !== document.body) return;
    const neighbour = items[Math.min(place.current, items.length - 1)];
    list.current?.querySelector<HTMLElement>(`[data-id="${neighbour?.id ?? ''}"] [aria-expanded]`)?.focus({ preventScroll: true });
  });

  // The same node again tells Preact that there is nothing to do: only rows that come are rendered.
  const before = made.current;
  made.current = new Map();
  const rowOf = (item: T, index: number): ComponentChildren => {
    const old = before.get(item.id);
    const same = old !== undefined && old.render === render && old.index === index && old.total === items.length;
    const place = { ref: rows.ref(item.id), 'aria-setsize': items.length, 'aria-posinset': index + 1 };
    const now = same ? old : { render, index, total: items.length, row: render(item, place) };
    made.current.set(item.id, now);
    return now.row;
  };

  return (
    <ul
      ref={list}
      class="rows"
      aria-label={label}
      onFocusIn={(event) => (focused.current = idOf(event.target))}
      onFocusOut={(event) => {
        // A question takes the focus for a while, and an element that goes away leaves it to nobody.
        const to = event.relatedTarget as Element | null;
        if (to && !to.closest('dialog')) focused.current = null;
      }}
    >
      {indices.map((index, at) => {
        const item = items[index];
        if (!item) return null;
        const gap = heightBetween(heightOf, (indices[at - 1] ?? -1) + 1, index);
        return (
          <Fragment key={item.id}>
            {gap > 0 && <Spacer height={gap} />}
            {rowOf(item, index)}
          </Fragment>
        );
      })}
      <Spacer height={heightBetween(heightOf, (indices.at(-1) ?? -1) + 1, items.length)} />
    </ul>
  );
}

/** A row as it was rendered, and for what. */
interface Made {
  render: unknown;
  index: number;
  total: number;
  row: ComponentChildren;
}

function Spacer({ height }: { height: number }) {
  return <li class="spacer" role="presentation" aria-hidden="true" style={{ height: `${height}px` }} />;
}

function idOf(target: EventTarget | null): number | null {
  const row = target instanceof Element ? target.closest<HTMLElement>('[data-id]') : null;
  return row ? Number(row.dataset['id']) : null;
}

/** Measures rows as they come and grow; the answer gives each row its `ref`. */
function useRows(measured: (id: number, height: number) => void): {
  ref: (id: number) => Ref<HTMLLIElement>;
  has: (id: number) => boolean;
} {
  const latest = useRef(measured);
  latest.current = measured;
  const refs = useRef(new Map<number, (element: HTMLLIElement | null) => void>()).current;
  const ids = useRef(new Map<Element, number>()).current;
  const observer = useRef<ResizeObserver | null>(null);
  observer.current ??= new ResizeObserver((entries) => {
    for (const entry of entries) {
      const id = ids.get(entry.target);
      const height = entry.borderBoxSize[0]?.blockSize;
      if (id !== undefined && height) latest.current(id, height);
    }
  });
  useEffect(() => () => observer.current?.disconnect(), []);
  const ref = useCallback((id: number) => {
    const known = refs.get(id);
    if (known) return known;
    let mine: Element | null = null;
    const set = (element: HTMLLIElement | null): void => {
      if (mine) {
        observer.current?.unobserve(mine);
        ids.delete(mine);
      }
      mine = element;
      if (!element) return void refs.delete(id);
      ids.set(element, id);
      observer.current?.observe(element);
    };
    refs.set(id, set);
    return set;
  }, []);
  return { ref, has: (id) => refs.has(id) };
}
