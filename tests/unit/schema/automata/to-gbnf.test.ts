import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { countedClass, countedGrammar } from '../../../../src/schema/automata/counted-class.ts';
import { accepts, type Dfa, isEmpty } from '../../../../src/schema/automata/dfa.ts';
import { enumerate } from '../../../../src/schema/automata/enumerate.ts';
import { FORMATS, formatDfa } from '../../../../src/schema/automata/formats.ts';
import { toJsonText } from '../../../../src/schema/automata/json-text.ts';
import { EMPTY } from '../../../../src/schema/automata/minimise.ts';
import { integers, numberRange } from '../../../../src/schema/automata/numbers.ts';
import { ofStrings } from '../../../../src/schema/automata/of-strings.ts';
import { parseRegex, regexDfa } from '../../../../src/schema/automata/regex.ts';
import { sample } from '../../../../src/schema/automata/sample.ts';
import { ALL, EMPTY_TEXT } from '../../../../src/schema/automata/simple.ts';
import { type TextContext, toGbnf } from '../../../../src/schema/automata/to-gbnf.ts';
import { toGrammar } from '../../../../src/schema/automata/to-grammar.ts';
import { everyText, expressions } from './expressions.ts';
import { gbnfAccepts } from './gbnf-matcher.ts';

const quoted = (value: string): string => JSON.stringify(value).slice(1, -1);
const random = fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true }));

function dfaOf(pattern: string): Dfa {
  return regexDfa(parseRegex(pattern));
}

function printed(dfa: Dfa, context: TextContext = 'raw') {
  return toGbnf(toGrammar(dfa, 's'), { name: 's', context });
}

function lines(dfa: Dfa, context: TextContext = 'raw'): readonly string[] {
  const { root, rules } = printed(dfa, context);
  return [root, ...rules.map(({ name, body }) => `${name} ::= ${body}`)];
}

function countedLines(pattern: string, context: TextContext = 'raw'): readonly string[] {
  const { root, rules } = toGbnf(countedGrammar(countedClass(parseRegex(pattern))!), {
    name: 's',
    context,
  });
  return [root, ...rules.map(({ name, body }) => `${name} ::= ${body}`)];
}

const patterns = fc.constantFrom(
  ...[
    '',
    '^$',
    'a',
    '^[a-z]{1,63}$',
    '^[a-z]([a-z0-9-]*[a-z0-9])?$',
    '^[^"]*$',
    '^.{0,5}$',
    '^[\\x00-\\x20"\\\\]{2,4}$',
  ],
  ...[
    '^(a|bc|bcd)+$',
    '^\\d{4}-\\d{2}$',
    '\\bfoo\\b',
    '^[a-z]{1,10}-[a-z]{1,10}$',
    '^(ab?){2,3}$',
    '^\\s*$',
    '^x{3}y{0,2}z*$',
  ],
  ...[
    '^[😀-😂]+$',
    '^[^a]$',
    '^[\\]\\[^\\-"]{1,3}$',
    '^(a{2,3}b?){1,2}c$',
    '^[ab]{0,4}b[ab]{0,4}$',
  ],
);

