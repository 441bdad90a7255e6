/**
 * What follows a backslash: one character, a set, or a word boundary.
 *
 * Without the flag `u`, a backslash before any other letter means the letter, `\1` beyond the
 * number of groups is octal, and `\c` before no letter is a backslash (ECMA-262, Annex B.1.2).
 *
 * Errors  RegexError.
 */

import { complementRanges, type Ranges } from '../ranges.ts';
import type { RegexReader } from './reader.ts';
import { setOfLetter } from './sets.ts';
import { codePointsWith } from './unicode-property.ts';

export type Escape = { readonly code: number } | { readonly set: Ranges };

export interface EscapeContext {
  readonly isInClass: boolean;
  /** Capturing groups of the whole pattern. */
  readonly groups: number;
  readonly hasNamedGroups: boolean;
}

const CONTROLS: ReadonlyMap<string, number> = new Map([
  ['t', 0x09],
  ['n', 0x0a],
  ['v', 0x0b],
  ['f', 0x0c],
  ['r', 0x0d],
]);

/** Stands behind the backslash. `\b` and `\B` outside of a class are the caller's. */
export function readEscape(reader: RegexReader, context: EscapeContext): Escape {
  const at = reader.at - 1;
  const letter = reader.peek();
  if (letter === '') throw reader.syntax('a backslash before nothing', at);
  const set = setOfLetter(letter, reader.universe) ?? readProperty(reader, letter, at);
  if (set !== undefined) {
    if (setOfLetter(letter, reader.universe) !== undefined) reader.at++;
    return { set };
  }
  const control = CONTROLS.get(letter);
  if (control !== undefined) {
    reader.at++;
    return { code: control };
  }
  if (letter === 'b' && context.isInClass) {
    reader.at++;
    return { code: 0x08 };
  }
  return { code: readNumber(reader, context, letter, at) ?? readIdentity(reader, context, at) };
}

function readProperty(reader: RegexReader, letter: string, at: number): Ranges | undefined {
  if (!reader.isUnicode || (letter !== 'p' && letter !== 'P')) return undefined;
  const name = reader.match(/[pP]\{([A-Za-z0-9_=]+)\}/y)?.[1];
  if (name === undefined) throw reader.syntax('a property without a name in braces', at);
  try {
    const set = codePointsWith(name);
    return letter === 'p' ? set : complementRanges(set);
  } catch (error) {
    if (error instanceof SyntaxError) throw reader.syntax('an unknown Unicode property', at);
    throw error;
  }
}

/** Characters that are given by a number. */
function readNumber(
  reader: RegexReader,
  { isInClass, groups }: EscapeContext,
  letter: string,
  at: number,
): number | undefined {
  if (letter === 'c') {
    // Within a class, and without the flag, digits and `_` are control letters, too.
    const control = reader.match(isInClass && !reader.isUnicode ? /c(\w)/y : /c([A-Za-z])/y);
    if (control !== undefined) return control[1]!.charCodeAt(0) % 32;
  }
  if (letter === 'x') {
    const hex = reader.match(/x([0-9A-Fa-f]{2})/y);
    if (hex !== undefined) return Number.parseInt(hex[1]!, 16);
  }
  if (letter === 'u') return readUnicodeEscape(reader, at);
  if (letter < '0' || letter > '9') return undefined;
  if (reader.match(/0(?!\d)/y) !== undefined) return 0;
  if (reader.isUnicode && (isInClass || letter === '0')) {
    throw reader.syntax('an octal escape', at);
  }
  if (!isInClass && letter !== '0') {
    const reference = Number(/\d+/y.exec(reader.source.slice(reader.at))![0]);
    if (reference <= groups) throw reader.refused('a back-reference', at);
    if (reader.isUnicode) throw reader.syntax('a reference to a group that is not there', at);
  }
  const octal = reader.match(/[0-3][0-7]{0,2}|[4-7][0-7]?/y);
  return octal === undefined ? undefined : Number.parseInt(octal[0], 8);
}

function readUnicodeEscape(reader: RegexReader, at: number): number | undefined {
  if (reader.isUnicode) {
    const pair = reader.match(/u([Dd][89ABab][0-9A-Fa-f]{2})\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})/y);
    if (pair !== undefined) {
      const [high, low] = [Number.parseInt(pair[1]!, 16), Number.parseInt(pair[2]!, 16)];
      return 0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00);
    }
    const braces = reader.match(/u\{([0-9A-Fa-f]+)\}/y);
    if (braces !== undefined) {
      const code = Number.parseInt(braces[1]!, 16);
      if (code > 0x10ffff) throw reader.syntax('a code point beyond U+10FFFF', at);
      return code;
    }
  }
  const hex = reader.match(/u([0-9A-Fa-f]{4})/y);
  return hex === undefined ? undefined : Number.parseInt(hex[1]!, 16);
}

/** The character itself. */
function readIdentity(
  reader: RegexReader,
  { isInClass, hasNamedGroups }: EscapeContext,
  at: number,
): number {
  const letter = reader.peek();
  if (letter === 'k' && !isInClass && hasNamedGroups) {
    throw reader.refused('a back-reference', at);
  }
  if (reader.isUnicode) {
    const isAllowed = '^$\\.*+?()[]{}|/'.includes(letter) || (isInClass && letter === '-');
    if (!isAllowed) throw reader.syntax(`an unknown escape \\${letter}`, at);
  }
  // `\c` before no letter: the backslash stands for itself, and the `c` is read again.
  return letter === 'c' ? 0x5c : reader.next();
}
