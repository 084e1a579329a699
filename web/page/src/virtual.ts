/** Which rows of a long list are worth having in the document. */
export interface Span {
  /** Index of the first row, and the one behind the last. */
  readonly first: number;
  readonly end: number;
}

/** The rows that overlap `top` to `bottom`, in pixels from the list's start. */
export function spanOf(length: number, heightOf: (index: number) => number, top: number, bottom: number): Span {
  let offset = 0;
  let first = 0;
  while (first < length) {
    const height = heightOf(first);
    if (offset + height > top) break;
    offset += height;
    first += 1;
  }
  let end = first;
  while (end < length && offset < bottom) {
    offset += heightOf(end);
    end += 1;
  }
  return { first, end };
}

/** The height of the rows from `first` up to, but without, `end`. */
export function heightBetween(heightOf: (index: number) => number, first: number, end: number): number {
  let height = 0;
  for (let index = first; index < end; index += 1) height += heightOf(index);
  return height;
}
