/**
 * Sets of numbers: unions of ranges with grids. Kept as arithmetic until they are printed, because the
 * complement of a set of numbers is no complement of texts (see `automata/numbers.ts`).
 *
 * Errors  NumberError and BudgetError where a set has no automaton, when it is asked for.
 */
import { type Dfa, isEmpty } from '../automata/dfa.ts';
import { enumerate } from '../automata/enumerate.ts';
import { isFiniteSet } from '../automata/lengths.ts';
import { EMPTY } from '../automata/minimise.ts';
import { multipleOf, multiplesWithin, notMultipleOf } from '../automata/multiple-of.ts';
import { nonIntegers } from '../automata/non-integers.ts';
import { exceptNumbers, integers, numberRange, numbers, ofNumbers } from '../automata/numbers.ts';
import { intersection, union } from '../automata/product.ts';

/** All of it holds together. */
export interface NumberAtom {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly exclusiveMin: number | undefined;
  readonly exclusiveMax: number | undefined;
  /** Undefined: both. */
  readonly isInteger: boolean | undefined;
  readonly multiples: readonly number[];
  readonly nonMultiples: readonly number[];
  readonly except: readonly number[];
  /** Undefined: not limited to some. */
  readonly only: readonly number[] | undefined;
}

export class NumberSet {
  readonly atoms: readonly NumberAtom[];
  #key: string | undefined;
  #dfa: Dfa | undefined;

  constructor(atoms: readonly NumberAtom[]) {
    this.atoms = atoms;
  }

  get key(): string {
    this.#key ??= JSON.stringify(this.atoms);
    return this.#key;
  }

  get dfa(): Dfa {
    this.#dfa ??= this.atoms.map(automatonOf).reduce((a, b) => union(a, b), EMPTY);
    return this.#dfa;
  }
}

const ANY: NumberAtom = {
  min: undefined,
  max: undefined,
  exclusiveMin: undefined,
  exclusiveMax: undefined,
  isInteger: undefined,
  multiples: [],
  nonMultiples: [],
  except: [],
  only: undefined,
};

export const NO_NUMBERS = new NumberSet([]);
export const ALL_NUMBERS = new NumberSet([ANY]);
export const INTEGERS = new NumberSet([{ ...ANY, isInteger: true }]);

export interface Limit {
  readonly min?: number;
  readonly max?: number;
  readonly isExclusive: boolean;
}

export function rangeOf({ min, max, isExclusive }: Limit): NumberSet {
  const isOpen = isExclusive || [min, max].some((bound) => bound !== undefined && isRounded(bound));
  const bounds = isOpen ? { exclusiveMin: min, exclusiveMax: max } : { min, max };
  return new NumberSet([{ ...ANY, ...bounds }]);
}

export function multiplesOf(step: number): NumberSet {
  // Asked now, so that a step that cannot be enforced is refused where it stands.
  multipleOf(step);
  return new NumberSet([{ ...ANY, multiples: [step] }]);
}

export function numbersOf(values: readonly number[]): NumberSet {
  const only = [...new Set(values.map((value) => (value === 0 ? 0 : value)))].sort((a, b) => a - b);
  return only.length === 0 ? NO_NUMBERS : new NumberSet([{ ...ANY, only }]);
}

export function keyOfNumbers(set: NumberSet): string {
  return set.key;
}

export function isEmptyNumbers(set: NumberSet): boolean {
  if (set.atoms.length === 0) return true;
  if (set === ALL_NUMBERS || set === INTEGERS) return false;
  return isEmpty(set.dfa);
}

export function unionNumbers(a: NumberSet, b: NumberSet): NumberSet {
  if (a === b || b.atoms.length === 0 || a === ALL_NUMBERS) return a;
  if (a.atoms.length === 0 || b === ALL_NUMBERS) return b;
  const found = new Map([...a.atoms, ...b.atoms].map((atom) => [JSON.stringify(atom), atom]));
  return new NumberSet([...found.values()]);
}

export function intersectNumbers(a: NumberSet, b: NumberSet): NumberSet {
  if (a === b || b === ALL_NUMBERS) return a;
  if (a === ALL_NUMBERS) return b;
  const found = a.atoms.flatMap((one) => b.atoms.flatMap((other) => intersectAtoms(one, other)));
  return new NumberSet(found);
}

export function complementNumbers(set: NumberSet): NumberSet {
  return set.atoms.map(complementAtom).reduce(intersectNumbers, ALL_NUMBERS);
}

