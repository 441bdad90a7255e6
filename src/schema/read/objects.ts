/** The keywords about objects, as one shape; and those that make alternatives, as formulas beside it. */
import { type Place, type Places, shown } from '../document/places.ts';
import { ANY_OBJECT, type Cell, declare, type ObjectShape, toCells } from '../ir/object-shape.ts';
import { type Presence, TRUE } from '../ir/presence.ts';
import type { Sets } from '../ir/sets.ts';
import {
  ALL_STRINGS,
  hasString,
  intersectStrings,
  isEmptyStrings,
  type StringSet,
  stringsOf,
  subtractStrings,
} from '../ir/strings.ts';
import { ANY, NEVER, type Term } from '../ir/term.ts';
import { EVERYTHING } from '../ir/whole.ts';
import { UnsupportedSchema } from '../unsupported.ts';
import { byName, count, type Keywords, names as namesOf } from './expect.ts';
import { patternStrings } from './strings.ts';
import { evaluatedKeys } from './unevaluated.ts';

const SHAPING = [
  ...['properties', 'patternProperties', 'additionalProperties', 'propertyNames', 'required'],
  ...['minProperties', 'maxProperties', 'unevaluatedProperties'],
];

export function readObjects(place: Place, places: Places, sets: Sets): readonly Term[] {
  const schema = place.schema as Keywords;
  const found: Term[] = [];
  if (SHAPING.some((keyword) => keyword in schema)) {
    found.push(objects(toShape(place, places, sets), sets));
  }
  const { has2019, hasDependencies } = places.spelling;
  if (has2019) {
    for (const [name, needed] of Object.entries(byName(place, 'dependentRequired') ?? {})) {
      found.push(needs(name, toNames(needed, place, 'dependentRequired'), sets));
    }
    for (const name of Object.keys(byName(place, 'dependentSchemas') ?? {})) {
      found.push(follows(name, places.below(place, 'dependentSchemas', name), sets));
    }
  }
  if (hasDependencies) {
    for (const [name, needed] of Object.entries(byName(place, 'dependencies') ?? {})) {
      found.push(
        Array.isArray(needed) || typeof needed === 'string'
          ? needs(name, toNames(needed, place, 'dependencies'), sets)
          : follows(name, places.below(place, 'dependencies', name), sets),
      );
    }
  }
  return found;
}

function objects(shape: ObjectShape, sets: Sets): Term {
  return sets.of({ ...EVERYTHING, objects: [shape] });
}

function toShape(place: Place, places: Places, sets: Sets): ObjectShape {
  const { terms, presences } = sets;
  const schema = place.schema as Keywords;
  const properties = byName(place, 'properties') ?? {};
  const required = namesOf(place, 'required') ?? [];
  const patterns = Object.keys(byName(place, 'patternProperties') ?? {}).map((pattern) => ({
    keys: patternStrings(pattern, { keyword: 'patternProperties', pointer: place.pointer }),
    value: terms.place(places.below(place, 'patternProperties', pattern)),
  }));
  const others = othersOf(place, places, sets);
  const termOf = (name: string): Term => {
    const parts = patterns.filter(({ keys }) => hasString(keys, name)).map(({ value }) => value);
    if (Object.hasOwn(properties, name))
      parts.push(terms.place(places.below(place, 'properties', name)));
    return parts.length === 0 ? others.valueAt(name) : terms.and(parts);
  };
  const declared = [...new Set([...Object.keys(properties), ...required])];
  const own = stringsOf(declared);
  let names = new Map(declared.map((name) => [name, termOf(name)]));
  let cells = cellsOf(patterns, others.cells, sets).map(({ keys, value }) => ({
    keys: declared.length === 0 ? keys : subtractStrings(keys, own),
    value,
  }));
  if (places.spelling.has6 && 'propertyNames' in schema) {
    const allowed = sets.expand(terms.place(places.below(place, 'propertyNames'))).strings;
    names = new Map(
      [...names].map(([name, value]) => [name, hasString(allowed, name) ? value : NEVER]),
    );
    const outside = subtractStrings(ALL_STRINGS, allowed);
    cells = [
      ...cells.map(({ keys, value }) => ({ keys: intersectStrings(keys, allowed), value })),
      { keys: subtractStrings(outside, own), value: NEVER },
    ];
  }
  const presence: Presence = required.length === 0 ? TRUE : presences.all(required);
  return {
    names,
    cells: toCells(cells),
    presence,
    min: count(place, 'minProperties') ?? 0,
    max: count(place, 'maxProperties') ?? Number.POSITIVE_INFINITY,
    some: [],
  };
}

interface Others {
  readonly cells: readonly Cell[];
  valueAt(name: string): Term;
}

/** What stands under names that neither `properties` nor a pattern speaks of. */
function othersOf(place: Place, places: Places, sets: Sets): Others {
  const schema = place.schema as Keywords;
  if ('additionalProperties' in schema) {
    const value = sets.terms.place(places.below(place, 'additionalProperties'));
    return { cells: [{ keys: ALL_STRINGS, value }], valueAt: () => value };
  }
  if (places.spelling.has2019 && 'unevaluatedProperties' in schema) {
    const value = sets.terms.place(places.below(place, 'unevaluatedProperties'));
    const evaluated = evaluatedKeys(place, places);
    const cells = toCells([
      { keys: evaluated, value: ANY },
      { keys: subtractStrings(ALL_STRINGS, evaluated), value },
    ]);
    return { cells, valueAt: (name) => (hasString(evaluated, name) ? ANY : value) };
  }
  return { cells: ANY_OBJECT.cells, valueAt: () => ANY };
}

/** The partition that the patterns make: each class has the values of all that match it. */
function cellsOf(
  patterns: readonly Cell[],
  others: readonly Cell[],
  { terms }: Sets,
): readonly Cell[] {
  let cells: readonly { keys: StringSet; parts: readonly Term[] }[] = [
    { keys: ALL_STRINGS, parts: [] },
  ];
  for (const { keys: pattern, value } of patterns) {
    cells = cells.flatMap(({ keys, parts }) =>
      [
        { keys: intersectStrings(keys, pattern), parts: [...parts, value] },
        { keys: subtractStrings(keys, pattern), parts },
      ].filter((cell) => !isEmptyStrings(cell.keys)),
    );
  }
  return cells.flatMap(({ keys, parts }) =>
    parts.length > 0
      ? [{ keys, value: terms.and(parts) }]
      : others.map((other) => ({
          keys: other.keys === ALL_STRINGS ? keys : intersectStrings(keys, other.keys),
          value: other.value,
        })),
  );
}

/** With `name` there are all of `needed`. */
function needs(name: string, needed: readonly string[], sets: Sets): Term {
  const { presences } = sets;
  const presence = presences.implies(presences.has(name), presences.all(needed));
  return objects({ ...declare(ANY_OBJECT, [name, ...needed]), presence }, sets);
}

/** With `name` the whole object is of `schema`. */
function follows(name: string, schema: Place, sets: Sets): Term {
  const presence = sets.presences.not(sets.presences.has(name));
  const without = objects({ ...declare(ANY_OBJECT, [name]), presence }, sets);
  return sets.terms.or([without, sets.terms.place(schema)]);
}

function toNames(value: unknown, place: Place, keyword: string): readonly string[] {
  const found = typeof value === 'string' ? [value] : value;
  if (Array.isArray(found) && found.every((one) => typeof one === 'string')) return found;
  throw new UnsupportedSchema(
    keyword,
    place.pointer,
    `expected lists of names, not ${shown(value)}`,
  );
}
