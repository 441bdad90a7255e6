/**
 * A partition of 0…n-1 that can only be split further. Marking an element and splitting the blocks
 * that have marks costs as much as the marks, which is what makes the minimisation fast.
 *
 * Source  Valmari and Lehtinen, "Efficient minimization of DFAs with partial transition functions",
 *         STACS 2008.
 */
export class Partition {
  /** How many blocks there are. */
  count: number;
  /** The elements, block after block; block `b` has those from `first[b]` to `end[b]`. */
  readonly elements: Int32Array;
  readonly first: Int32Array;
  readonly end: Int32Array;
  readonly blockOf: Int32Array;

  readonly #placeOf: Int32Array;
  readonly #marks: Int32Array;
  readonly #touched: Int32Array;
  #touchedCount = 0;

  /** All elements in one block, or one block for each distinct key (keys are 0…keyCount-1). */
  constructor(size: number, keys?: Int32Array, keyCount = 1) {
    this.elements = new Int32Array(size);
    this.first = new Int32Array(size + 1);
    this.end = new Int32Array(size + 1);
    this.blockOf = new Int32Array(size);
    this.#placeOf = new Int32Array(size);
    this.#marks = new Int32Array(size + 1);
    this.#touched = new Int32Array(size + 1);
    this.count = 0;
    const starts = new Int32Array(keyCount + 1);
    for (let element = 0; element < size; element++) starts[(keys?.[element] ?? 0) + 1]!++;
    for (let key = 0; key < keyCount; key++) {
      const next = starts[key]! + starts[key + 1]!;
      if (starts[key + 1]! > 0) {
        this.first[this.count] = starts[key]!;
        this.end[this.count] = next;
        this.count++;
      }
      starts[key + 1] = next;
    }
    for (let element = 0; element < size; element++) {
      const place = starts[keys?.[element] ?? 0]!++;
      this.elements[place] = element;
      this.#placeOf[element] = place;
    }
    for (let block = 0; block < this.count; block++) {
      for (let place = this.first[block]!; place < this.end[block]!; place++) {
        this.blockOf[this.elements[place]!] = block;
      }
    }
  }

  /** At most once per element between two splits. */
  mark(element: number): void {
    const block = this.blockOf[element]!;
    const place = this.#placeOf[element]!;
    const free = this.first[block]! + this.#marks[block]!;
    const other = this.elements[free]!;
    this.elements[place] = other;
    this.#placeOf[other] = place;
    this.elements[free] = element;
    this.#placeOf[element] = free;
    if (this.#marks[block] === 0) this.#touched[this.#touchedCount++] = block;
    this.#marks[block]!++;
  }

  /** Separates the marked from the unmarked; the smaller half becomes the new block. */
  split(): void {
    while (this.#touchedCount > 0) {
      const block = this.#touched[--this.#touchedCount]!;
      const cut = this.first[block]! + this.#marks[block]!;
      const marked = this.#marks[block]!;
      this.#marks[block] = 0;
      if (cut === this.end[block]) continue;
      const made = this.count++;
      if (marked <= this.end[block]! - cut) {
        this.first[made] = this.first[block]!;
        this.end[made] = cut;
        this.first[block] = cut;
      } else {
        this.first[made] = cut;
        this.end[made] = this.end[block]!;
        this.end[block] = cut;
      }
      for (let place = this.first[made]!; place < this.end[made]!; place++) {
        this.blockOf[this.elements[place]!] = made;
      }
    }
  }
}