/** Undefined where there are more than `limit`. */
export function enumerateNumbers(set: NumberSet, limit: number): readonly number[] | undefined {
  if (set.atoms.length === 0) return [];
  if (set === ALL_NUMBERS || set === INTEGERS || !isFiniteSet(set.dfa)) return undefined;
  const found = enumerate(set.dfa, limit + 1);
  return found.length > limit ? undefined : found.map(Number);
}

function intersectAtoms(a: NumberAtom, b: NumberAtom): readonly NumberAtom[] {
  if (a.isInteger !== undefined && b.isInteger !== undefined && a.isInteger !== b.isInteger) {
    return [];
  }
  const only =
    a.only === undefined ? b.only : a.only.filter((value) => b.only?.includes(value) ?? true);
  if (only?.length === 0) return [];
  return [
    {
      min: tighter(a.min, b.min, Math.max),
      max: tighter(a.max, b.max, Math.min),
      exclusiveMin: tighter(a.exclusiveMin, b.exclusiveMin, Math.max),
      exclusiveMax: tighter(a.exclusiveMax, b.exclusiveMax, Math.min),
      isInteger: a.isInteger ?? b.isInteger,
      multiples: sorted(a.multiples, b.multiples),
      nonMultiples: sorted(a.nonMultiples, b.nonMultiples),
      except: sorted(a.except, b.except),
      only,
    },
  ];
}

/** A union of sets, each of which breaks one thing. */
function complementAtom(atom: NumberAtom): NumberSet {
  const found: NumberAtom[] = [];
  if (atom.min !== undefined) found.push({ ...ANY, exclusiveMax: atom.min });
  if (atom.max !== undefined) found.push({ ...ANY, exclusiveMin: atom.max });
  if (atom.exclusiveMin !== undefined) found.push(upTo(atom.exclusiveMin));
  if (atom.exclusiveMax !== undefined) found.push(from(atom.exclusiveMax));
  if (atom.isInteger !== undefined) found.push({ ...ANY, isInteger: !atom.isInteger });
  for (const step of atom.multiples) found.push({ ...ANY, nonMultiples: [step] });
  for (const step of atom.nonMultiples) found.push({ ...ANY, multiples: [step] });
  if (atom.except.length > 0) found.push({ ...ANY, only: atom.except });
  if (atom.only !== undefined) found.push({ ...ANY, except: atom.only });
  return new NumberSet(found);
}

/** A bound that JSON may have rounded is on neither side. */
function upTo(bound: number): NumberAtom {
  return isRounded(bound) ? { ...ANY, exclusiveMax: bound } : { ...ANY, max: bound };
}

function from(bound: number): NumberAtom {
  return isRounded(bound) ? { ...ANY, exclusiveMin: bound } : { ...ANY, min: bound };
}

/**
 * Beyond 2^53 the schema may say another number than the double that was read: 9223372036854775807 is read as one
 * more. Whether the bound itself is allowed is not known, so it is left out.
 */
function isRounded(bound: number): boolean {
  return Math.abs(bound) > Number.MAX_SAFE_INTEGER;
}

function automatonOf(atom: NumberAtom): Dfa {
  const { min, max, exclusiveMin, exclusiveMax, multiples, nonMultiples, except, only } = atom;
  const isInteger = atom.isInteger === true;
  const bounds = { min, max, exclusiveMin, exclusiveMax };
  const parts: Dfa[] = [];
  if (only !== undefined) {
    parts.push(ofNumbers(only), rangeDfa(bounds, isInteger));
    // A number that is written with an exponent may be an integer, too.
    for (const step of multiples) parts.push(multipleOf(step));
  } else if (multiples.length === 0) parts.push(rangeDfa(bounds, isInteger));
  for (const step of only === undefined ? multiples : []) {
    parts.push(multiplesWithin(step, bounds, { isInteger }));
  }
  if (atom.isInteger === false) parts.push(nonIntegers());
  for (const step of nonMultiples) parts.push(notMultipleOf(step));
  if (except.length > 0) parts.push(exceptNumbers(except, isInteger));
  return parts.reduce((a, b) => intersection(a, b));
}

function rangeDfa(bounds: Parameters<typeof numberRange>[0], isInteger: boolean): Dfa {
  if (Object.values(bounds).some((bound) => bound !== undefined))
    return numberRange(bounds, isInteger);
  return isInteger ? integers() : numbers();
}

function tighter(
  a: number | undefined,
  b: number | undefined,
  choose: (...values: number[]) => number,
): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : choose(a, b);
}

function sorted(a: readonly number[], b: readonly number[]): readonly number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}
