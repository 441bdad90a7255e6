import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BudgetError } from '../../../../src/schema/automata/budget.ts';
import { complement } from '../../../../src/schema/automata/complement.ts';
import { countedClass } from '../../../../src/schema/automata/counted-class.ts';
import {
  accepts,
  countStates,
  isAll,
  isEmpty,
  keyOf,
} from '../../../../src/schema/automata/dfa.ts';
import { RegexError } from '../../../../src/schema/automata/regex/error.ts';
import { parseRegex, regexDfa } from '../../../../src/schema/automata/regex.ts';
import { sample } from '../../../../src/schema/automata/sample.ts';

function dfaOf(pattern: string) {
  return regexDfa(parseRegex(pattern));
}

function errorOf(pattern: string): { why: string; at: number; kind: string } | undefined {
  try {
    parseRegex(pattern);
    return undefined;
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    return { why: error.why, at: error.at, kind: error.kind };
  }
}

const characters = [
  'a',
  'b',
  'Z',
  '_',
  '0',
  '-',
  ' ',
  '\n',
  '\u2028',
  'é',
  '😀',
  '{',
  '}',
  ']',
  '\\',
];
const texts = fc.array(fc.constantFrom(...characters), { maxLength: 6 }).map((all) => all.join(''));

const atoms = fc.constantFrom(
  ...['a', 'b', 'é', '😀', '.', '\\d', '\\D', '\\w', '\\W', '\\s', '\\S', '[ab]', '[^a]'],
  ...['[\\w-]', '[^\\s0-9]', '[a-z😀]', '\\n', '\\x61', '\\u0062', '\\u{1F600}', '\\uD83D\\uDE00'],
  ...[
    '\\cJ',
    '\\0',
    '\\-',
    '\\p{L}',
    '\\P{L}',
    '[\\p{Lu}_]',
    '[]',
    '[^]',
    '\\/',
    '[\\b]',
    ']',
    '\\_',
  ],
);
const quantifiers = fc.constantFrom(
  '',
  '',
  '',
  '*',
  '+',
  '?',
  '{2}',
  '{1,}',
  '{0,2}',
  '*?',
  '{2,3}?',
);
const patterns: fc.Arbitrary<string> = fc.letrec<{ all: string }>((tie) => ({
  all: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.tuple(atoms, quantifiers).map(([atom, count]) => atom + count),
    fc.constantFrom('^', '$', '\\b', '\\B'),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => a + b),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => `^${a}${b}$`),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => `${a}|${b}`),
    fc
      .tuple(fc.constantFrom('(', '(?:', '(?<n>'), tie('all'), quantifiers)
      .map(([open, a, count]) => `${open}${a})${count}`),
  ),
})).all;

/** V8 finds `\B` between the two units of an emoji, also under the flag u; ECMA-262 does not. */
function isBeyondEngine(pattern: string, text: string): boolean {
  return pattern.includes('\\B') && /[\u{10000}-\u{10ffff}]/u.test(text);
}

/** The engine, as validators use it: with the flag `u` first. */
function engineOf(pattern: string): RegExp | undefined {
  for (const flags of ['u', '']) {
    try {
      return new RegExp(pattern, flags);
    } catch {
      // Not valid with these flags.
    }
  }
  return undefined;
}

