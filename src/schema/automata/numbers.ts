/**
 * Sets of JSON numbers, as automata over the text that `JSON.stringify` writes for them.
 *
 * Numbers from 1e21 on and below 1e-6 have exponents, and integers have none: integers from 1e21 on
 * are in no set of integers. `-0` is written `0`.
 *
 * A bound that is a JavaScript number stands for its shortest decimal. An exclusive one becomes the
 * neighbouring double, inclusive: `0.09999999999999999999` is less than 0.1 and is read as 0.1, so
 * that comparing decimals would let through what a validator rejects. For the same reason the
 * complement of a set of numbers is made of ranges (`exceptNumbers`), never by `complement`.
 *
 * Bounds that are texts are decimals, compared exactly.
 */

import type { Dfa } from './dfa.ts';
import { EMPTY } from './minimise.ts';
import {
  compareDecimals,
  type Decimal,
  magnitudeOf,
  signOf,
  toDecimal,
} from './numbers/decimal.ts';
import { NumberError } from './numbers/error.ts';
import { neighbourDouble } from './numbers/neighbour-double.ts';
import { type Bound, positiveTexts } from './numbers/notation.ts';
import { ofStrings } from './of-strings.ts';
import { once } from './once.ts';
import { prefixed } from './prefixed.ts';
import { union } from './product.ts';

export interface NumberBounds {
  readonly min?: number | string | undefined;
  readonly max?: number | string | undefined;
  readonly exclusiveMin?: number | string | undefined;
  readonly exclusiveMax?: number | string | undefined;
}

export const numbers: () => Dfa = once(() => numberRange({}));
export const integers: () => Dfa = once(() => numberRange({}, true));

const MINUS = 0x2d;

/** All bounds hold together. */
export function numberRange(bounds: NumberBounds, isInteger = false): Dfa {
  const lows = [inclusive(bounds.min), exclusive(bounds.exclusiveMin, 1)];
  const highs = [inclusive(bounds.max), exclusive(bounds.exclusiveMax, -1)];
  const low = tightest(lows, 1);
  const high = tightest(highs, -1);
  const lowSign = low === undefined ? -1 : signOf(low.value);
  const highSign = high === undefined ? 1 : signOf(high.value);
  const parts: Dfa[] = [];
  if (highSign > 0) {
    parts.push(...positiveTexts(lowSign > 0 ? low : undefined, high, isInteger));
  }
  if (lowSign < 0) {
    const texts = positiveTexts(
      highSign < 0 ? mirrored(high) : undefined,
      mirrored(low),
      isInteger,
    );
    parts.push(prefixed(MINUS, unite(texts)));
  }
  const isZeroAbove = lowSign < 0 || (lowSign === 0 && !low!.isStrict);
  const isZeroBelow = highSign > 0 || (highSign === 0 && !high!.isStrict);
  if (isZeroAbove && isZeroBelow) parts.push(ofStrings(['0']));
  return unite(parts);
}

/** A finite set. */
export function ofNumbers(values: readonly number[]): Dfa {
  return ofStrings(values.map((value) => JSON.stringify(value)));
}

/** Every number, or every integer, that is read as none of these. */
export function exceptNumbers(values: readonly number[], isInteger = false): Dfa {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const ranges: Dfa[] = [];
  for (let at = 0; at <= sorted.length; at++) {
    ranges.push(numberRange({ exclusiveMin: sorted[at - 1], exclusiveMax: sorted[at] }, isInteger));
  }
  return unite(ranges);
}

/** In pairs: these sets part at their first letters, and the products are small. */
function unite(parts: readonly Dfa[]): Dfa {
  return parts.reduce((all, part) => union(all, part), EMPTY);
}

function inclusive(value: number | string | undefined): Bound | undefined {
  return value === undefined ? undefined : { value: parseBound(value), isStrict: false };
}

function exclusive(value: number | string | undefined, inward: 1 | -1): Bound | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return { value: parseBound(value), isStrict: true };
  const next = neighbourDouble(value, inward);
  // There is nothing beyond the largest double.
  return Number.isFinite(next)
    ? { value: parseBound(next), isStrict: false }
    : { value: parseBound(value), isStrict: true };
}

function parseBound(value: number | string): Decimal {
  const decimal = toDecimal(value);
  if (decimal === undefined) throw new NumberError(`${value} is not a number of JSON`);
  return decimal;
}

function tightest(bounds: readonly (Bound | undefined)[], side: 1 | -1): Bound | undefined {
  let best: Bound | undefined;
  for (const bound of bounds) {
    if (bound === undefined) continue;
    const order = best === undefined ? 1 : side * compareDecimals(bound.value, best.value);
    if (order > 0 || (order === 0 && bound.isStrict)) best = bound;
  }
  return best;
}

function mirrored(bound: Bound | undefined): Bound | undefined {
  return bound && { value: magnitudeOf(bound.value), isStrict: bound.isStrict };
}
