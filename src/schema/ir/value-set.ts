/**
 * A set of JSON values, worked out one level deep: one part for each type. What is inside arrays and
 * objects stays a term, so that recursion stops at each level.
 *
 * Shapes  `arrays` and `objects` are unions; an empty list is no array, no object at all.
 */
import type { ArrayShape } from './array-shape.ts';
import type { NumberSet } from './numbers.ts';
import type { ObjectShape } from './object-shape.ts';
import type { StringSet } from './strings.ts';

export interface ValueSet {
  readonly hasNull: boolean;
  readonly hasTrue: boolean;
  readonly hasFalse: boolean;
  readonly numbers: NumberSet;
  readonly strings: StringSet;
  readonly arrays: readonly ArrayShape[];
  readonly objects: readonly ObjectShape[];
}
