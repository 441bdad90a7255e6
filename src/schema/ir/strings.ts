/**
 * Sets of strings as the values of JSON, before escaping: a union of automata and of "so many of these
 * characters", which stays a pair of numbers as long as nothing makes it count.
 *
 * Shapes  `parts` has one automaton at most, then counted classes; none is the empty set.
 * Errors  BudgetError where a combination would take too many states.
 */
import { BudgetError } from '../automata/budget.ts';
import { complement } from '../automata/complement.ts';
import { countedClass } from '../automata/counted-class.ts';
import { accepts, type Dfa, isAll, isEmpty, keyOf } from '../automata/dfa.ts';
import { enumerate } from '../automata/enumerate.ts';
import { formatDfa, isFormatName } from '../automata/formats.ts';
import { isFiniteSet, maxLength, minLength } from '../automata/lengths.ts';
import { ofStrings } from '../automata/of-strings.ts';
import { difference, intersection, union } from '../automata/product.ts';
import {
  complementRanges,
  EVERY_CODE_POINT,
  hasCodePoint,
  intersectRanges,
  type Ranges,
} from '../automata/ranges.ts';
import { parseRegex, regexDfa } from '../automata/regex.ts';
import { concatenation, repeat } from '../automata/sequence.ts';
import { ALL, ofRanges } from '../automata/simple.ts';

export type StringPart = { readonly kind: 'automaton'; readonly dfa: Dfa } | Counted;

export interface Counted {
  readonly kind: 'counted';
  readonly ranges: Ranges;
  /** Code points. */
  readonly min: number;
  readonly max: number;
}

/** A count up to it may become states. */
const STATES_MAX = 20_000;

export class StringSet {
  readonly parts: readonly StringPart[];
  #key: string | undefined;

  constructor(parts: readonly StringPart[]) {
    this.parts = parts;
  }

  /** Equal for equal parts; equal sets of different parts may differ. */
  get key(): string {
    this.#key ??= this.parts.map(keyOfPart).join('|');
    return this.#key;
  }
}

export const NO_STRINGS = new StringSet([]);
export const ALL_STRINGS = new StringSet([{ kind: 'automaton', dfa: ALL }]);

function ofAutomaton(dfa: Dfa): StringSet {
  if (isEmpty(dfa)) return NO_STRINGS;
  return isAll(dfa) ? ALL_STRINGS : new StringSet([{ kind: 'automaton', dfa }]);
}

function ofCounted(ranges: Ranges, min: number, max: number): StringSet {
  if (min > max) return NO_STRINGS;
  if (min === 0 && max === Number.POSITIVE_INFINITY && isEvery(ranges)) return ALL_STRINGS;
  if (ranges.length === 0 || max === 0) return min === 0 ? stringsOf(['']) : NO_STRINGS;
  return new StringSet([{ kind: 'counted', ranges, min, max }]);
}

export function lengthStrings(min: number, max: number): StringSet {
  return ofCounted(EVERY_CODE_POINT, min, max);
}

export function stringsOf(texts: readonly string[]): StringSet {
  return texts.length === 0 ? NO_STRINGS : ofAutomaton(ofStrings(texts, texts.join('').length + 2));
}

export function keyOfStrings(set: StringSet): string {
  return set.key;
}

export function isEmptyStrings(set: StringSet): boolean {
  return set.parts.length === 0;
}

export function hasString(set: StringSet, text: string): boolean {
  if (set === ALL_STRINGS) return true;
  return set.parts.some((part) => {
    if (part.kind === 'automaton') return accepts(part.dfa, text);
    const codes = [...text].map((sign) => sign.codePointAt(0)!);
    const isWithin = codes.length >= part.min && codes.length <= part.max;
    return isWithin && codes.every((code) => hasCodePoint(part.ranges, code));
  });
}

/** Undefined where there are more than `limit`. */
export function enumerateStrings(set: StringSet, limit: number): readonly string[] | undefined {
  const dfa = asOne(set);
  if (dfa === undefined) return [];
  if (!isFiniteSet(dfa)) return undefined;
  const found = enumerate(dfa, limit + 1);
  return found.length > limit ? undefined : found;
}

export function unionStrings(a: StringSet, b: StringSet): StringSet {
  if (a === b || b.parts.length === 0) return a;
  if (a.parts.length === 0) return b;
  if (a === ALL_STRINGS || b === ALL_STRINGS) return ALL_STRINGS;
  const all = [...a.parts, ...b.parts];
  const dfas = all.flatMap((part) => (part.kind === 'automaton' ? [part.dfa] : []));
  const counted = all.filter((part) => part.kind === 'counted');
  const kept = counted.filter(
    (one, at) =>
      !counted.some(
        (other, place) => place !== at && covers(other, one) && !(covers(one, other) && place > at),
      ),
  );
  const dfa = dfas.length === 0 ? undefined : dfas.reduce((x, y) => union(x, y));
  if (dfa !== undefined && isAll(dfa)) return ALL_STRINGS;
  const parts: StringPart[] = dfa === undefined ? [] : [{ kind: 'automaton', dfa }];
  return new StringSet([...parts, ...kept]);
}

