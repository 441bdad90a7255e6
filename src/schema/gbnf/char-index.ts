/** Answers whether a character set holds a code point: a bit for ASCII, a search for the rest. */
import { hasCodePoint, type Ranges } from './char-set.ts';

export class CharIndex {
  readonly #ranges: readonly Ranges[];
  /** Four words of 32 bits for each set. */
  readonly #ascii: Uint32Array;

  constructor(sets: readonly Ranges[]) {
    this.#ranges = sets;
    this.#ascii = new Uint32Array(4 * sets.length);
    for (let set = 0; set < sets.length; set++) {
      const ranges = sets[set]!;
      for (let i = 0; i < ranges.length && ranges[i]! < 0x80; i += 2) {
        const high = Math.min(ranges[i + 1]!, 0x7f);
        for (let code = ranges[i]!; code <= high; code++) {
          this.#ascii[4 * set + (code >> 5)]! |= 1 << (code & 31);
        }
      }
    }
  }

  has(set: number, codePoint: number): boolean {
    if (codePoint < 0x80) {
      return ((this.#ascii[4 * set + (codePoint >> 5)]! >>> (codePoint & 31)) & 1) === 1;
    }
    return hasCodePoint(this.#ranges[set]!, codePoint);
  }
}
