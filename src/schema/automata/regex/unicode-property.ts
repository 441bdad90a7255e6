/**
 * The code points that have a Unicode property: `\p{Letter}`, `\p{Script=Greek}`.
 *
 * The tables are those of the JavaScript engine, which is asked once per property with texts that
 * hold every code point: they are right for the Unicode version that the final check uses, and
 * there are no tables of our own to grow old. Kept for the life of the process; ECMA-262 knows
 * about 400 names, each set has some hundred ranges.
 *
 * Errors  SyntaxError of the engine for an unknown property.
 */
import { EVERY_CODE_POINT, type Ranges, toRanges } from '../ranges.ts';

const CHUNK = 0x8000;
const known = new Map<string, Ranges>();

/** `property` is what stands between the braces. */
export function codePointsWith(property: string): Ranges {
  const kept = known.get(property);
  if (kept !== undefined) return kept;
  const run = new RegExp(`\\p{${property}}+`, 'gu');
  const pairs: number[] = [];
  for (let at = 0; at < EVERY_CODE_POINT.length; at += 2) {
    for (let from = EVERY_CODE_POINT[at]!; from <= EVERY_CODE_POINT[at + 1]!; from += CHUNK) {
      collect(run, from, Math.min(from + CHUNK - 1, EVERY_CODE_POINT[at + 1]!), pairs);
    }
  }
  const set = toRanges(pairs);
  known.set(property, set);
  return set;
}

/** Adds the runs within one chunk. A chunk lies on one side of U+10000: its characters are of one size. */
function collect(run: RegExp, from: number, to: number, pairs: number[]): void {
  const units = from > 0xffff ? 2 : 1;
  const codes = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const text = String.fromCodePoint(...codes);
  for (const found of text.matchAll(run)) {
    const first = from + found.index / units;
    pairs.push(first, first + found[0].length / units - 1);
  }
}
