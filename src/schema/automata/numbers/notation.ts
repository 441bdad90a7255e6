/**
 * How `JSON.stringify` spells positive numbers, in three regions:
 *
 *   tiny    below 1e-6           1.5e-7
 *   fixed   from 1e-6 to 1e21    0.000001, 1.5, 123456789012345680000
 *   huge    from 1e21 on         1.5e+21
 *
 * The shape alone is regular, and that is what is described: there may be more digits than a double
 * tells apart. Rounding keeps order, so that no spelling within inclusive bounds leaves them.
 *
 * Source  ECMA-262, Number::toString.
 */

import type { Dfa } from '../dfa.ts';
import { EMPTY } from '../minimise.ts';
import { once } from '../once.ts';
import { intersection } from '../product.ts';
import { parseRegex, regexDfa } from '../regex.ts';
import { compareFixed, compareScientific, type Relations } from './compare.ts';
import { compareDecimals, type Decimal, toDecimal } from './decimal.ts';

interface Region {
  readonly from: Decimal;
  readonly to: Decimal;
  readonly shape: Dfa;
  /** The texts of the region on the side of a bound within the region. */
  readonly compare: (bound: Decimal, relations: Relations) => Dfa;
}

const MANTISSA = '[1-9](?:\\.\\d*[1-9])?';
const INTEGER = '[1-9]\\d{0,20}';
const FIXED = `${INTEGER}(?:\\.\\d*[1-9])?|0\\.0{0,5}[1-9](?:\\d*[1-9])?`;
const TINY_EXPONENTS = Array.from({ length: 318 }, (_, i) => -324 + i);
const HUGE_EXPONENTS = Array.from({ length: 288 }, (_, i) => 21 + i);
const SMALLEST = toDecimal(Number.MIN_VALUE)!;
const LARGEST = toDecimal(Number.MAX_VALUE)!;

const ALL_RELATIONS: Relations = { isLess: true, isEqual: true, isMore: true };
const AT_LEAST: Relations = { ...ALL_RELATIONS, isLess: false };
const AT_MOST: Relations = { ...ALL_RELATIONS, isMore: false };

/** Each is built when it is first needed. */
const integerRegions = once(() => [fixedRegion(INTEGER)]);
const allRegions = once(() => [
  scientificRegion(TINY_EXPONENTS, SMALLEST, AT_LEAST),
  fixedRegion(FIXED),
  scientificRegion(HUGE_EXPONENTS, LARGEST, AT_MOST),
]);

export interface Bound {
  readonly value: Decimal;
  /** True when the bound itself is outside. */
  readonly isStrict: boolean;
}

/**
 * The canonical texts of positive numbers between two positive bounds, one set for each region.
 * Integers have the fixed notation only: those from 1e21 on are left out.
 */
export function positiveTexts(
  low: Bound | undefined,
  high: Bound | undefined,
  isInteger: boolean,
): readonly Dfa[] {
  return (isInteger ? integerRegions() : allRegions()).map((region) => {
    const above = low === undefined ? region.shape : sideOf(region, low, 'isMore');
    const below = high === undefined ? region.shape : sideOf(region, high, 'isLess');
    return above === region.shape
      ? below
      : below === region.shape
        ? above
        : intersection(above, below);
  });
}

function sideOf(region: Region, { value, isStrict }: Bound, side: 'isLess' | 'isMore'): Dfa {
  const relations: Relations = { isLess: false, isEqual: !isStrict, isMore: false, [side]: true };
  if (compareDecimals(value, region.from) < 0) return relations.isMore ? region.shape : EMPTY;
  if (compareDecimals(value, region.to) > 0) return relations.isLess ? region.shape : EMPTY;
  return region.compare(value, relations);
}

function fixedRegion(pattern: string): Region {
  const shape = patternDfa(pattern);
  return {
    from: toDecimal('1e-6')!,
    to: toDecimal('1e21')!,
    shape,
    compare: (bound, relations) => intersection(shape, compareFixed(bound, relations)),
  };
}

/** Up to the smallest or the largest double: what is beyond would be read as 0 or as no number. */
function scientificRegion(
  exponents: readonly number[],
  limit: Decimal,
  relations: Relations,
): Region {
  const sign = exponents[0]! < 0 ? '-' : '+';
  const options = { mantissa: patternDfa(MANTISSA), sign, exponents } as const;
  const shape = compareScientific(limit, relations, options);
  return {
    from: toDecimal(`1e${exponents[0]}`)!,
    to: toDecimal(`1e${exponents.at(-1)! + 1}`)!,
    shape,
    compare: (bound, kept) => intersection(shape, compareScientific(bound, kept, options)),
  };
}

function patternDfa(pattern: string): Dfa {
  return regexDfa(parseRegex(`^(?:${pattern})$`));
}
