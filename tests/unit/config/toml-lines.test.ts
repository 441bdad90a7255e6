import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { describe, expect, test } from 'vitest';

import { locateKeys } from '../../../src/config/toml-lines.ts';

describe('locateKeys', () => {
  test.each([
    ['a key', 'a = 1', { a: 1 }],
    ['keys below a table', '[t]\n\nx = 1 # y = 2\nz = 3', { t: 1, 't.x': 3, 't.z': 4 }],
    ['dotted keys', 'a.b = 1\na . c = 2', { a: 1, 'a.b': 1, 'a.c': 2 }],
    ['quoted keys', `"a b" = 1\n'c' = 2\n"\\u0064" = 3`, { 'a b': 1, c: 2, d: 3 }],
    [
      'a table header with dots and blanks',
      '[ a . "b.c" ]\nx=1',
      { a: 1, 'a.b.c': 1, 'a.b.c.x': 2 },
    ],
    [
      'arrays of tables, by index',
      '[[k]]\nn=1\n[[k]]\nn=2',
      { k: 1, 'k.0': 1, 'k.0.n': 2, 'k.1': 3, 'k.1.n': 4 },
    ],
    ['what follows a text of several lines', 'a = """\nx = 1\n[y]\n"""\nb = 2', { a: 1, b: 5 }],
    ['what follows a literal text', "a = '''\n# no\n'''\nb = 2", { a: 1, b: 4 }],
    ['quotes at the end of a text', 'a = """x"""""\nb = 2', { a: 1, b: 2 }],
    ['escaped quotes', 'a = "\\"#"\nb = 2', { a: 1, b: 2 }],
    ['lists over lines', 'a = [\n 1, # one\n [2,\n 3],\n]\nb = 1', { a: 1, b: 6 }],
    [
      'inline tables',
      'a = { b = 1, c = { d = "}" } }\ne = 1',
      { a: 1, 'a.b': 1, 'a.c': 1, 'a.c.d': 1, e: 2 },
    ],
    ['dates with a blank', 'a = 2026-01-01 10:00:00\nb = 1', { a: 1, b: 2 }],
    ['CR LF', 'a = 1\r\nb = 2\r\n', { a: 1, b: 2 }],
  ])('finds %s', (_what, text, lines) => {
    expect(Object.fromEntries(locateKeys(text))).toEqual(lines);
  });

  test('finds every key of any document, on the line where it stands', () => {
    const name = fc.string({ minLength: 1, maxLength: 5 });
    const leaf = fc.oneof(
      fc.integer(),
      fc.string(),
      fc.boolean(),
      fc.array(fc.string(), { maxLength: 3 }),
    );
    const document = fc.dictionary(name, fc.oneof(leaf, fc.dictionary(name, leaf)));
    fc.assert(
      fc.property(document, (value) => {
        const text = stringify(value);
        const found = locateKeys(text);
        const lines = text.split('\n');
        for (const [key, content] of Object.entries(value)) {
          expect(found.has(key)).toBe(true);
          if (typeof content !== 'object' || Array.isArray(content)) continue;
          for (const inner of Object.keys(content)) {
            const line = found.get(`${key}.${inner}`);
            expect(lines[(line ?? 0) - 1]).toMatch(/=/);
          }
        }
      }),
    );
  });

  test('ends on any text, TOML or not', () => {
    const pieces = fc.constantFrom(
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '=',
      ',',
      '\n',
      '#',
      'a',
      '.',
      '\\',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        locateKeys(parts.join(''));
      }),
    );
  });
});
