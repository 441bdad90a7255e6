/**
 * A value as canonical text with its keys in the order of the grammar: objects are unordered, answers are
 * written in order. As text and not as a value, because an object cannot have "2" before "1".
 *
 * Where a schema has alternatives, one that the object is of gives the order.
 */
import { itemAt } from './ir/array-shape.ts';
import { isIn, isObjectOf } from './ir/membership.ts';
import { type ObjectShape, valueAt } from './ir/object-shape.ts';
import type { Sets } from './ir/sets.ts';
import type { Term } from './ir/term.ts';

export function writeInOrder(value: unknown, term: Term, sets: Sets): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const set = sets.expand(term);
  if (Array.isArray(value)) {
    const shape = set.arrays[0];
    if (shape === undefined) return JSON.stringify(value);
    return `[${value.map((item, index) => writeInOrder(item, itemAt(shape, index), sets)).join()}]`;
  }
  const record = value as Readonly<Record<string, unknown>>;
  const shape = shapeOf(record, set.objects, sets);
  if (shape === undefined) return JSON.stringify(value);
  const declared = [...shape.names.keys()].filter((name) => Object.hasOwn(record, name));
  const others = Object.keys(record).filter((name) => !shape.names.has(name));
  const met = new Map(others.map((name) => [name, countMet(shape, name, record[name], sets)]));
  others.sort((a, b) => met.get(a)! - met.get(b)!);
  const members = [...declared, ...others].map(
    (name) => `${JSON.stringify(name)}:${writeInOrder(record[name], valueAt(shape, name), sets)}`,
  );
  return `{${members.join()}}`;
}

/** One that the object is of; else the one that declares most of its keys. */
function shapeOf(
  record: Readonly<Record<string, unknown>>,
  shapes: readonly ObjectShape[],
  sets: Sets,
): ObjectShape | undefined {
  const keys = Object.keys(record);
  const known = (shape: ObjectShape) => keys.filter((key) => shape.names.has(key)).length;
  const sorted = shapes.toSorted((a, b) => known(b) - known(a));
  return sorted.find((shape) => isObjectOf(shape, record, sets)) ?? sorted[0];
}

/** Keys that some condition needs come last (`ir/object-automaton.ts`). */
function countMet({ some }: ObjectShape, name: string, value: unknown, sets: Sets): number {
  return some.filter((cell) => isIn(cell, name, value, sets)).length;
}
