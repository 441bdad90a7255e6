/**
 * Sets of code points as sorted ranges. Pure.
 *
 * Shapes  a flat list `[from, to, from, to, …]`, both ends included, ascending, disjoint and not
 *         adjacent, so that equal sets are equal lists. Flat, because a property of Unicode has
 *         several hundred ranges and they are walked often.
 * The universe is every code point but the surrogates: text has no lone ones.
 */

export type Ranges = readonly number[];

const MAX_CODE_POINT = 0x10ffff;
export const EVERY_CODE_POINT: Ranges = [0, 0xd7ff, 0xe000, MAX_CODE_POINT];

/** Any ranges, in any order and overlapping, as a set. */
export function toRanges(pairs: Ranges): Ranges {
  if (isSorted(pairs)) return pairs;
  const order = Array.from({ length: pairs.length / 2 }, (_, index) => index * 2);
  order.sort((a, b) => pairs[a]! - pairs[b]!);
  const set: number[] = [];
  for (const at of order) {
    const from = pairs[at]!;
    const to = pairs[at + 1]!;
    const end = set.length - 1;
    if (end > 0 && from <= set[end]! + 1) set[end] = Math.max(set[end]!, to);
    else set.push(from, to);
  }
  return set;
}

export function uniteRanges(a: Ranges, b: Ranges): Ranges {
  if (a.length === 0) return b;
  return b.length === 0 ? a : toRanges([...a, ...b]);
}

export function intersectRanges(a: Ranges, b: Ranges): Ranges {
  const set: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const from = Math.max(a[i]!, b[j]!);
    const to = Math.min(a[i + 1]!, b[j + 1]!);
    if (from <= to) set.push(from, to);
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return set;
}

/** What `universe` has beside `set`. */
export function complementRanges(set: Ranges, universe: Ranges = EVERY_CODE_POINT): Ranges {
  const gaps: number[] = [];
  let next = 0;
  for (let at = 0; at < set.length; at += 2) {
    if (next < set[at]!) gaps.push(next, set[at]! - 1);
    next = set[at + 1]! + 1;
  }
  if (next <= MAX_CODE_POINT) gaps.push(next, MAX_CODE_POINT);
  return intersectRanges(gaps, universe);
}

export function hasCodePoint(set: Ranges, code: number): boolean {
  for (let at = 0; at < set.length; at += 2) if (code <= set[at + 1]!) return code >= set[at]!;
  return false;
}

function isSorted(pairs: Ranges): boolean {
  for (let at = 2; at < pairs.length; at += 2) if (pairs[at]! <= pairs[at - 1]! + 1) return false;
  return true;
}
