/**
 * A value as canonical text with its keys in the order of the grammar: objects are unordered, answers are
 * written in order. As text and not as a value, because an object cannot have "2" before "1".
 *
 * Where a schema has alternatives, the shape that declares most of the keys gives the order.
 */
import { itemAt } from './ir/array-shape.ts';
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
  const shape = bestShape(Object.keys(record), set.objects);
  if (shape === undefined) return JSON.stringify(value);
  const declared = [...shape.names.keys()].filter((name) => Object.hasOwn(record, name));
  const others = Object.keys(record).filter((name) => !shape.names.has(name));
  const members = [...declared, ...others].map(
    (name) => `${JSON.stringify(name)}:${writeInOrder(record[name], valueAt(shape, name), sets)}`,
  );
  return `{${members.join()}}`;
}

function bestShape(
  keys: readonly string[],
  shapes: readonly ObjectShape[],
): ObjectShape | undefined {
  const known = (shape: ObjectShape) => keys.filter((key) => shape.names.has(key)).length;
  return shapes.toSorted((a, b) => known(b) - known(a))[0];
}
