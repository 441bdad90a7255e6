/**
 * A class in brackets: `[a-z\d]`, `[^"]`.
 *
 * Errors  RegexError.
 */
import { complementRanges, intersectRanges, type Ranges, toRanges } from '../ranges.ts';
import { type EscapeContext, readEscape } from './escape.ts';
import type { RegexReader } from './reader.ts';

/** Stands behind the opening bracket. */
export function readClass(reader: RegexReader, context: EscapeContext): Ranges {
  const at = reader.at - 1;
  const inClass = { ...context, isInClass: true };
  const isNegated = reader.eat('^');
  const pairs: number[] = [];
  while (!reader.eat(']')) {
    if (reader.isAtEnd) throw reader.syntax('a class that is not closed', at);
    const from = readMember(reader, inClass);
    const isRange = reader.peek() === '-' && reader.peek(1) !== ']' && reader.peek(1) !== '';
    if (!isRange) {
      for (const code of from.ranges) pairs.push(code);
      continue;
    }
    const rangeAt = reader.at++;
    const to = readMember(reader, inClass);
    if (from.isCharacter && to.isCharacter) {
      if (from.ranges[0]! > to.ranges[0]!) {
        throw reader.syntax('a range that is out of order', rangeAt);
      }
      pairs.push(from.ranges[0]!, to.ranges[0]!);
    } else {
      if (reader.isUnicode) throw reader.syntax('a range with a class at one end', rangeAt);
      pairs.push(...from.ranges, 0x2d, 0x2d, ...to.ranges);
    }
  }
  const set = toRanges(pairs);
  return isNegated ? complementRanges(set, reader.universe) : intersectRanges(set, reader.universe);
}

interface Member {
  readonly ranges: Ranges;
  /** False for a set, also for one that has a single member. */
  readonly isCharacter: boolean;
}

function readMember(reader: RegexReader, context: EscapeContext): Member {
  const member = reader.eat('\\') ? readEscape(reader, context) : { code: reader.next() };
  return 'set' in member
    ? { ranges: member.set, isCharacter: false }
    : { ranges: [member.code, member.code], isCharacter: true };
}
