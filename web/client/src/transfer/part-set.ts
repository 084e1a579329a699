/** Part numbers in ascending order. Made for 10,000 of them: the lowest is found without sorting. */
export class PartSet {
  readonly #members: Uint8Array;
  #size = 0;
  /** No member is below. */
  #lowest: number;

  constructor(totalParts: number) {
    this.#members = new Uint8Array(totalParts + 1);
    this.#lowest = totalParts + 1;
  }

  get size(): number {
    return this.#size;
  }

  has(number: number): boolean {
    return this.#members[number] === 1;
  }

  add(number: number): void {
    if (number < 1 || number >= this.#members.length || this.has(number)) return;
    this.#members[number] = 1;
    this.#size += 1;
    this.#lowest = Math.min(this.#lowest, number);
  }

  /** Whether it was a member. */
  delete(number: number): boolean {
    if (!this.has(number)) return false;
    this.#members[number] = 0;
    this.#size -= 1;
    return true;
  }

  /** Takes out the lowest. */
  shift(): number | undefined {
    for (const number of this) {
      this.delete(number);
      return number;
    }
    return undefined;
  }

  /** Ascending. Members may be deleted on the way. */
  *[Symbol.iterator](): Generator<number> {
    let first = true;
    for (let number = this.#lowest; number < this.#members.length && this.#size > 0; number += 1) {
      if (this.#members[number] !== 1) continue;
      if (first) this.#lowest = number;
      first = false;
      yield number;
    }
    if (first) this.#lowest = this.#members.length;
  }
}
