import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { drawSentence } from '../../../../src/schema/gbnf/draw.ts';
import { GrammarError } from '../../../../src/schema/gbnf/error.ts';
import {
  acceptsText,
  advance,
  isAccepting,
  type Matcher,
  type MatchState,
  makeMatcher,
  nextRanges,
  start,
} from '../../../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../../../src/schema/gbnf/parse.ts';
import { seededRandom } from '../../../../src/schema/gbnf/seeded-random.ts';
import { randomGrammar } from '../../../support/random-grammar.ts';
import { referenceAccepts } from '../../../support/reference-grammar.ts';

/** Undefined for the few that are refused. */
function read(text: string): Matcher | undefined {
  try {
    return makeMatcher(parseGrammar(text));
  } catch (error) {
    if (error instanceof GrammarError) return undefined;
    throw error;
  }
}

const isIn = (ranges: readonly number[], codePoint: number) =>
  ranges.some((low, i) => i % 2 === 0 && low <= codePoint && codePoint <= ranges[i + 1]!);

describe('a drawn sentence', () => {
  test('is accepted, and no start of it has failed', () => {
    let drawn = 0;
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seededRandom(seed);
        const matcher = read(randomGrammar(random));
        if (matcher === undefined) return;
        const sentence = drawSentence(matcher, random, { maxCodePoints: 40 });
        if (sentence === undefined) return;
        drawn++;
        const characters = [...sentence];
        expect(characters.length).toBeLessThanOrEqual(40);
        expect(acceptsText(matcher, sentence)).toEqual({ ok: true });
        for (let i = 0; i < characters.length; i++) {
          const prefix = characters.slice(0, i).join('');
          const verdict = acceptsText(matcher, prefix);
          expect(verdict.ok || verdict.atByte).toBe(verdict.ok || Buffer.byteLength(prefix));
        }
      }),
      { numRuns: 300 },
    );
    expect(drawn).toBeGreaterThan(100);
  });

  test('goes through states whose ranges are what advance takes', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seededRandom(seed);
        const matcher = read(randomGrammar(random));
        if (matcher === undefined) return;
        const sentence = drawSentence(matcher, random, { maxCodePoints: 30 }) ?? '';
        let at: MatchState = start(matcher);
        for (const character of sentence) {
          const ranges = nextRanges(at);
          expect(ranges.every((bound, i) => i === 0 || bound > ranges[i - 1]! || i % 2 === 1)).toBe(
            true,
          );
          for (const probe of [
            0, 0x41, 0x61, 0x62, 0x7f, 0xe9, 0xd800, 0x65e5, 0x1f600, 0x10ffff,
          ]) {
            expect(advance(at, probe) !== undefined).toBe(isIn(ranges, probe));
          }
          at = advance(at, character.codePointAt(0)!)!;
        }
        expect(isAccepting(at)).toBe(acceptsText(matcher, sentence).ok);
      }),
      { numRuns: 100 },
    );
  });

  test('ends where endless ones are likely, within its room', () => {
    const tree = read('root ::= "(" root root root ")" | "x"')!;
    const random = seededRandom(7);
    for (let i = 0; i < 50; i++) {
      const sentence = drawSentence(tree, random, { maxCodePoints: 60 })!;
      expect(sentence.length).toBeLessThanOrEqual(60);
      expect(acceptsText(tree, sentence).ok).toBe(true);
    }
  });

  test('is none where none is short enough, or none at all', () => {
    const random = seededRandom(1);
    expect(drawSentence(read('root ::= "a"{10}')!, random, { maxCodePoints: 9 })).toBeUndefined();
    expect(drawSentence(read('root ::= "a"{10}')!, random, { maxCodePoints: 10 })).toBe(
      'a'.repeat(10),
    );
    expect(drawSentence(read('root ::= "a" root')!, random)).toBeUndefined();
    expect(drawSentence(read('root ::= "a" | "b" [z-a]')!, random)).toBe('a');
    expect(drawSentence(read('root ::= ""')!, random)).toBe('');
  });
});

describe('the matcher and a plain search', () => {
  test('agree on random grammars and texts', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.constantFrom('a', 'b', 'c', 'é', 'x', '\n'), { maxLength: 7 }),
        (seed, characters) => {
          const text = randomGrammar(seededRandom(seed));
          const matcher = read(text);
          if (matcher === undefined) return;
          const sentence = characters.join('');
          expect(acceptsText(matcher, sentence).ok).toBe(
            referenceAccepts(matcher.grammar, sentence),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});
