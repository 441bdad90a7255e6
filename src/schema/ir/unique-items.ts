/**
 * `uniqueItems`, where it can be enforced: arrays of at most one item, tuples whose places have nothing in
 * common, and arrays over few values, where a state holds which of them have been used.
 *
 * Errors  UnsupportedSchema for everything else; ShapeBudgetError where the states are too many.
 */
import { UnsupportedSchema } from '../unsupported.ts';
import { type ArrayAutomaton, toArrayAutomaton } from './array-automaton.ts';
import { type ArrayShape, itemAt } from './array-shape.ts';
import type { Expander } from './expander.ts';
import { enumerateNumbers, numbersOf } from './numbers.ts';
import { ShapeBudgetError, STATES_MAX } from './shape-budget.ts';
import { enumerateStrings, stringsOf } from './strings.ts';
import { NEVER, type Term } from './term.ts';
import { NOTHING } from './whole.ts';

const VALUES_MAX = 16;

export function uniqueAutomaton(shape: ArrayShape, sets: Expander): ArrayAutomaton {
  const { terms } = sets;
  const length = shape.rest === NEVER ? Math.min(shape.max, shape.prefix.length) : shape.max;
  if (length <= 1 || isDisjoint(shape, length, sets)) {
    return toArrayAutomaton({ ...shape, max: length, isUnique: false }, terms);
  }
  if (shape.contains.length > 0) throw refused('beside `contains`');
  const places = [...shape.prefix, shape.rest];
  const values = new Map<Term, number>();
  const byPlace = places.map((place) => {
    const found = valuesOf(place, sets);
    if (found === undefined)
      throw refused(`where items have more than ${VALUES_MAX} values, or are arrays or objects`);
    for (const value of found) if (!values.has(value)) values.set(value, values.size);
    return found;
  });
  if (values.size > VALUES_MAX) throw refused(`over more than ${VALUES_MAX} values`);

  const states: { isEnd: boolean; edges: { item: Term; to: number }[] }[] = [];
  const ids = new Map<number, number>();
  const open: { readonly index: number; readonly used: number }[] = [];
  const idOf = (index: number, used: number): number => {
    // The number of items is the number of bits, so the mask says the index, too.
    const key = used;
    const known = ids.get(key);
    if (known !== undefined) return known;
    if (states.length >= STATES_MAX) throw new ShapeBudgetError('an array of different items');
    ids.set(key, states.length);
    states.push({ isEnd: index >= shape.min && index <= shape.max, edges: [] });
    open.push({ index, used });
    return states.length - 1;
  };
  idOf(0, 0);
  for (let at = 0; at < open.length; at++) {
    const { index, used } = open[at]!;
    if (index >= shape.max) continue;
    for (const value of byPlace[Math.min(index, shape.prefix.length)]!) {
      const bit = 1 << values.get(value)!;
      if ((used & bit) !== 0) continue;
      states[at]!.edges.push({ item: value, to: idOf(index + 1, used | bit) });
    }
  }
  return { states };
}

function isDisjoint(shape: ArrayShape, length: number, sets: Expander): boolean {
  if (length > shape.prefix.length) return false;
  for (let one = 0; one < length; one++) {
    for (let other = one + 1; other < length; other++) {
      const both = sets.terms.and([itemAt(shape, one), itemAt(shape, other)]);
      if (!sets.isEmpty(both)) return false;
    }
  }
  return true;
}

/** One term for each value; undefined where there are too many, or arrays and objects among them. */
function valuesOf(term: Term, sets: Expander): readonly Term[] | undefined {
  const { hasNull, hasTrue, hasFalse, numbers, strings, arrays, objects } = sets.expand(term);
  if (arrays.length > 0 || objects.length > 0) return undefined;
  const texts = enumerateStrings(strings, VALUES_MAX);
  const counted = enumerateNumbers(numbers, VALUES_MAX);
  if (texts === undefined || counted === undefined) return undefined;
  return [
    ...(hasNull ? [sets.of({ ...NOTHING, hasNull })] : []),
    ...(hasTrue ? [sets.of({ ...NOTHING, hasTrue })] : []),
    ...(hasFalse ? [sets.of({ ...NOTHING, hasFalse })] : []),
    ...texts.map((text) => sets.of({ ...NOTHING, strings: stringsOf([text]) })),
    ...counted.map((number) => sets.of({ ...NOTHING, numbers: numbersOf([number]) })),
  ];
}

function refused(where: string): UnsupportedSchema {
  return new UnsupportedSchema('uniqueItems', '', `it cannot be enforced ${where}`);
}
