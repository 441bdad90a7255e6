/**
 * Sets of code points, interned: one id for every spelling of the same set.
 *
 * Shapes   ranges are flat pairs [low, high, low, high, …], sorted, disjoint, not touching.
 * Alphabet U+0001–U+D7FF and U+E000–U+10FFFF: what text can hold. Members outside of it are dropped.
 *          U+0000 is out because the engine never samples a token that begins with it, and
 *          surrogates because no well-formed text has one.
 */

export type Ranges = readonly number[];

const ALPHABET: Ranges = [0x1, 0xd7ff, 0xe000, 0x10ffff];

export class CharSets {
  readonly #byCodePoint = new Map<number, number>();
  readonly #byKey = new Map<string, number>();
  readonly #ranges: Ranges[] = [];

  single(codePoint: number): number {
    let id = this.#byCodePoint.get(codePoint);
    if (id === undefined) {
      id = this.of([codePoint, codePoint], false);
      this.#byCodePoint.set(codePoint, id);
    }
    return id;
  }

  /** Pairs in any order; a pair whose end is below its start holds nothing. */
  of(pairs: readonly number[], isNegated: boolean): number {
    const wanted = normalise(pairs);
    return this.#intern(isNegated ? subtract(ALPHABET, wanted) : intersect(ALPHABET, wanted));
  }

  get ranges(): readonly Ranges[] {
    return this.#ranges;
  }

  #intern(ranges: Ranges): number {
    const key = ranges.join();
    let id = this.#byKey.get(key);
    if (id === undefined) {
      id = this.#ranges.push(ranges) - 1;
      this.#byKey.set(key, id);
    }
    return id;
  }
}

export function hasCodePoint(ranges: Ranges, codePoint: number): boolean {
  let low = 0;
  let high = ranges.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[2 * middle + 1]! < codePoint) low = middle + 1;
    else high = middle;
  }
  return 2 * low < ranges.length && ranges[2 * low]! <= codePoint;
}

/** The sorted, disjoint form of pairs in any order. */
export function normalise(pairs: readonly number[]): Ranges {
  if (pairs.length === 2) return pairs[0]! <= pairs[1]! ? pairs : [];
  const sorted: [number, number][] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    if (pairs[i]! <= pairs[i + 1]!) sorted.push([pairs[i]!, pairs[i + 1]!]);
  }
  sorted.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [low, high] of sorted) {
    const last = out.length - 1;
    if (last > 0 && low <= out[last]! + 1) out[last] = Math.max(out[last]!, high);
    else out.push(low, high);
  }
  return out;
}

function intersect(a: Ranges, b: Ranges): Ranges {
  const out: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const low = Math.max(a[i]!, b[j]!);
    const high = Math.min(a[i + 1]!, b[j + 1]!);
    if (low <= high) out.push(low, high);
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return out;
}

function subtract(from: Ranges, what: Ranges): Ranges {
  const outside: number[] = [];
  let next = 0;
  for (let i = 0; i < what.length; i += 2) {
    if (next < what[i]!) outside.push(next, what[i]! - 1);
    next = what[i + 1]! + 1;
  }
  outside.push(next, Number.MAX_SAFE_INTEGER);
  return intersect(from, outside);
}