describe('GBNF', () => {
  it('has the texts of the automaton', () => {
    fc.assert(
      fc.property(expressions, ({ dfa, has }) => {
        if (isEmpty(dfa)) return;
        const matches = gbnfAccepts(printed(dfa));
        for (const text of everyText(3)) expect([text, matches(text)]).toEqual([text, has(text)]);
      }),
    );
  });

  it.each(['raw', 'json-string'] as const)(
    'has them of a pattern, %s, and nothing near by',
    (context) => {
      fc.assert(
        fc.property(
          patterns,
          random,
          fc.string({ unit: 'binary', maxLength: 2 }),
          (pattern, stream, noise) => {
            const values = dfaOf(pattern);
            const dfa = context === 'raw' ? values : toJsonText(values);
            const matches = gbnfAccepts(printed(values, context));
            const next = () => stream.next().value;
            const value = sample(values, next, 6)!;
            const text = context === 'raw' ? value : quoted(value);
            expect([text, matches(text)]).toEqual([text, true]);
            const at = Math.floor(next() * (text.length + 1));
            for (const other of [
              text.slice(0, at) + noise + text.slice(at),
              text.slice(0, at) + text.slice(at + 1),
            ]) {
              if (other.isWellFormed())
                expect([other, matches(other)]).toEqual([other, accepts(dfa, other)]);
            }
          },
        ),
        { numRuns: 200 },
      );
    },
  );

  it.each(FORMATS)('has the texts of the format %s', (name) => {
    const dfa = formatDfa(name);
    const matches = gbnfAccepts(printed(dfa, 'json-string'));
    fc.assert(
      fc.property(random, (stream) => {
        const text = sample(dfa, () => stream.next().value)!;
        expect([text, matches(quoted(text))]).toEqual([text, true]);
        expect([text, matches(`${quoted(text)}é`)]).toEqual([text, false]);
      }),
      { numRuns: 10 },
    );
  });

  it('is short where the set is simple', () => {
    expect(lines(EMPTY_TEXT)).toEqual(['""']);
    expect(lines(ofStrings(['red', 'green', 'blue']))).toEqual(['("blue" | "green" | "red")']);
    expect(lines(ofStrings(['car', 'care', 'cart']))).toEqual(['"car" [et]?']);
    expect(lines(dfaOf('^[a-z]{1,63}$'))).toEqual(['[a-z]{1,63}']);
    expect(lines(dfaOf('^\\d{4}-\\d{2}-\\d{2}$'))).toEqual(['[0-9]{4} "-" [0-9]{2} "-" [0-9]{2}']);
    expect(lines(dfaOf('^[a-z]{2,5}-x*$'))).toEqual(['[a-z]{2,5} "-" "x"*']);
    expect(lines(dfaOf('^[a-z_][a-z0-9_]*$'))).toEqual(['[_a-z] [0-9_a-z]*']);
    expect(lines(integers())).toEqual(['("-" [1-9] s-3 | "0" | [1-9] s-3)', 's-3 ::= [0-9]{0,20}']);
    expect(lines(numberRange({ min: 0, max: 100 }, true))).toEqual([
      '("0" | "1" ("0" "0"? | [1-9])? | [2-9] [0-9]?)',
    ]);
  });

  it('writes what JSON.stringify escapes, and only that', () => {
    // a"b\, a new line, U+0001 and é: the backslashes of JSON are doubled once more by GBNF.
    expect(lines(ofStrings(['a"b\\\n\u0001é']), 'json-string')).toEqual([
      String.raw`"a\\\"b\\\\\\n\\u0001\xE9"`,
    ]);
    const [root, ...rules] = lines(ALL, 'json-string');
    expect(rules).toEqual([]);
    expect(root).toBe(
      '([ !#-\\x5B\\x5D-\\uD7FF\\uE000-\\U0010FFFF] | "\\\\" [\\x22\\x5Cbfnrt] | "\\\\u000" [0-7bef] | "\\\\u001" [0-9a-f])*',
    );
  });

  it('makes a rule of a long class that is needed often', () => {
    const [root, ...rules] = lines(dfaOf('^\\p{L}-\\p{L}-\\p{L}{2}$'));
    expect(root).toBe('s-set-1 "-" s-set-1 "-" s-set-1{2}');
    expect(rules).toHaveLength(1);
  });

  it('repeats nothing more than 256 times', () => {
    expect(countedLines('^[a-z]{0,256}$')).toEqual(['[a-z]{0,256}']);
    expect(countedLines('^[a-z]{300}$')).toEqual([
      's-times-1 [a-z]{44}',
      's-times-1 ::= [a-z]{256}',
    ]);
    expect(countedLines('^[a-z]{2,600}$')).toEqual([
      '[a-z]{2} (s-times-1? [a-z]{0,255} | s-times-1{2} [a-z]{0,86})',
      's-times-1 ::= [a-z]{256}',
    ]);
    expect(countedLines('^[a-z]{300,}$')).toEqual([
      's-times-1 [a-z]{44} [a-z]*',
      's-times-1 ::= [a-z]{256}',
    ]);
    expect(countedLines('^.{0,100000}$', 'json-string').length).toBeLessThan(5);
  });

  it.each([
    [0, 255],
    [0, 256],
    [0, 257],
    [0, 512],
    [0, 513],
    [256, 256],
    [257, 257],
    [1, 513],
    [255, 700],
    [300, Infinity],
  ])('counts from %d to %d as it should', (min, max) => {
    for (const dfa of [undefined, dfaOf(`^[ab]{${min},${max === Infinity ? '' : max}}$`)]) {
      const grammar =
        dfa === undefined
          ? countedGrammar({ ranges: [0x61, 0x62], min, max })
          : toGrammar(dfa, 's');
      const matches = gbnfAccepts(toGbnf(grammar, { name: 's', context: 'raw' }));
      for (const length of [
        0,
        1,
        min - 1,
        min,
        min + 1,
        255,
        256,
        257,
        511,
        512,
        513,
        max - 1,
        max,
        max + 1,
      ]) {
        if (length < 0 || !Number.isFinite(length)) continue;
        expect([length, matches('ab'.repeat(length).slice(0, length))]).toEqual([
          length,
          length >= min && length <= max,
        ]);
      }
    }
  });

  it('is the same every time', () => {
    expect(printed(formatDfa('ipv6'))).toEqual(printed(formatDfa('ipv6')));
    expect(lines(dfaOf('^(b|a)c$'))).toEqual(lines(dfaOf('^(?:ac|[b]c)$')));
    expect(lines(ofStrings(['b', 'a', 'c']))).toEqual(lines(ofStrings(['c', 'b', 'a'])));
  });

  it('does not run out of stack on long texts, or of time on long runs', () => {
    const long = 'ab'.repeat(20_000);
    expect(printed(ofStrings([long], 1e5)).root).toBe(`"${long}"`);
    const [root] = lines(dfaOf('^[a-z]{1,3000}[^a-z]x{0,3000}y?$'));
    expect(root!.length).toBeGreaterThan(0);
    expect(printed(dfaOf('^[ab]{0,2000}b[ab]$')).rules.length).toBeGreaterThan(0);
  });

  it('has no empty set', () => {
    expect(() => toGrammar(EMPTY, 's')).toThrow('The empty set has no grammar.');
  });
});

describe('the text of a set of strings within JSON', () => {
  it('is what JSON.stringify writes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', maxLength: 5 }), { maxLength: 10 }),
        (values) => {
          const inside = [...new Set(values.filter((value) => value.isWellFormed()).map(quoted))];
          expect([...enumerate(toJsonText(ofStrings(values)), 100)].sort()).toEqual(inside.sort());
        },
      ),
    );
    fc.assert(
      fc.property(patterns, random, (pattern, stream) => {
        const dfa = dfaOf(pattern);
        const value = sample(dfa, () => stream.next().value, 8)!;
        expect(accepts(toJsonText(dfa), quoted(value))).toBe(true);
        const text = sample(toJsonText(dfa), () => stream.next().value, 8)!;
        const read = JSON.parse(`"${text}"`) as string;
        expect([quoted(read), accepts(dfa, read)]).toEqual([text, true]);
      }),
    );
  });
});
