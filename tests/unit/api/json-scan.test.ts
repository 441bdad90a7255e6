import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  DEPTH_MAX,
  ESCAPES_MAX,
  ITEMS_MAX,
  JsonScanner,
  NUMBERS_MAX,
} from '../../../src/api/json-scan.ts';

/** Scans in pieces; undefined when it is accepted, else the reason. */
function scan(
  text: string | Uint8Array,
  pieceBytes = Number.POSITIVE_INFINITY,
): string | undefined {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  const scanner = new JsonScanner();
  try {
    for (let i = 0; i < bytes.length; i += pieceBytes) {
      scanner.push(bytes.subarray(i, Math.min(bytes.length, i + pieceBytes)));
    }
    scanner.end();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('accepts', () => {
  test.each([
    '{}',
    ' \t\r\n{ } \n',
    '{"a":1}',
    '{"a":-0.5e+10,"b":[1,2,[3]],"c":{"a":null},"d":true,"e":false,"f":""}',
    '{"a":"\\u00e9\\ud83d\\ude00\\n\\\\\\"\\/","é😀":1}',
    '{"a":9007199254740992,"b":-9007199254740992}',
    '{"a":{"x":1},"b":{"x":1}}',
    '{"a":0,"A":0}',
    '{"a":1e15}',
  ])('%s', (text) => {
    for (const piece of [1, 2, 3, 7, 1000]) expect(scan(text, piece)).toBeUndefined();
    expect(() => JSON.parse(text)).not.toThrow();
  });

  test.each([
    ['depth', `${'{"a":'.repeat(DEPTH_MAX - 1)}{}${'}'.repeat(DEPTH_MAX - 1)}`],
    ['elements', `{"a":[${'"",'.repeat(ITEMS_MAX - 2)}""]}`],
    ['numbers', `{"a":[${'7,'.repeat(NUMBERS_MAX - 1)}7]}`],
  ])('as much %s as is allowed', (_what, text) => {
    expect(scan(text, 65_536)).toBeUndefined();
  });
});

describe('refuses', () => {
  test.each([
    ['nothing', '', 'ends too early'],
    ['an array', '[]', 'expected an object'],
    ['a string', '"a"', 'expected an object'],
    ['null', 'null', 'expected an object'],
    ['a byte order mark', '\ufeff{}', 'byte order mark'],
    ['half an object', '{"a":', 'ends too early'],
    ['two objects', '{}{}', 'nothing after'],
    ['a trailing comma', '{"a":1,}', 'expected a key'],
    ['a trailing comma in an array', '{"a":[1,]}', 'expected a value'],
    ['a leading comma', '{,"a":1}', 'expected a key'],
    ['a missing colon', '{"a" 1}', 'expected a colon'],
    ['a bare key', '{a:1}', 'expected a key'],
    ['single quotes', "{'a':1}", 'expected a key'],
    ['a comment', '{/**/}', 'expected a key'],
    ['NaN', '{"a":NaN}', 'expected a value'],
    ['Infinity', '{"a":Infinity}', 'expected a value'],
    ['a wrong literal', '{"a":nul}', 'expected a value'],
    ['a leading zero', '{"a":01}', 'expected a number'],
    ['a plus', '{"a":+1}', 'expected a value'],
    ['a bare dot', '{"a":1.}', 'expected a number'],
    ['two dots', '{"a":1.2.3}', 'expected a number'],
    ['a minus alone', '{"a":-}', 'expected a number'],
    ['a wrong bracket', '{"a":[1}', 'a comma or the end'],
    ['a control character', '{"a":"\n"}', 'control character'],
    ['a wrong escape', '{"a":"\\x"}', 'unknown escape'],
    ['a short escape', '{"a":"\\u12g4"}', 'unknown escape'],
    ['a duplicate key', '{"a":1,"a":2}', 'duplicate key'],
    ['a duplicate key in disguise', '{"a":1,"\\u0061":2}', 'duplicate key'],
    ['a duplicate pair in disguise', '{"😀":1,"\\ud83d\\ude00":2}', 'duplicate key'],
    ['a nested duplicate', '{"x":[{"é":1,"b":0,"é":2}]}', 'duplicate key'],
    ['a lone high surrogate', '{"a":"\\ud83d"}', 'lone surrogate'],
    ['a high one before text', '{"a":"\\ud83dx"}', 'lone surrogate'],
    ['a high one before an escape', '{"a":"\\ud83d\\n"}', 'lone surrogate'],
    ['two high ones', '{"a":"\\ud83d\\ud83d"}', 'lone surrogate'],
    ['a lone low surrogate', '{"a":"\\ude00"}', 'lone surrogate'],
    ['2^53 + 1', '{"a":9007199254740993}', 'past 2^53'],
    ['-2^53 - 1', '{"a":-9007199254740993}', 'past 2^53'],
    ['a number with no room', '{"a":1e400}', 'past 2^53'],
    ['a long number', `{"a":0.${'1'.repeat(200)}}`, 'longer than'],
    ['a long key', `{"${'k'.repeat(2000)}":1}`, 'a key longer than'],
    ['too deep', '{"a":'.repeat(DEPTH_MAX + 1), 'levels'],
    ['too deep in arrays', `{"a":${'['.repeat(DEPTH_MAX)}`, 'levels'],
    [
      'too many keys',
      `{${Array.from({ length: ITEMS_MAX + 1 }, (_, i) => `"${i}":0`).join()}}`,
      'keys and elements',
    ],
    ['too many elements', `{"a":[${'"",'.repeat(ITEMS_MAX + 1)}""]}`, 'keys and elements'],
    ['too many escapes', `{"a":"${'\\n'.repeat(ESCAPES_MAX + 1)}"}`, 'escapes'],
    ['too many numbers', `{"a":[${'7,'.repeat(NUMBERS_MAX)}7]}`, 'numbers'],
  ])('%s', (_why, text, reason) => {
    expect(scan(text)).toContain(reason);
    expect(scan(text, text.length > 10_000 ? 4096 : 1)).toContain(reason);
  });

  test.each([
    ['a stray continuation', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong three', [0xe0, 0x80, 0x80]],
    ['a surrogate in bytes', [0xed, 0xa0, 0x80]],
    ['past U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a byte that is never used', [0xff]],
    ['a character cut by the quote', [0xe2, 0x82]],
  ])('%s', (_why, bytes) => {
    const text = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expect(scan(text)).toContain('invalid UTF-8');
    expect(scan(text, 1)).toContain('invalid UTF-8');
  });

  test('100,000 levels and 1,000,000 keys long before their end', () => {
    const deep = Buffer.from(`{"a":${'['.repeat(100_000)}`);
    const wide = Buffer.from(
      `{${Array.from({ length: 1_000_000 }, (_, i) => `"k${i}":1`).join()}}`,
    );
    const began = performance.now();
    expect(scan(deep)).toContain(`at byte ${DEPTH_MAX + 4}`);
    expect(scan(wide)).toContain('keys and elements');
    expect(performance.now() - began).toBeLessThan(500);
  });

  test('never repeats what the client wrote', () => {
    expect(scan('{"canary":1,"canary":2}')).not.toContain('canary');
  });
});

describe('properties', () => {
  const keys = fc.string({ unit: 'grapheme', maxLength: 12 });
  const objects = fc.dictionary(
    keys,
    fc.jsonValue({ maxDepth: 6, stringUnit: 'grapheme' }) as fc.Arbitrary<unknown>,
  );

  test('every object that JSON.stringify writes is accepted, split anywhere', () => {
    fc.assert(
      fc.property(objects, fc.integer({ min: 1, max: 9 }), (value, piece) => {
        fc.pre(isExact(value));
        expect(scan(JSON.stringify(value, undefined, piece % 3), piece)).toBeUndefined();
      }),
    );
  });

  test('what is accepted JSON.parse reads, and the split changes nothing', () => {
    const bits = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      'a',
      '\\',
      'u',
      '0',
      '1',
      '-',
      '.',
      'e',
      'true',
      'null',
      ' ',
      '"a"',
      '\\u0041',
      '\\ud800',
      'é',
    );
    const texts = fc.array(bits, { maxLength: 14 }).map((parts) => `{"a":${parts.join('')}}`);
    fc.assert(
      fc.property(texts, (text) => {
        const whole = scan(text);
        expect(scan(text, 1)).toBe(whole);
        if (whole === undefined) {
          expect(() => JSON.parse(text)).not.toThrow();
          return;
        }
        const isListed = /duplicate|surrogate|past 2/.test(whole);
        if (!isListed) expect(() => JSON.parse(text)).toThrow();
      }),
      { numRuns: 3000 },
    );
  });

  test('any bytes end in an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (tail) => {
        const text = Buffer.concat([Buffer.from('{"a":"'), tail]);
        const whole = scan(text);
        expect(scan(text, 1)).toBe(whole);
        if (whole !== undefined) return;
        expect(() =>
          JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text)),
        ).not.toThrow();
      }),
      { numRuns: 1000 },
    );
  });
});

function isExact(value: unknown): boolean {
  if (typeof value === 'number') return Math.abs(value) <= 2 ** 53;
  if (Array.isArray(value)) return value.every(isExact);
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isExact);
  return true;
}