describe('the automaton of a pattern', () => {
  it('finds what the engine finds', () => {
    fc.assert(
      fc.property(patterns, fc.array(texts, { minLength: 8, maxLength: 8 }), (pattern, all) => {
        const engine = engineOf(pattern);
        fc.pre(engine !== undefined);
        const regex = parseRegex(pattern);
        expect(regex.isUnicode).toBe(engine.unicode);
        const dfa = regexDfa(regex);
        for (const text of all) {
          if (isBeyondEngine(pattern, text)) continue;
          expect([pattern, text, accepts(dfa, text)]).toEqual([pattern, text, engine.test(text)]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has only texts in which the engine finds the pattern, and its complement none', () => {
    fc.assert(
      fc.property(
        patterns,
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (pattern, stream) => {
          const engine = engineOf(pattern);
          fc.pre(engine !== undefined);
          const dfa = dfaOf(pattern);
          const random = () => stream.next().value;
          for (let i = 0; i < 5; i++) {
            const inside = sample(dfa, random, 5);
            const outside = sample(complement(dfa), random, 5);
            if (inside !== undefined && !isBeyondEngine(pattern, inside))
              expect([pattern, inside, engine.test(inside)]).toEqual([pattern, inside, true]);
            if (outside !== undefined && !isBeyondEngine(pattern, outside))
              expect([pattern, outside, engine.test(outside)]).toEqual([pattern, outside, false]);
          }
        },
      ),
    );
  });

  it.each([
    ['^abc$', ['abc'], ['abc\n', 'xabc', '']],
    ['^(a|)$|b', ['a', '', 'xbx'], ['aa', 'x']],
    ['(^|,)a(,|$)', ['a', 'x,a', 'a,x'], ['xa', 'ax']],
    ['^a*^b$', ['b'], ['ab', 'aab']],
    ['a^b', [], ['ab', 'b']],
    ['a$(b|)', ['a', 'xa'], ['ab']],
    ['a$b', [], ['ab', 'a']],
    ['$^a?$', [''], ['a']],
    ['\\bcat\\b', ['cat', 'a cat.', '-cat-'], ['cats', 'scat', 'é']],
    ['^\\B$', [''], ['a']],
    ['\\Ba', ['ba', '_a'], ['a', ' a', 'éa']],
    ['(\\ba|b\\b)*$', ['', 'xyz', 'ab'], []],
    ['^.{2}$', ['ab', '😀a', '\u0085a'], ['😀', 'a\n', 'a\u2029']],
    ['^\\p{digit}+$', ['42', '৪২'], ['-%#', '']],
    ['^\\p{Script=Greek}$', ['α'], ['a']],
    ['\\p{Letter}cole', ["l'école"], ["L'ÉCOLE"]],
    ['^[^]$', ['\n', '😀'], ['']],
    ['^\\cc\\t$', ['\u0003\t'], ['\\cc\t']],
    ['^🐲*$', ['', '🐲🐲'], ['🐉', '🐲🐉']],
    ['^(a+)+b$', ['aab'], ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']],
  ])('%s', (pattern, inside, outside) => {
    const dfa = dfaOf(pattern);
    expect(inside.filter((text) => !accepts(dfa, text))).toEqual([]);
    expect(outside.filter((text) => accepts(dfa, text))).toEqual([]);
  });

  it('is that of all texts, or of none, where the pattern says so', () => {
    for (const pattern of ['', 'a*', '^', '$', '(?:)', '^[^]*$', 'a?|b', '(^)*']) {
      expect([pattern, isAll(dfaOf(pattern))]).toEqual([pattern, true]);
    }
    for (const pattern of ['[]', 'a^', '$a', '\\uD800', '^[\\uD800-\\uDFFF]$', 'a\\bb']) {
      expect([pattern, isEmpty(dfaOf(pattern))]).toEqual([pattern, true]);
    }
  });

  it('has no lone surrogates, whatever follows the match', () => {
    for (const pattern of ['a', '[^b]', '^.*$', '\\bx', '^[^\\_]$']) {
      const { from, to } = dfaOf(pattern);
      const isFound = from.some((code, edge) => code <= 0xdfff && to[edge]! >= 0xd800);
      expect([pattern, isFound]).toEqual([pattern, false]);
    }
  });

  it('is one and the same for all spellings', () => {
    for (const [a, b] of [
      ['^a{2,3}$', '^(aa|aaa)$'],
      ['^(?:a|b|c)+?$', '^[a-c][abc]*$'],
      ['^\\uD83D\\uDE00$', '^\\u{1f600}$'],
      ['\\w', '[A-Za-z0-9_]'],
      ['a+', 'a'],
    ] as const) {
      expect(keyOf(dfaOf(a))).toBe(keyOf(dfaOf(b)));
    }
  });
});

describe('a pattern that is valid only without the flag u', () => {
  it.each([
    ['^[a-z\\-]+\\_$', ['a-_'], ['a-']],
    ['^]{$', [']{'], [']']],
    ['^x{,3}$', ['x{,3}'], ['xx']],
    ['^\\a\\e$', ['ae'], ['\\a\\e']],
    ['^[\\w-.]\\_$', ['a_', '._', '-_'], [',_']],
    ['^\\c\\_$', ['\\c_'], ['c_']],
    ['^[\\c1]\\_$', ['\u0011_'], ['c_', '1_']],
    ['^\\1\\_$', ['\u0001_'], ['1_']],
    ['^\\101\\8\\_$', ['A8_'], ['1018_']],
    ['^\\k<a>$', ['k<a>'], ['']],
    ['^\\u{3}\\_$', ['uuu_'], ['\u0003_']],
    ['^\\p{3}\\_$', ['ppp_'], []],
    ['^.\\_$', ['é_'], ['😀_']],
    ['^..\\_$', ['😀_', 'ab_'], ['a_']],
    ['^[😀]\\_$', [], ['😀_']],
    ['^😀\\_$', ['😀_'], ['😁_']],
    ['^[^a]\\uDE00\\_$', ['😀_'], ['😁_', 'a_']],
    ['^\\uD83D[^\\uDE00]\\_$', ['😁_'], ['😀_']],
  ])('%s', (pattern, inside, outside) => {
    const regex = parseRegex(pattern);
    const dfa = regexDfa(regex);
    const engine = new RegExp(pattern);
    expect(regex.isUnicode).toBe(false);
    for (const text of [...inside, ...outside]) {
      expect([text, accepts(dfa, text)]).toEqual([text, engine.test(text)]);
    }
    expect(inside.filter((text) => !accepts(dfa, text))).toEqual([]);
    expect(outside.filter((text) => accepts(dfa, text))).toEqual([]);
  });
});

describe('a pattern that is refused', () => {
  it.each([
    ['^a(?=b)', 'look-ahead', 2],
    ['(?!b)', 'look-ahead', 0],
    ['a(?<=b)', 'look-behind', 1],
    ['(?<!b)', 'look-behind', 0],
    ['(a)\\1', 'a back-reference', 3],
    ['(?<n>a)\\k<n>', 'a back-reference', 7],
    ['(?i:a)', 'a group with modifiers', 0],
    ['(?-s:a)', 'a group with modifiers', 0],
    [`${'('.repeat(201)}${')'.repeat(201)}`, 'more than 200 nested groups', 200],
  ])('%s: %s', (pattern, why, at) => {
    expect(errorOf(pattern)).toEqual({ why, at, kind: 'refused' });
  });

  it.each([
    ['(', 'a group that is not closed', 0],
    ['a)', 'a closing parenthesis without its opening one', 1],
    ['[a', 'a class that is not closed', 0],
    ['a**', 'nothing to repeat', 2],
    ['^*', 'nothing to repeat', 2],
    ['a{2,1}', 'numbers out of order in a count', 1],
    ['[b-a]', 'a range that is out of order', 2],
    ['(?P<n>a)', 'an unknown kind of group', 0],
    ['\\', 'a backslash before nothing', 0],
  ])('%s is no regular expression: %s', (pattern, why, at) => {
    expect(errorOf(pattern)).toEqual({ why, at, kind: 'syntax' });
  });

  it('says so in one line', () => {
    expect(() => parseRegex('a(?=b)')).toThrow('The pattern cannot be enforced: look-ahead at 1.');
  });

  it('is refused exactly where the engine refuses it, or by name', () => {
    const noise = fc.array(fc.constantFrom(...'ab1^$()[]{}|\\-?*+.,:<>=!cxukpd'), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(noise, (all) => {
        const pattern = all.join('');
        const error = errorOf(pattern);
        if (error?.kind === 'refused') return;
        expect([pattern, error === undefined]).toEqual([pattern, engineOf(pattern) !== undefined]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a costly pattern', () => {
  it('is cut off by the budget', () => {
    for (const pattern of [
      'a.{5000}b.{5000}',
      '(a{1000}){1000}',
      '(x|.)*x.{30}$',
      '[^]{999999999}',
      '^(\\p{L}\\P{L}){2500}$',
      '(?:^){99999999}a',
    ]) {
      expect(() => dfaOf(pattern)).toThrow(BudgetError);
    }
  });

  it('may count to some thousands', () => {
    expect(countStates(dfaOf('^[a-z]{1,5000}$'))).toBe(5001);
    expect(countStates(dfaOf('(?:){999999999}a'))).toBe(2);
    expect(accepts(dfaOf('x.{0,1000}y'), `x${'a'.repeat(1000)}y`)).toBe(true);
  });
});

describe('countedClass', () => {
  it('keeps a class with a count as numbers', () => {
    const of = (pattern: string) => countedClass(parseRegex(pattern));
    expect(of('^[a-z]{1,5000}$')).toEqual({ ranges: [0x61, 0x7a], min: 1, max: 5000 });
    expect(of('^(?:[a-z])*$')).toEqual({ ranges: [0x61, 0x7a], min: 0, max: Infinity });
    expect(of('^\\d\\d+$')).toEqual({ ranges: [0x30, 0x39], min: 2, max: Infinity });
    expect(of('^(a|b)\\_{0}$')).toBeUndefined();
    expect(of('^[a\\-]\\-{0}$')).toBeUndefined();
    expect(of('[a-z]{1,5000}$')).toBeUndefined();
    expect(of('^[a-z]{1,5000}')).toBeUndefined();
    expect(of('^ab$')).toBeUndefined();
    expect(of('^$')).toBeUndefined();
    expect(of('^[\\_]+$')).toEqual({ ranges: [0x5f, 0x5f], min: 1, max: Infinity });
    // Without the flag u this counts units: an emoji has two.
    expect(of('^[^\\_]+$')).toBeUndefined();
  });
});
