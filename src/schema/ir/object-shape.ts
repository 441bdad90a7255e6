/**
 * A set of objects, as an unordered set of constraints on keys: what stands under each declared name, what
 * under each class of other names, which sets of names may be there, how many, and of what some must be.
 *
 * The cells are disjoint, hold none of the declared names, and together with these are all strings. The
 * order of `names` is that in which they are written; it says nothing about the set.
 *
 * Units   `min` and `max` are numbers of different keys; `max` may be infinite.
 */
import type { Presence, PresenceStore } from './presence.ts';
import { TRUE } from './presence.ts';
import {
  ALL_STRINGS,
  hasString,
  intersectStrings,
  isEmptyStrings,
  keyOfStrings,
  type StringSet,
  stringsOf,
  subtractStrings,
  unionStrings,
} from './strings.ts';
import { ANY, NEVER, type Term, type TermAlgebra } from './term.ts';

export interface ObjectShape {
  readonly names: ReadonlyMap<string, Term>;
  readonly cells: readonly Cell[];
  readonly presence: Presence;
  readonly min: number;
  readonly max: number;
  /** At least one key of each, with its value. */
  readonly some: readonly Cell[];
}

export interface Cell {
  readonly keys: StringSet;
  readonly value: Term;
}

export const ANY_OBJECT: ObjectShape = {
  names: new Map(),
  cells: [{ keys: ALL_STRINGS, value: ANY }],
  presence: TRUE,
  min: 0,
  max: Number.POSITIVE_INFINITY,
  some: [],
};

/** What may stand under `name`. */
export function valueAt(shape: ObjectShape, name: string): Term {
  return (
    shape.names.get(name) ?? shape.cells.find(({ keys }) => hasString(keys, name))?.value ?? NEVER
  );
}

/** The same set, with `names` declared. */
export function declare(shape: ObjectShape, names: Iterable<string>): ObjectShape {
  const added = [...new Set(names)].filter((name) => !shape.names.has(name));
  if (added.length === 0) return shape;
  const own = stringsOf(added);
  return {
    ...shape,
    names: new Map([...shape.names, ...added.map((name) => [name, valueAt(shape, name)] as const)]),
    cells: toCells(
      shape.cells.map(({ keys, value }) => ({ keys: subtractStrings(keys, own), value })),
    ),
  };
}

export interface Stores {
  readonly terms: TermAlgebra;
  readonly presences: PresenceStore;
}

export function intersectObjects(a: ObjectShape, b: ObjectShape, stores: Stores): ObjectShape {
  const { terms, presences } = stores;
  const left = declare(a, b.names.keys());
  const right = declare(b, a.names.keys());
  const names = new Map<string, Term>();
  for (const [name, value] of left.names) {
    names.set(name, terms.and([value, right.names.get(name) ?? NEVER]));
  }
  const cells = left.cells.flatMap((one) =>
    right.cells.map((other) => ({
      keys: one.keys === other.keys ? one.keys : intersectStrings(one.keys, other.keys),
      value: terms.and([one.value, other.value]),
    })),
  );
  return {
    names,
    cells: toCells(cells),
    presence: presences.and(a.presence, b.presence),
    min: Math.max(a.min, b.min),
    max: Math.min(a.max, b.max),
    some: uniqueSome([...a.some, ...b.some]),
  };
}

/** A union of shapes, each of which breaks one thing. */
export function complementObject(shape: ObjectShape, stores: Stores): readonly ObjectShape[] {
  const { terms, presences } = stores;
  const found: ObjectShape[] = [];
  if (shape.presence !== TRUE) {
    const presence = presences.not(shape.presence);
    found.push({ ...declare(ANY_OBJECT, presences.names(presence)), presence });
  }
  for (const [name, value] of shape.names) {
    if (value === ANY) continue;
    const names = new Map([[name, terms.not(value)]]);
    found.push({ ...declare(ANY_OBJECT, [name]), names, presence: presences.has(name) });
  }
  for (const { keys, value } of shape.cells) {
    if (value === ANY) continue;
    found.push({ ...ANY_OBJECT, some: [{ keys, value: terms.not(value) }] });
  }
  if (shape.min > 0) found.push({ ...ANY_OBJECT, max: shape.min - 1 });
  if (shape.max < Number.POSITIVE_INFINITY) found.push({ ...ANY_OBJECT, min: shape.max + 1 });
  for (const { keys, value } of shape.some) {
    const others = { keys: subtractStrings(ALL_STRINGS, keys), value: ANY };
    found.push({ ...ANY_OBJECT, cells: toCells([{ keys, value: terms.not(value) }, others]) });
  }
  return found;
}

/** Two shapes that differ in what may be present only, as one; else undefined. */
export function mergeObjects(
  a: ObjectShape,
  b: ObjectShape,
  { presences }: Stores,
): ObjectShape | undefined {
  // Most do not even agree on a name, which is cheaper to see than the rest.
  if (a.min !== b.min || a.max !== b.max || !agrees(a, b) || !agrees(b, a)) return undefined;
  const left = declare(a, b.names.keys());
  const right = declare(b, a.names.keys());
  if (keyOfObject({ ...left, presence: TRUE }) !== keyOfObject({ ...right, presence: TRUE })) {
    return undefined;
  }
  return { ...left, presence: presences.or(a.presence, b.presence) };
}

/** Under the names of `a` both have the same. */
function agrees(a: ObjectShape, b: ObjectShape): boolean {
  for (const [name, value] of a.names) if (valueAt(b, name) !== value) return false;
  return true;
}

/** Equal shapes have equal keys. The order of names counts: it is the order of the answer. */
export function keyOfObject({ names, cells, presence, min, max, some }: ObjectShape): string {
  const declared = [...names].map(([name, value]) => `${JSON.stringify(name)}${value}`);
  const others = cells.map(keyOfCell).sort();
  return `{${declared.join()};${others.join()};${presence};${min}-${max};${some.map(keyOfCell).sort().join()}}`;
}

/** Empty ones go, and those with equal values become one. */
export function toCells(cells: readonly Cell[]): readonly Cell[] {
  const byValue = new Map<Term, StringSet>();
  for (const { keys, value } of cells) {
    if (isEmptyStrings(keys)) continue;
    const before = byValue.get(value);
    byValue.set(value, before === undefined ? keys : unionStrings(before, keys));
  }
  return [...byValue].map(([value, keys]) => ({ keys, value }));
}

function keyOfCell({ keys, value }: Cell): string {
  return `${keyOfStrings(keys)}:${value}`;
}

function uniqueSome(some: readonly Cell[]): readonly Cell[] {
  return [...new Map(some.map((one) => [keyOfCell(one), one])).values()];
}
