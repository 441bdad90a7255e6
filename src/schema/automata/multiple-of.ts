/**
 * The multiples of a decimal step, as texts: 5, 0.25, 0.01, 86400.
 *
 * The automaton reads digits and keeps the remainder. A step is modulus · 10^zeros / 10^scale: the
 * zeros at the end of a multiple are read by themselves and are not part of the modulus.
 *
 * At most 15 digits: up to there, decimals and doubles correspond one to one. With more,
 * `9007199254740995` is a multiple of 5 and is read as …996. Counting digits costs 15 times the
 * states, so that a large modulus needs bounds, which limit the digits as well.
 *
 * Errors  NumberError for a modulus beyond 10,000 or more than 9 decimals; BudgetError.
 */
import { assertStates, DEFAULT_STATES } from './budget.ts';
import { RangeEdges } from './build/range-edges.ts';
import type { Dfa } from './dfa.ts';
import { minimise } from './minimise.ts';
import { toDecimal } from './numbers/decimal.ts';
import { NumberError } from './numbers/error.ts';
import { type NumberBounds, numberRange } from './numbers.ts';
import { ofStrings } from './of-strings.ts';
import { once } from './once.ts';
import { prefixed } from './prefixed.ts';
import { difference, intersection, union } from './product.ts';
import { parseRegex, regexDfa } from './regex.ts';
import { concatenation, repeat } from './sequence.ts';

const MAX_MODULUS = 10_000;
const MAX_SCALE = 9;
const SAFE_DIGITS = 15;
const MINUS = 0x2d;
const DOT = 0x2e;
const DIGIT_0 = 0x30;

/** Not below 1e-6, where `JSON.stringify` uses exponents. */
const POSITIVE = '[1-9]\\d*(?:\\.\\d*[1-9])?|0\\.0{0,5}[1-9](?:\\d*[1-9])?';
const fixedTexts = once(() => patternDfa(`0|-?(?:${POSITIVE})`));
const safeTexts = once(() =>
  intersection(fixedTexts(), patternDfa(`-?(?:\\d\\.?){1,${SAFE_DIGITS}}`)),
);
const fewDecimals = once(() => patternDfa('-?\\d+(?:\\.\\d{1,6})?'));

interface Step {
  readonly modulus: number;
  readonly zeros: number;
  readonly scale: number;
}

export function multipleOf(step: number | string, budget = DEFAULT_STATES): Dfa {
  const parsed = parseStep(step);
  const fixed = intersection(anyMultiples(parsed, budget), safeTexts(), budget);
  return union(fixed, tinyMultiples(parsed), budget);
}

/** Those within bounds; cheaper than the two sets and their intersection. */
export function multiplesWithin(
  step: number | string,
  bounds: NumberBounds,
  { isInteger = false, budget = DEFAULT_STATES } = {},
): Dfa {
  const range = numberRange(bounds, isInteger);
  const parsed = parseStep(step);
  const limit = 10 ** (SAFE_DIGITS - parsed.scale) - 1;
  const least = tightestOf(Math.max, [bounds.min, bounds.exclusiveMin]);
  const most = tightestOf(Math.min, [bounds.max, bounds.exclusiveMax]);
  const isSafe = least >= -limit && most <= limit;
  if (!isSafe) return intersection(range, multipleOf(step, budget), budget);
  const texts = intersection(range, fixedTexts(), budget);
  const fixed = intersection(texts, anyMultiples(parsed, budget), budget);
  return union(fixed, intersection(range, tinyMultiples(parsed)), budget);
}

/**
 * Numbers that are no multiples: of at most 15 digits, and 6 decimals, so that none is as close to
 * a multiple as a validator that divides doubles takes for one.
 */
export function notMultipleOf(step: number | string, budget = DEFAULT_STATES): Dfa {
  const few = intersection(safeTexts(), fewDecimals(), budget);
  return difference(few, anyMultiples(parseStep(step), budget), budget);
}

function parseStep(step: number | string): Step {
  const decimal = toDecimal(step);
  if (decimal === undefined || decimal.digits === '' || decimal.isNegative) {
    throw new NumberError(`multiples of ${step}: the step is not a positive number`);
  }
  const modulus = Number(decimal.digits);
  const exponent = decimal.point - decimal.digits.length;
  if (modulus > MAX_MODULUS) {
    throw new NumberError(`multiples of ${step}: its digits are beyond ${MAX_MODULUS}`);
  }
  if (exponent < -MAX_SCALE) {
    throw new NumberError(`multiples of ${step}: it has more than ${MAX_SCALE} decimals`);
  }
  return { modulus, zeros: Math.max(0, exponent), scale: Math.max(0, -exponent) };
}

/** In fixed notation, with or without a minus, zeros at the start, and any number of digits. */
function anyMultiples({ modulus, zeros, scale }: Step, budget: number): Dfa {
  const grid = gridTexts(modulus, scale, budget);
  if (zeros === 0) return grid;
  const zero = ofStrings(['0']);
  return union(zero, concatenation([grid, repeat(zero, zeros, zeros)], budget), budget);
}

/** Digits, and up to `scale` more behind a point, that are a multiple of modulus / 10^scale. */
function gridTexts(modulus: number, scale: number, budget: number): Dfa {
  // State 0 may read a minus. Then row `places` has a state for each remainder; places 0: before
  // the point; 1: at it; then so many digits behind it, and one.
  const rows = scale === 0 ? 1 : scale + 2;
  assertStates(modulus * rows + 1, budget);
  const edges = new RangeEdges();
  const accepting: number[] = [];
  const addState = (places: number, remainder: number): void => {
    const decimals = Math.max(0, places - 1);
    if (places === 0 && rows > 1) edges.add(DOT, DOT, 1 + modulus + remainder);
    if (places === 0 || decimals < scale) {
      const row = 1 + (places === 0 ? 0 : places + 1) * modulus;
      for (let digit = 0; digit <= 9; digit++) {
        const code = DIGIT_0 + digit;
        edges.add(code, code, row + ((remainder * 10 + digit) % modulus));
      }
    }
    edges.endState();
    const weight = Number(10n ** BigInt(scale - decimals) % BigInt(modulus));
    accepting.push(places !== 1 && (remainder * weight) % modulus === 0 ? 1 : 0);
  };
  edges.add(MINUS, MINUS, 1);
  addState(0, 0);
  for (let places = 0; places < rows; places++) {
    for (let remainder = 0; remainder < modulus; remainder++) addState(places, remainder);
  }
  return minimise(edges.finish(Uint8Array.from(accepting)), budget);
}

/** The multiples that `JSON.stringify` writes with an exponent: among 1e-9 to 9.99e-7. */
function tinyMultiples({ modulus, zeros, scale }: Step): Dfa {
  const step = modulus * 10 ** (zeros + MAX_SCALE - scale);
  const texts: string[] = [];
  for (let billionths = step; billionths < 1000; billionths += step) {
    texts.push(JSON.stringify(Number(`${billionths}e-9`)));
  }
  const positive = ofStrings(texts);
  return union(positive, prefixed(MINUS, positive));
}

/** NaN, which is within no limit, without any bound. */
function tightestOf(
  choose: (...values: number[]) => number,
  bounds: readonly (number | string | undefined)[],
): number {
  const given = bounds.filter((bound) => bound !== undefined).map(Number);
  return given.length === 0 ? Number.NaN : choose(...given);
}

function patternDfa(pattern: string): Dfa {
  return regexDfa(parseRegex(`^(?:${pattern})$`));
}
