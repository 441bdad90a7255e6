/** The keywords about numbers. */

import type { Spelling } from '../document/dialect.ts';
import type { Place } from '../document/places.ts';
import { multiplesOf, type NumberSet, rangeOf } from '../ir/numbers.ts';
import type { Sets } from '../ir/sets.ts';
import type { Term } from '../ir/term.ts';
import { EVERYTHING } from '../ir/whole.ts';
import { UnsupportedSchema } from '../unsupported.ts';
import { type Keywords, number } from './expect.ts';

export function readNumbers(place: Place, spelling: Spelling, sets: Sets): readonly Term[] {
  const found: NumberSet[] = [];
  const lower = bound(place, spelling, 'minimum', 'exclusiveMinimum');
  const upper = bound(place, spelling, 'maximum', 'exclusiveMaximum');
  for (const { value, isExclusive } of lower) {
    found.push(rangeOf({ min: value, isExclusive }));
  }
  for (const { value, isExclusive } of upper) {
    found.push(rangeOf({ max: value, isExclusive }));
  }
  const step = number(place, 'multipleOf');
  if (step !== undefined) {
    if (step <= 0) {
      throw new UnsupportedSchema(
        'multipleOf',
        place.pointer,
        `expected a number above 0, not ${step}`,
      );
    }
    try {
      found.push(multiplesOf(step));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new UnsupportedSchema('multipleOf', place.pointer, error.message);
    }
  }
  return found.map((numbers) => sets.of({ ...EVERYTHING, numbers }));
}

interface Bound {
  readonly value: number;
  readonly isExclusive: boolean;
}

/** Draft 4 wrote `true` where later ones write a second number. */
function bound(
  place: Place,
  { hasBooleanBounds, has6 }: Spelling,
  plain: string,
  exclusive: string,
): readonly Bound[] {
  const value = number(place, plain);
  const own = (place.schema as Keywords)[exclusive];
  if (typeof own === 'boolean' && hasBooleanBounds) {
    return value === undefined ? [] : [{ value, isExclusive: own }];
  }
  const inclusive = value === undefined ? [] : [{ value, isExclusive: false }];
  const limit = has6 ? number(place, exclusive) : undefined;
  return limit === undefined ? inclusive : [...inclusive, { value: limit, isExclusive: true }];
}