export function intersectStrings(a: StringSet, b: StringSet): StringSet {
  if (a === b || b === ALL_STRINGS) return a;
  if (a === ALL_STRINGS) return b;
  let found = NO_STRINGS;
  for (const one of a.parts) {
    for (const other of b.parts) found = unionStrings(found, intersectParts(one, other));
  }
  return found;
}

export function complementStrings(set: StringSet): StringSet {
  if (set === ALL_STRINGS) return NO_STRINGS;
  return set.parts.map(complementPart).reduce(intersectStrings, ALL_STRINGS);
}

/** Shapes of objects leave the same names out of the same keys again and again. */
const differences = new WeakMap<StringSet, Map<string, StringSet>>();
/** Of one set. The set of all strings lives as long as the process. */
const DIFFERENCES_KEPT = 256;

/** The strings of `a` that are not in `b`. */
export function subtractStrings(a: StringSet, b: StringSet): StringSet {
  if (b.parts.length === 0 || a.parts.length === 0) return a;
  if (a === b || b === ALL_STRINGS) return NO_STRINGS;
  let known = differences.get(a);
  if (known === undefined || known.size >= DIFFERENCES_KEPT) {
    known = new Map();
    differences.set(a, known);
  }
  let found = known.get(b.key);
  if (found === undefined) {
    found = subtract(a, b);
    known.set(b.key, found);
  }
  return found;
}

function subtract(a: StringSet, b: StringSet): StringSet {
  const [one] = a.parts;
  const [other] = b.parts;
  if (
    a.parts.length === 1 &&
    b.parts.length === 1 &&
    one?.kind === 'automaton' &&
    other?.kind === 'automaton'
  ) {
    return ofAutomaton(difference(one.dfa, other.dfa));
  }
  return intersectStrings(a, complementStrings(b));
}

/** The whole set as one automaton; undefined for the empty one. */
function asOne(set: StringSet): Dfa | undefined {
  const dfas = set.parts.map((part) => (part.kind === 'automaton' ? part.dfa : automatonOf(part)));
  return dfas.length === 0 ? undefined : dfas.reduce((a, b) => union(a, b));
}

function automatonOf({ ranges, min, max }: Counted): Dfa {
  const states = Number.isFinite(max) ? max : min;
  if (states > STATES_MAX) throw new BudgetError('states', STATES_MAX);
  return repeat(ofRanges(ranges), min, max);
}

function intersectParts(a: StringPart, b: StringPart): StringSet {
  if (a.kind === 'automaton' && b.kind === 'automaton')
    return ofAutomaton(intersection(a.dfa, b.dfa));
  if (a.kind === 'counted' && b.kind === 'counted') {
    const ranges = intersectRanges(a.ranges, b.ranges);
    return ofCounted(ranges, Math.max(a.min, b.min), Math.min(a.max, b.max));
  }
  const [{ dfa }, counted] = a.kind === 'automaton' ? [a, b as Counted] : [b as { dfa: Dfa }, a];
  if (isAll(dfa)) return new StringSet([counted]);
  const isLongEnough = (minLength(dfa) ?? 0) >= counted.min;
  const isShortEnough = (maxLength(dfa) ?? 0) <= counted.max;
  if (isEvery(counted.ranges) && isLongEnough && isShortEnough) return ofAutomaton(dfa);
  const longest = Math.min(counted.max, maxLength(dfa) ?? 0);
  const bounded = { ...counted, max: longest };
  const states = Number.isFinite(longest) ? longest : counted.min;
  if (states * dfa.accepting.length > STATES_MAX) throw new BudgetError('states', STATES_MAX);
  return bounded.min > bounded.max
    ? NO_STRINGS
    : ofAutomaton(intersection(dfa, automatonOf(bounded)));
}

function complementPart(part: StringPart): StringSet {
  if (part.kind === 'automaton') return ofAutomaton(complement(part.dfa));
  const { ranges, min, max } = part;
  const infinite = Number.POSITIVE_INFINITY;
  let found = NO_STRINGS;
  if (min > 0) found = unionStrings(found, lengthStrings(0, min - 1));
  if (max < infinite) found = unionStrings(found, lengthStrings(max + 1, infinite));
  const others = complementRanges(ranges);
  if (others.length === 0) return found;
  return unionStrings(found, ofAutomaton(concatenation([ALL, ofRanges(others), ALL])));
}

function covers(a: Counted, b: Counted): boolean {
  return (
    a.min <= b.min &&
    a.max >= b.max &&
    intersectRanges(a.ranges, b.ranges).join() === b.ranges.join()
  );
}

function isEvery(ranges: Ranges): boolean {
  return ranges.join() === EVERY_CODE_POINT.join();
}

function keyOfPart(part: StringPart): string {
  if (part.kind === 'automaton') return keyOf(part.dfa);
  return `#${part.ranges.join()}{${part.min},${part.max}}`;
}

/** The strings in which `pattern` is found. Throws a RegexError or a BudgetError. */
export function matchingStrings(pattern: string): StringSet {
  const regex = parseRegex(pattern);
  const counted = countedClass(regex);
  if (counted !== undefined) return ofCounted(counted.ranges, counted.min, counted.max);
  return ofAutomaton(regexDfa(regex));
}

/** Undefined for a format that is not enforced. */
export function formatStrings(format: string): StringSet | undefined {
  return isFormatName(format) ? ofAutomaton(formatDfa(format)) : undefined;
}
