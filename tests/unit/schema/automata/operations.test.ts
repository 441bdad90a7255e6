import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BudgetError } from '../../../../src/schema/automata/budget.ts';
import { complement } from '../../../../src/schema/automata/complement.ts';
import {
  accepts,
  countStates,
  isAll,
  isEmpty,
  keyOf,
} from '../../../../src/schema/automata/dfa.ts';
import { enumerate } from '../../../../src/schema/automata/enumerate.ts';
import { isFiniteSet, maxLength, minLength } from '../../../../src/schema/automata/lengths.ts';
import { EMPTY, minimise } from '../../../../src/schema/automata/minimise.ts';
import { ofStrings } from '../../../../src/schema/automata/of-strings.ts';
import { difference, intersection, union } from '../../../../src/schema/automata/product.ts';
import { sample } from '../../../../src/schema/automata/sample.ts';
import { concatenation, repeat, star } from '../../../../src/schema/automata/sequence.ts';
import { ALL, EMPTY_TEXT, ofRanges } from '../../../../src/schema/automata/simple.ts';
import { unionOf } from '../../../../src/schema/automata/union-of.ts';
import { everyText, expressions } from './expressions.ts';

const texts = everyText(4);
const letter = ofRanges([0x61, 0x7a]);

describe('an operation on sets of texts', () => {
  it('accepts what its definition says', () => {
    fc.assert(
      fc.property(expressions, ({ dfa, has }) => {
        for (const text of texts) expect([text, accepts(dfa, text)]).toEqual([text, has(text)]);
      }),
    );
  });

  it('keeps the laws of sets, as equal keys', () => {
    fc.assert(
      fc.property(expressions, expressions, ({ dfa: a }, { dfa: b }) => {
        expect(keyOf(minimise(a))).toBe(keyOf(a));
        expect(keyOf(complement(complement(a)))).toBe(keyOf(a));
        expect(keyOf(union(a, b))).toBe(keyOf(union(b, a)));
        expect(keyOf(unionOf([a, b]))).toBe(keyOf(union(a, b)));
        expect(keyOf(intersection(a, b))).toBe(
          keyOf(complement(union(complement(a), complement(b)))),
        );
        expect(keyOf(difference(a, b))).toBe(keyOf(intersection(a, complement(b))));
        expect(keyOf(star(star(a)))).toBe(keyOf(star(a)));
        expect(isEmpty(difference(a, a))).toBe(true);
        expect(isAll(union(a, complement(a)))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('has no edge on a surrogate', () => {
    const { from, to } = complement(ofStrings(['a', '\u{10000}']));
    from.forEach((code, edge) => {
      expect(code > 0xdfff || to[edge]! < 0xd800).toBe(true);
    });
    expect(accepts(ALL, '\ud800')).toBe(false);
  });

  it('stops at its budget', () => {
    const many = repeat(letter, 50, 60);
    expect(() => intersection(many, repeat(letter, 55, 70), 20)).toThrow(BudgetError);
    expect(() => repeat(letter, 0, 1e6)).toThrow(BudgetError);
    expect(() => repeat(many, 1000, 1000)).toThrow(BudgetError);
    expect(() => complement(many, 20)).toThrow(BudgetError);
    expect(() => concatenation([many, many], 20)).toThrow(BudgetError);
    expect(() => unionOf([many, repeat(letter, 70, 90)], 20)).toThrow(BudgetError);
    expect(() => ofStrings(['a'.repeat(30)], 20)).toThrow(BudgetError);
  });

  it('stops at its budget where the states would double with each letter', () => {
    const any = ofRanges([0x61, 0x62]);
    const late = [star(any), ofRanges([0x61, 0x61]), repeat(any, 40, 40)];
    expect(() => concatenation(late)).toThrow(BudgetError);
  });

  it('does not run out of stack on long texts', () => {
    const long = ofStrings(['ab'.repeat(50_000)], 200_000);
    expect(countStates(long)).toBe(100_001);
    expect(minLength(long)).toBe(100_000);
    expect(maxLength(long)).toBe(100_000);
    expect(countStates(complement(long, 200_000))).toBe(100_002);
  });
});

describe('a finite set', () => {
  const sets = fc.array(fc.string({ unit: 'binary', maxLength: 6 }), { maxLength: 30 });

  it('is listed as it was given, the shortest first', () => {
    fc.assert(
      fc.property(sets, (all) => {
        const dfa = ofStrings(all);
        const sorted = [...new Set(all.filter((text) => text.isWellFormed()))].sort(byLength);
        expect(enumerate(dfa, 100)).toEqual(sorted);
        expect(enumerate(dfa, 3)).toEqual(sorted.slice(0, 3));
        expect(isFiniteSet(dfa)).toBe(true);
        expect(minLength(dfa)).toBe(sorted.length === 0 ? undefined : [...sorted[0]!].length);
        expect(maxLength(dfa)).toBe(sorted.length === 0 ? undefined : [...sorted.at(-1)!].length);
      }),
    );
  });

  it('may be large', () => {
    const all = Array.from({ length: 100_000 }, (_, i) => `item-${i}-${(i * 7919) % 1000}`);
    const dfa = ofStrings(all, 1e6);
    expect(all.every((text) => accepts(dfa, text))).toBe(true);
    expect(accepts(dfa, 'item-1-7918')).toBe(false);
    expect(enumerate(dfa, 1e6)).toHaveLength(100_000);
  });

  it('shares endings', () => {
    expect(countStates(ofStrings(['station', 'nation', 'ration', 'motion']))).toBe(9);
  });
});

describe('an infinite set', () => {
  it('is listed from its shortest texts on', () => {
    expect(enumerate(star(ofStrings(['a', 'bcd'])), 8)).toEqual([
      '',
      'a',
      'aa',
      'aaa',
      'bcd',
      'aaaa',
      'abcd',
      'bcda',
    ]);
    expect(enumerate(ALL, 3)).toEqual(['', '\0', '\u0001']);
  });

  it('has no longest text', () => {
    const dfa = concatenation([letter, star(letter)]);
    expect([minLength(dfa), maxLength(dfa), isFiniteSet(dfa)]).toEqual([1, Infinity, false]);
    expect([minLength(EMPTY), maxLength(EMPTY)]).toEqual([undefined, undefined]);
    expect([minLength(EMPTY_TEXT), maxLength(EMPTY_TEXT)]).toEqual([0, 0]);
  });
});

describe('a sample', () => {
  it('is of the set', () => {
    fc.assert(
      fc.property(
        expressions,
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (e, stream) => {
          const text = sample(e.dfa, () => stream.next().value);
          if (text === undefined) expect(isEmpty(e.dfa)).toBe(true);
          else expect(accepts(e.dfa, text)).toBe(true);
        },
      ),
    );
  });

  it('ends, also where the way to an end is long', () => {
    const dfa = concatenation([star(letter), repeat(letter, 200, 200), ofRanges([0x2e, 0x2e])]);
    expect(accepts(dfa, sample(dfa, () => 0.5)!)).toBe(true);
  });
});

function byLength(a: string, b: string): number {
  const x = [...a].map((character) => character.codePointAt(0)!);
  const y = [...b].map((character) => character.codePointAt(0)!);
  if (x.length !== y.length) return x.length - y.length;
  const at = x.findIndex((code, i) => code !== y[i]);
  return at === -1 ? 0 : x[at]! - y[at]!;
}
