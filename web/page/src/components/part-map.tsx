import type { Upload } from '@partgate/client';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { cellAt, cellWords, gridFor, tally, tallyWords, type Cell, type Grid } from '../part-cells.js';
import { count } from '../format.js';

/** Space between cells, in CSS pixels. */
const GAP = 2;

/**
 * Every part as a cell of a canvas. Its parent renders it at most ten times a second, and so it is drawn.
 *
 * To a screen reader it is a slider over the cells: arrow keys name one after the other.
 */
export function PartMap({ upload }: { upload: Upload }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(canvas);
  const scheme = useScheme();
  const [at, setAt] = useState<number | null>(null);
  const states = upload.parts;
  const grid = gridFor(states.length, width);
  const fractionOf = (part: number): number => upload.partFraction(part);
  const counts = tally(states);
  const marked = at === null ? null : Math.min(at, grid.cells - 1);
  const words = marked === null ? null : cellWords(states, grid, marked, fractionOf);

  useLayoutEffect(() => {
    if (canvas.current) draw(canvas.current, grid, (index) => cellAt(states, grid, index, fractionOf), marked, scheme);
  });

  const move = (event: KeyboardEvent): void => {
    const step = stepOf(event.key, grid);
    if (step === null) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(grid.cells - 1, step === 'end' ? grid.cells : step === 'start' ? 0 : (at ?? 0) + step)));
  };

  return (
    <div class="part-map" data-testid="part-map" data-stored={counts.stored} data-total={states.length}>
      <canvas
        ref={canvas}
        class="part-map-canvas"
        role="slider"
        tabIndex={0}
        aria-label={`Map of ${count(states.length)} parts`}
        aria-roledescription="part map"
        aria-valuemin={1}
        aria-valuemax={grid.cells}
        aria-valuenow={(marked ?? 0) + 1}
        aria-valuetext={words ?? tallyWords(counts)}
        style={{ height: `${grid.rows * grid.pitchY - GAP}px` }}
        onPointerMove={(event) => setAt(cellUnder(event, grid))}
        onPointerLeave={() => setAt(null)}
        onKeyDown={move}
        onFocus={(event) => event.currentTarget.matches(':focus-visible') && setAt((now) => now ?? 0)}
        onBlur={() => setAt(null)}
      />
      <div class="part-map-foot">
        <ul class="legend" aria-label="Parts">
          <Legend kind="stored" value={counts.stored} words="stored" />
          <Legend kind="sending" value={counts.sending} words="sending" />
          {counts.failed > 0 && <Legend kind="failed" value={counts.failed} words="to be sent again" />}
          <Legend kind="missing" value={counts.missing} words="missing" />
        </ul>
        <p class="part-map-words" aria-hidden="true">
          {words ?? (grid.partsPerCell > 1 ? `A square is ${count(grid.partsPerCell)} parts` : '')}
        </p>
      </div>
    </div>
  );
}

function Legend({ kind, value, words }: { kind: string; value: number; words: string }) {
  return (
    <li>
      <span class={`swatch swatch-${kind}`} aria-hidden="true" />
      {count(value)} {words}
    </li>
  );
}

function stepOf(key: string, grid: Grid): number | 'start' | 'end' | null {
  switch (key) {
    case 'ArrowLeft':
      return -1;
    case 'ArrowRight':
      return 1;
    case 'ArrowUp':
      return -grid.columns;
    case 'ArrowDown':
      return grid.columns;
    case 'PageUp':
      return -10 * grid.columns;
    case 'PageDown':
      return 10 * grid.columns;
    case 'Home':
      return 'start';
    case 'End':
      return 'end';
    default:
      return null;
  }
}

function cellUnder(event: PointerEvent, grid: Grid): number | null {
  const column = Math.min(grid.columns - 1, Math.floor(event.offsetX / grid.pitchX));
  const row = Math.min(grid.rows - 1, Math.floor(event.offsetY / grid.pitchY));
  const index = row * grid.columns + column;
  return index >= 0 && index < grid.cells ? index : null;
}

/** Stored is full, sending fills from below, failed is crossed, missing is an empty square: no state is colour alone. */
function draw(
  canvas: HTMLCanvasElement,
  grid: Grid,
  cellOf: (index: number) => Cell,
  marked: number | null,
  _scheme: boolean,
): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(grid.columns * grid.pitchX * scale);
  const height = Math.round((grid.rows * grid.pitchY - GAP) * scale);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const [stored, sending, failed, missing, ink] = [
    colour('--map-stored'), colour('--map-sending'), colour('--map-failed'), colour('--map-missing'), colour('--text'),
  ];

  context.clearRect(0, 0, width, height);
  for (let index = 0; index < grid.cells; index += 1) {
    // Edges lie on whole device pixels, so that cells are crisp.
    const column = index % grid.columns;
    const left = Math.round(column * grid.pitchX * scale);
    const right = Math.round(((column + 1) * grid.pitchX - GAP) * scale);
    const top = Math.round(Math.floor(index / grid.columns) * grid.pitchY * scale);
    const size = Math.round((grid.pitchY - GAP) * scale);
    const cell = cellOf(index);
    const fill = (style: string, from: number, share: number): void => {
      const begin = Math.round(size * from);
      const end = Math.round(size * (from + share));
      context.fillStyle = style;
      context.fillRect(left, top + size - end, right - left, end - begin);
    };
    fill(missing ?? '', 0, 1);
    if (cell.stored > 0) fill(stored ?? '', 0, Math.max(cell.stored, 0.08));
    if (cell.sending > 0) fill(sending ?? '', cell.stored, cell.sending);
    if (cell.failed) cross(context, failed ?? '', left, top, right - left, size, scale);
    if (index === marked) {
      context.strokeStyle = ink ?? '';
      context.lineWidth = 2 * scale;
      context.strokeRect(left + scale / 2, top + scale / 2, right - left - scale, size - scale);
    }
  }
}

function cross(
  context: CanvasRenderingContext2D,
  style: string,
  left: number,
  top: number,
  width: number,
  height: number,
  scale: number,
): void {
  const inset = 1.5 * scale;
  const side = Math.min(width, height) - 2 * inset;
  const x = left + (width - side) / 2;
  const y = top + inset;
  context.strokeStyle = style;
  context.lineWidth = 2 * scale;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + side, y + side);
  context.moveTo(x + side, y);
  context.lineTo(x, y + side);
  context.stroke();
}

function useWidth(element: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(640);
  useLayoutEffect(() => {
    const { current } = element;
    if (!current) return;
    setWidth(current.clientWidth || 640);
    const observer = new ResizeObserver(() => setWidth(current.clientWidth || 640));
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** Draws again when light turns dark. */
function useScheme(): boolean {
  const [dark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const change = (): void => setDark(query.matches);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);
  return dark;
}
