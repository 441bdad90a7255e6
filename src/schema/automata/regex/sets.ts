/**
 * The sets that ECMA-262 gives a letter, and `.`; without the flags `i` and `s`.
 *
 * Source  ECMA-262, CharacterClassEscape, WhiteSpace and LineTerminator.
 */
import { WORD } from '../build/determinise.ts';
import { complementRanges, type Ranges } from '../ranges.ts';

const DIGIT: Ranges = [0x30, 0x39];
const SPACE: Ranges = [
  0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f,
  0x202f, 0x205f, 0x205f, 0x3000, 0x3000, 0xfeff, 0xfeff,
];
const LINE_END: Ranges = [0x0a, 0x0a, 0x0d, 0x0d, 0x2028, 0x2029];

const SETS: ReadonlyMap<string, Ranges> = new Map([
  ['d', DIGIT],
  ['w', WORD],
  ['s', SPACE],
]);

/** `\d \D \w \W \s \S`; undefined for any other letter. */
export function setOfLetter(letter: string, universe: Ranges): Ranges | undefined {
  const set = SETS.get(letter.toLowerCase());
  if (set === undefined) return undefined;
  return SETS.has(letter) ? set : complementRanges(set, universe);
}

/** `.` */
export function anyButLineEnds(universe: Ranges): Ranges {
  return complementRanges(LINE_END, universe);
}
