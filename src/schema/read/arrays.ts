/** The keywords about arrays, as one shape. */
import type { Place, Places } from '../document/places.ts';
import { ANY_ARRAY, type ArrayShape, type Contains } from '../ir/array-shape.ts';
import type { Sets } from '../ir/sets.ts';
import { ANY, type Term } from '../ir/term.ts';
import { EVERYTHING } from '../ir/whole.ts';
import { UnsupportedSchema } from '../unsupported.ts';
import { count, flag, type Keywords, list } from './expect.ts';
import { evaluatedItems } from './unevaluated.ts';

const KEYWORDS = [
  ...['items', 'prefixItems', 'additionalItems', 'contains', 'minItems', 'maxItems', 'uniqueItems'],
  'unevaluatedItems',
];
/** Each is counted in the states of an automaton. */
const CONTAINS_MAX = 8;

export function readArrays(place: Place, places: Places, sets: Sets): readonly Term[] {
  const schema = place.schema as Keywords;
  if (!KEYWORDS.some((keyword) => keyword in schema)) return [];
  const { prefix, rest } = items(place, places, sets);
  const shape: ArrayShape = {
    ...ANY_ARRAY,
    prefix,
    rest,
    min: count(place, 'minItems') ?? 0,
    max: count(place, 'maxItems') ?? Number.POSITIVE_INFINITY,
    contains: contains(place, places, sets),
    isUnique: flag(place, 'uniqueItems') ?? false,
  };
  return [sets.of({ ...EVERYTHING, arrays: [shape] })];
}

interface Items {
  readonly prefix: readonly Term[];
  readonly rest: Term;
}

function items(place: Place, places: Places, sets: Sets): Items {
  const schema = place.schema as Keywords;
  const { hasItemLists, hasPrefixItems, has2019 } = places.spelling;
  const listed = (keyword: string) =>
    (list(place, keyword) ?? []).map((_, index) =>
      sets.terms.place(places.below(place, keyword, index)),
    );
  const one = (keyword: string) => sets.terms.place(places.below(place, keyword));
  if (Array.isArray(schema.items) && hasItemLists) {
    const rest = 'additionalItems' in schema ? one('additionalItems') : undefined;
    return { prefix: listed('items'), rest: rest ?? unevaluated() };
  }
  const prefix = hasPrefixItems ? listed('prefixItems') : [];
  return { prefix, rest: 'items' in schema ? one('items') : unevaluated(prefix.length) };

  function unevaluated(own = 0): Term {
    if (!has2019 || !('unevaluatedItems' in schema)) return ANY;
    const evaluated = evaluatedItems(place, places);
    if (evaluated === Number.POSITIVE_INFINITY) return ANY;
    if (evaluated > own) {
      throw new UnsupportedSchema(
        'unevaluatedItems',
        place.pointer,
        'it is not enforced beside longer tuples of others',
      );
    }
    return one('unevaluatedItems');
  }
}

function contains(place: Place, places: Places, sets: Sets): readonly Contains[] {
  const { has2019, has6 } = places.spelling;
  if (!has6 || !('contains' in (place.schema as Keywords))) return [];
  const value = sets.terms.place(places.below(place, 'contains'));
  const min = (has2019 ? count(place, 'minContains') : undefined) ?? 1;
  const max = (has2019 ? count(place, 'maxContains') : undefined) ?? Number.POSITIVE_INFINITY;
  if (min === 0 && max === Number.POSITIVE_INFINITY) return [];
  const counted = Number.isFinite(max) ? Math.max(min, max) : min;
  if (counted > CONTAINS_MAX) {
    const keyword = Number.isFinite(max) ? 'maxContains' : 'minContains';
    throw new UnsupportedSchema(
      keyword,
      place.pointer,
      `up to ${CONTAINS_MAX} can be counted, not ${counted}`,
    );
  }
  return [{ value, from: 0, min, max }];
}
