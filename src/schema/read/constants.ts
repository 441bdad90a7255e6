/** `const` and `enum`: sets of given values, whatever their type. */
import type { ArrayShape } from '../ir/array-shape.ts';
import { ANY_ARRAY } from '../ir/array-shape.ts';
import { numbersOf } from '../ir/numbers.ts';
import type { ObjectShape } from '../ir/object-shape.ts';
import type { Sets } from '../ir/sets.ts';
import { ALL_STRINGS, stringsOf, subtractStrings } from '../ir/strings.ts';
import { NEVER, type Term } from '../ir/term.ts';
import { NOTHING } from '../ir/whole.ts';

export function constants(values: readonly unknown[], sets: Sets): Term {
  const numbers: number[] = [];
  const strings: string[] = [];
  const arrays: ArrayShape[] = [];
  const objects: ObjectShape[] = [];
  for (const value of values) {
    if (typeof value === 'number') numbers.push(value);
    else if (typeof value === 'string') strings.push(value);
    else if (Array.isArray(value)) arrays.push(tuple(value, sets));
    else if (typeof value === 'object' && value !== null) {
      objects.push(record(value as Readonly<Record<string, unknown>>, sets));
    }
  }
  return sets.of({
    hasNull: values.includes(null),
    hasTrue: values.includes(true),
    hasFalse: values.includes(false),
    numbers: numbers.length === 0 ? NOTHING.numbers : numbersOf(numbers),
    strings: strings.length === 0 ? NOTHING.strings : stringsOf(strings),
    arrays,
    objects,
  });
}

function tuple(values: readonly unknown[], sets: Sets): ArrayShape {
  const prefix = values.map((value) => constants([value], sets));
  return { ...ANY_ARRAY, prefix, rest: NEVER, min: prefix.length, max: prefix.length };
}

function record(value: Readonly<Record<string, unknown>>, sets: Sets): ObjectShape {
  const names = Object.keys(value);
  return {
    names: new Map(names.map((name) => [name, constants([value[name]], sets)])),
    cells: [{ keys: subtractStrings(ALL_STRINGS, stringsOf(names)), value: NEVER }],
    presence: sets.presences.all(names),
    min: 0,
    max: Number.POSITIVE_INFINITY,
    some: [],
  };
}
