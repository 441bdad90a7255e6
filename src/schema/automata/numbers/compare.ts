/**
 * The texts of positive numbers on one side of a bound, or on it. Pure.
 *
 * Fixed notation is compared digit by digit: more digits before the point are more, and equal ones
 * go on behind it. In exponent notation the exponent decides before the mantissa, but the mantissa
 * is read first: one part for each relation of the exponents.
 */

import { RangeEdges } from '../build/range-edges.ts';
import type { Dfa } from '../dfa.ts';
import { minimise } from '../minimise.ts';
import { ofStrings } from '../of-strings.ts';
import { intersection } from '../product.ts';
import { concatenation } from '../sequence.ts';
import { unionOf } from '../union-of.ts';
import { type Decimal, ZERO } from './decimal.ts';

/** Which relations to the bound are kept. */
export interface Relations {
  readonly isLess: boolean;
  readonly isEqual: boolean;
  readonly isMore: boolean;
}

const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/**
 * Any digits with at most one point among them. The texts must be canonical for the verdict to be
 * right: no zero at the start, or at the end of a fraction.
 */
export function compareFixed(bound: Decimal, relations: Relations): Dfa {
  const { digits, point } = bound;
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0';
  const fraction = point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits;
  const n = whole.length;
  // Before the point, after i digits that are equal (i), less (n + i) or more (2n + i); then more
  // digits than the bound has; behind the point equal for j digits (F + j), less, more.
  const longer = 3 * n + 1;
  const equalFraction = longer + 1;
  const less = equalFraction + fraction.length + 1;
  const more = less + 1;
  const edges = new RangeEdges();
  const accepting: number[] = [];
  const end = (relation: number): void => {
    edges.endState();
    const isKept =
      relation < 0 ? relations.isLess : relation > 0 ? relations.isMore : relations.isEqual;
    accepting.push(isKept ? 1 : 0);
  };
  const split = (digit: string, below: number, same: number, above: number): void => {
    const code = digit.charCodeAt(0);
    if (code > DIGIT_0) edges.add(DIGIT_0, code - 1, below);
    edges.add(code, code, same);
    if (code < DIGIT_9) edges.add(code + 1, DIGIT_9, above);
  };
  const equalRelation = fraction === '' ? 0 : -1;
  for (let i = 0; i <= n; i++) {
    edges.add(DOT, DOT, i < n ? less : equalFraction);
    if (i < n) split(whole[i]!, n + i + 1, i + 1, 2 * n + i + 1);
    else edges.add(DIGIT_0, DIGIT_9, longer);
    end(i < n ? -1 : equalRelation);
  }
  for (const [start, verdict] of [[n, -1] as const, [2 * n, 1] as const]) {
    for (let i = 1; i <= n; i++) {
      const relation = i < n ? -1 : verdict;
      edges.add(DOT, DOT, relation < 0 ? less : more);
      edges.add(DIGIT_0, DIGIT_9, i < n ? start + i + 1 : longer);
      end(relation);
    }
  }
  edges.add(DOT, DOT, more);
  edges.add(DIGIT_0, DIGIT_9, longer);
  end(1);
  for (let j = 0; j <= fraction.length; j++) {
    if (j < fraction.length) split(fraction[j]!, less, equalFraction + j + 1, more);
    else edges.add(DIGIT_0, DIGIT_9, more);
    end(j < fraction.length ? -1 : 0);
  }
  for (const [state, relation] of [[less, -1] as const, [more, 1] as const]) {
    edges.add(DIGIT_0, DIGIT_9, state);
    end(relation);
  }
  return minimise(edges.finish(Uint8Array.from(accepting)));
}

/** `1.5e-7`: mantissas of the given set, exponents from the smallest to the largest magnitude. */
export function compareScientific(
  bound: Decimal,
  relations: Relations,
  { mantissa, sign, exponents }: { mantissa: Dfa; sign: '+' | '-'; exponents: readonly number[] },
): Dfa {
  const limit = bound.point - 1;
  const spelled = (isKept: (exponent: number) => boolean): Dfa =>
    ofStrings(exponents.filter(isKept).map((exponent) => `e${sign}${Math.abs(exponent)}`));
  const parts: Dfa[] = [];
  if (relations.isLess) parts.push(concatenation([mantissa, spelled((x) => x < limit)]));
  if (relations.isMore) parts.push(concatenation([mantissa, spelled((x) => x > limit)]));
  const kept = compareMantissa(bound, relations, mantissa);
  parts.push(concatenation([kept, spelled((x) => x === limit)]));
  return unionOf(parts);
}

function compareMantissa(bound: Decimal, relations: Relations, mantissa: Dfa): Dfa {
  return intersection(
    mantissa,
    compareFixed({ ...ZERO, digits: bound.digits, point: 1 }, relations),
  );
}
