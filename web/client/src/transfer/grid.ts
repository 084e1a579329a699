/** How a file is cut into parts: all equal but the last. Sizes in bytes, part numbers from 1. */
export class Grid {
  readonly totalParts: number;

  constructor(
    readonly size: number,
    readonly partSize: number,
  ) {
    this.totalParts = partSize > 0 ? Math.ceil(size / partSize) : 0;
  }

  offset(number: number): number {
    return (number - 1) * this.partSize;
  }

  length(number: number): number {
    return Math.max(0, Math.min(this.partSize, this.size - this.offset(number)));
  }

  /** The bytes of a part, without reading them; the file itself where it is all of it. */
  slice(file: Blob, number: number): Blob {
    if (this.totalParts === 1) return file;
    const offset = this.offset(number);
    return file.slice(offset, offset + this.length(number));
  }

  /** The numbers in inclusive ranges, as problems name missing parts. */
  numbers(ranges: readonly (readonly number[])[]): number[] {
    const numbers: number[] = [];
    for (const [first = 1, last = first] of ranges) {
      for (let number = Math.max(1, first); number <= Math.min(last, this.totalParts); number += 1) {
        numbers.push(number);
      }
    }
    return numbers;
  }
}
