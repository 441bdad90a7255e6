/**
 * Whether a value is in the set of a term: by the sets themselves, and not by the text of a grammar. Used to
 * choose an order of keys, so that a wrong verdict costs an order and never a check.
 */
import { accepts } from '../automata/dfa.ts';
import { type ArrayShape, itemAt } from './array-shape.ts';
import { type Cell, type ObjectShape, valueAt } from './object-shape.ts';
import type { Sets } from './sets.ts';
import { hasString } from './strings.ts';
import type { Term } from './term.ts';

function hasValue(term: Term, value: unknown, sets: Sets): boolean {
  const set = sets.expand(term);
  if (value === null) return set.hasNull;
  if (typeof value === 'boolean') return value ? set.hasTrue : set.hasFalse;
  if (typeof value === 'number') return accepts(set.numbers.dfa, JSON.stringify(value));
  if (typeof value === 'string') return hasString(set.strings, value);
  if (Array.isArray(value)) return set.arrays.some((shape) => isArrayOf(shape, value, sets));
  return set.objects.some((shape) => isObjectOf(shape, value as Record<string, unknown>, sets));
}

function isArrayOf(shape: ArrayShape, items: readonly unknown[], sets: Sets): boolean {
  return (
    items.length >= shape.min &&
    items.length <= shape.max &&
    items.every((item, index) => hasValue(itemAt(shape, index), item, sets)) &&
    shape.contains.every(({ value, from, min, max }) => {
      const count = items.slice(from).filter((item) => hasValue(value, item, sets)).length;
      return count >= min && count <= max;
    })
  );
}

export function isObjectOf(
  shape: ObjectShape,
  value: Readonly<Record<string, unknown>>,
  sets: Sets,
): boolean {
  const keys = Object.keys(value);
  return (
    keys.length >= shape.min &&
    keys.length <= shape.max &&
    sets.presences.allows(shape.presence, (name) => Object.hasOwn(value, name)) &&
    keys.every((key) => hasValue(valueAt(shape, key), value[key], sets)) &&
    shape.some.every((cell) => keys.some((key) => isIn(cell, key, value[key], sets)))
  );
}

export function isIn(cell: Cell, key: string, value: unknown, sets: Sets): boolean {
  return hasString(cell.keys, key) && hasValue(cell.value, value, sets);
}
