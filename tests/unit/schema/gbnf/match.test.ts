import { describe, expect, test } from 'vitest';

import { GrammarError } from '../../../../src/schema/gbnf/error.ts';
import {
  acceptsText,
  advance,
  isAccepting,
  makeMatcher,
  nextRanges,
  start,
} from '../../../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../../../src/schema/gbnf/parse.ts';

const of = (...rules: string[]) => makeMatcher(parseGrammar(rules.join('\n')));

const json = of(
  'root ::= object',
  'value ::= object | array | string | number | "true" | "false" | "null"',
  'object ::= "{" ( pair ( "," pair )* )? "}"',
  'pair ::= string ":" value',
  'array ::= "[" ( value ( "," value )* )? "]"',
  String.raw`string ::= "\"" ( [^"\\\x00-\x1f\x7f] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} ) )* "\""`,
  'number ::= "-"? ( "0" | [1-9] [0-9]* ) ( "." [0-9]+ )? ( [eE] [-+]? [0-9]+ )?',
);

describe('acceptsText', () => {
  test.each([
    ['{}', true],
    ['{"a":[1,-2.5e+7,{"b":null}],"é😀":"\\u00e9\\n"}', true],
    ['{"a":[1,2}', 9],
    ['{"é":x}', 6],
    ['{"😀":tru}', 11],
    ['{"a":1', 6],
    ['', 0],
    ['{} ', 2],
    ['{"a":01}', 6],
    ['{"a\0":1}', 3],
    ['{"\ud800":1}', 2],
  ])('JSON by its grammar: %j', (text, verdict) => {
    expect(acceptsText(json, text)).toEqual(
      verdict === true ? { ok: true } : { ok: false, atByte: verdict },
    );
  });

  test('a change of one class in the text changes the verdict', () => {
    const text = 'root ::= [a-f0-9]{4} ("-" [^x"])*';
    const verdict = (grammar: string, sentence: string) => acceptsText(of(grammar), sentence).ok;
    expect(verdict(text, 'a0f9-y')).toBe(true);
    expect(verdict(text.replace('a-f', 'a-e'), 'a0f9-y')).toBe(false);
    expect(verdict(text.replace('[^x"]', '[^xy"]'), 'a0f9-y')).toBe(false);
    expect(verdict(text, 'a0g9')).toBe(false);
    expect(verdict(text.replace('a-f', 'a-g'), 'a0g9')).toBe(true);
    expect(verdict(text.replace('{4}', '{5}'), 'a0f9-y')).toBe(false);
  });

  test('a rule that never ends keeps its beginning alive, as the engine does', () => {
    expect(acceptsText(of('root ::= "a" root'), 'aaa')).toEqual({ ok: false, atByte: 3 });
  });

  test('brackets as deep as the text is long', () => {
    const nested = of('root ::= "(" root ")" | "."');
    const text = `${'('.repeat(20_000)}.${')'.repeat(20_000)}`;
    expect(acceptsText(nested, text)).toEqual({ ok: true });
    expect(acceptsText(nested, text.slice(0, -1))).toEqual({ ok: false, atByte: 40_000 });
    expect(acceptsText(nested, `${text})`)).toEqual({ ok: false, atByte: 40_001 });
  });

  test('ambiguity does not multiply: here the engine has 2^n stacks', () => {
    const doubling = of(
      'root ::= "a" root b | "a" root c | "a"',
      'b ::= "b" | "x"',
      'c ::= "c" | "x"',
    );
    expect(acceptsText(doubling, `${'a'.repeat(61)}${'x'.repeat(60)}`)).toEqual({ ok: true });
    expect(acceptsText(doubling, `${'a'.repeat(61)}${'bc'.repeat(30)}`)).toEqual({ ok: true });
    expect(acceptsText(doubling, `${'a'.repeat(61)}${'bc'.repeat(30)}b`)).toEqual({
      ok: false,
      atByte: 121,
    });
  });

  test('empty rules in a row, in front and behind', () => {
    const matcher = of('root ::= e e x e e', 'e ::= s | ""', 's ::= " "?', 'x ::= e "x" e | e');
    const spaces = (n: number) => ' '.repeat(n);
    for (let n = 0; n <= 6; n++) expect(acceptsText(matcher, spaces(n)).ok).toBe(n <= 5);
    expect(acceptsText(matcher, '   x   ').ok).toBe(true);
    expect(acceptsText(matcher, '    x').ok).toBe(false);
  });

  test('many alternatives are not taken for each other', () => {
    const words = Array.from({ length: 70 }, (_, i) => String.fromCodePoint(0x100 + i));
    const matcher = of(`root ::= ${words.map((word, i) => `"${word}${i}"`).join(' | ')}`);
    for (const [i, word] of words.entries()) {
      expect(acceptsText(matcher, `${word}${i}`)).toEqual({ ok: true });
      expect(acceptsText(matcher, `${word}${(i + 32) % 70}`).ok).toBe(false);
    }
  });

  test('work above the limit is an error', () => {
    const matcher = of('root ::= s', 's ::= "a" s s | "a"');
    expect(() => acceptsText(matcher, 'a'.repeat(1001), 10_000)).toThrow(GrammarError);
    expect(acceptsText(matcher, 'a'.repeat(51), 1_000_000)).toEqual({ ok: true });
  });
});

describe('one code point at a time', () => {
  test('states stay good, whatever is done with others', () => {
    const matcher = of('root ::= "a" ("b" | "cd"+) "e"?');
    const a = advance(start(matcher), 0x61)!;
    const b = advance(a, 0x62)!;
    expect(advance(a, 0x64)).toBeUndefined();
    const d = advance(advance(a, 0x63)!, 0x64)!;
    expect([a, b, d].map(isAccepting)).toEqual([false, true, true]);
    expect(nextRanges(a)).toEqual([0x62, 0x63]);
    expect(nextRanges(b)).toEqual([0x65, 0x65]);
    expect(nextRanges(d)).toEqual([0x63, 0x63, 0x65, 0x65]);
  });

  test('ranges are sorted and joined', () => {
    expect(nextRanges(start(of('root ::= [x-z] | [a-c] | [d] | [b-f] | "y"')))).toEqual([
      0x61, 0x66, 0x78, 0x7a,
    ]);
    expect(nextRanges(start(of('root ::= .')))).toEqual([1, 0xd7ff, 0xe000, 0x10ffff]);
    expect(nextRanges(start(of('root ::= ""')))).toEqual([]);
  });
});
