/**
 * A set of arrays: what stands at each place, how long it is, and of what it contains how many.
 *
 * Intersections of shapes are shapes; the complement of one is a union of shapes, each of which breaks
 * one thing.
 *
 * Units   lengths and counts are numbers of items; maxima may be infinite.
 */
import { ANY, type Term, type TermAlgebra } from './term.ts';

export interface ArrayShape {
  /** What the first items are, as far as they exist. */
  readonly prefix: readonly Term[];
  /** What every later item is. */
  readonly rest: Term;
  readonly min: number;
  readonly max: number;
  readonly contains: readonly Contains[];
  /** No two items are equal. */
  readonly isUnique: boolean;
}

/** Of the items from `from` on, `min` to `max` are of `value`. */
export interface Contains {
  readonly value: Term;
  readonly from: number;
  readonly min: number;
  readonly max: number;
}

export const ANY_ARRAY: ArrayShape = {
  prefix: [],
  rest: ANY,
  min: 0,
  max: Number.POSITIVE_INFINITY,
  contains: [],
  isUnique: false,
};

export function itemAt(shape: ArrayShape, index: number): Term {
  return shape.prefix[index] ?? shape.rest;
}

export function intersectArrays(a: ArrayShape, b: ArrayShape, terms: TermAlgebra): ArrayShape {
  const length = Math.max(a.prefix.length, b.prefix.length);
  return {
    prefix: Array.from({ length }, (_, index) => terms.and([itemAt(a, index), itemAt(b, index)])),
    rest: terms.and([a.rest, b.rest]),
    min: Math.max(a.min, b.min),
    max: Math.min(a.max, b.max),
    contains: uniqueContains([...a.contains, ...b.contains]),
    isUnique: a.isUnique || b.isUnique,
  };
}

/** Undefined where it cannot be said: arrays of which two items are equal. */
export function complementArray(
  shape: ArrayShape,
  terms: TermAlgebra,
): readonly ArrayShape[] | undefined {
  if (shape.isUnique) return undefined;
  const { prefix, rest, min, max, contains } = shape;
  const found: ArrayShape[] = [];
  if (min > 0) found.push({ ...ANY_ARRAY, max: min - 1 });
  if (max < Number.POSITIVE_INFINITY) found.push({ ...ANY_ARRAY, min: max + 1 });
  for (const [index, item] of prefix.entries()) {
    if (item === ANY) continue;
    const broken = Array.from({ length: index }, () => ANY);
    found.push({ ...ANY_ARRAY, prefix: [...broken, terms.not(item)], min: index + 1 });
  }
  if (rest !== ANY) {
    const one = {
      value: terms.not(rest),
      from: prefix.length,
      min: 1,
      max: Number.POSITIVE_INFINITY,
    };
    found.push({ ...ANY_ARRAY, min: prefix.length + 1, contains: [one] });
  }
  for (const one of contains) {
    if (one.min > 0) found.push({ ...ANY_ARRAY, contains: [{ ...one, min: 0, max: one.min - 1 }] });
    if (one.max < Number.POSITIVE_INFINITY) {
      const more = { ...one, min: one.max + 1, max: Number.POSITIVE_INFINITY };
      found.push({ ...ANY_ARRAY, contains: [more] });
    }
  }
  return found;
}

/** Equal shapes have equal keys. */
export function keyOfArray({ prefix, rest, min, max, contains, isUnique }: ArrayShape): string {
  const counted = contains.map(
    ({ value, from, ...count }) => `${value}@${from}:${count.min}-${count.max}`,
  );
  return `[${prefix.join()};${rest};${min}-${max};${counted.sort().join()};${isUnique}]`;
}

function uniqueContains(contains: readonly Contains[]): readonly Contains[] {
  const found = new Map<string, Contains>();
  for (const one of contains) {
    const key = `${one.value}@${one.from}`;
    const before = found.get(key);
    found.set(key, {
      ...one,
      min: Math.max(one.min, before?.min ?? 0),
      max: Math.min(one.max, before?.max ?? Number.POSITIVE_INFINITY),
    });
  }
  return [...found.values()];
}
