/** The sets that have nothing and everything. */
import { ANY_ARRAY } from './array-shape.ts';
import { ALL_NUMBERS, NO_NUMBERS } from './numbers.ts';
import { ANY_OBJECT } from './object-shape.ts';
import { ALL_STRINGS, NO_STRINGS } from './strings.ts';
import type { ValueSet } from './value-set.ts';

export const NOTHING: ValueSet = {
  hasNull: false,
  hasTrue: false,
  hasFalse: false,
  numbers: NO_NUMBERS,
  strings: NO_STRINGS,
  arrays: [],
  objects: [],
};

export const EVERYTHING: ValueSet = {
  hasNull: true,
  hasTrue: true,
  hasFalse: true,
  numbers: ALL_NUMBERS,
  strings: ALL_STRINGS,
  arrays: [ANY_ARRAY],
  objects: [ANY_OBJECT],
};
