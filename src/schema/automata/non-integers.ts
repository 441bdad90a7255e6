/**
 * Numbers that are no integers, as texts. Pure.
 *
 * A text with a fraction may be read as an integer: `0.99999999999999999` is 1. So they have at most 15 digits,
 * up to which decimals and doubles correspond one to one; or less than 10 digits before the point, and six behind it
 * that are neither all 0 nor all 9: these are 1e-6 or more from every integer, where doubles are 1.2e-7 apart at most.
 */
import type { Dfa } from './dfa.ts';
import { numbers } from './numbers.ts';
import { once } from './once.ts';
import { difference, intersection } from './product.ts';
import { parseRegex, regexDfa } from './regex.ts';
import { unionOf } from './union-of.ts';

export const nonIntegers: () => Dfa = once(() => {
  const short = intersection(patternDfa('-?\\d+\\.\\d+'), patternDfa('-?(?:\\d\\.?){1,15}'));
  const few = patternDfa('-?\\d{1,9}\\.\\d+');
  const apart = difference(few, patternDfa('-?\\d+\\.(?:0{6}|9{6})\\d*'));
  const tiny = patternDfa('-?\\d(?:\\.\\d+)?e-\\d+');
  return intersection(numbers(), unionOf([short, apart, tiny]));
});

function patternDfa(pattern: string): Dfa {
  return regexDfa(parseRegex(`^(?:${pattern})$`));
}
