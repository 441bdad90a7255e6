/** Row MX-001 to MX-003: what becomes a grammar, and what is refused by name. */
import { expect, test } from 'vitest';

import type { Constraint } from '../../../../src/core/constraint.ts';
import { acceptsText, makeMatcher } from '../../../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../../../src/schema/gbnf/parse.ts';
import { compileConstraint } from '../../../../src/worker/compiler/compile-job.ts';

const LIMITS = { maxDepth: 20, maxGrammarBytes: 262_144 };

function accepted(constraint: Constraint, texts: readonly string[]): string[] {
  const compiled = compileConstraint(constraint, LIMITS);
  if (!('grammar' in compiled)) throw new Error(compiled.why);
  const matcher = makeMatcher(parseGrammar(compiled.grammar));
  return texts.filter((text) => acceptsText(matcher, text).ok);
}

test('MX-002: a JSON object is any object in canonical form, and nothing else', () => {
  const texts = ['{}', '{"a":[1,{"b":null}]}', '[]', '1', '{"a":1', '{"a": 1}', ''];
  expect(accepted({ kind: 'json_object' }, texts)).toEqual(['{}', '{"a":[1,{"b":null}]}']);
});

test('MX-003: a schema is its values', () => {
  const schema = {
    type: 'object',
    properties: { n: { type: 'integer', minimum: 3 } },
    required: ['n'],
    additionalProperties: false,
  };
  expect(
    accepted({ kind: 'json_schema', schema }, [
      '{"n":3}',
      '{"n":2}',
      '{"n":3.5}',
      '{}',
      '{"n":30}',
    ]),
  ).toEqual(['{"n":3}', '{"n":30}']);
});

test('a pattern matches the whole text, raw', () => {
  expect(accepted({ kind: 'regex', pattern: 'a|b"' }, ['a', 'b"', 'ab"', 'xa', '"a"'])).toEqual([
    'a',
    'b"',
  ]);
  expect(accepted({ kind: 'regex', pattern: '^\\d{3,}\\n$' }, ['123\n', '12\n', '123'])).toEqual([
    '123\n',
  ]);
  expect(accepted({ kind: 'regex', pattern: '[^a]{700}' }, ['é'.repeat(700), 'é'])).toEqual([
    'é'.repeat(700),
  ]);
});

test('a grammar is taken as it is written', () => {
  const text = 'root ::= "yes" | "no" rest?\nrest ::= [!?]+';
  expect(accepted({ kind: 'grammar', text }, ['yes', 'no!?', 'yes!'])).toEqual(['yes', 'no!?']);
});

test.each([
  ['look-ahead', { kind: 'regex', pattern: '(?=a)b' }, 'unsupported', /look-ahead/],
  ['a pattern of nothing', { kind: 'regex', pattern: 'a^' }, 'unsupported', /no text can match/],
  [
    'a pattern that is none',
    { kind: 'regex', pattern: 'a)(b' },
    'text',
    /not a regular expression/,
  ],
  ['a grammar without root', { kind: 'grammar', text: 'a ::= "b"' }, 'text', /root/],
  ['a grammar with a hole', { kind: 'grammar', text: 'root ::= gone' }, 'text', /'gone'/],
  [
    'a grammar without an end',
    { kind: 'grammar', text: 'root ::= "a" root' },
    'text',
    /never ends/,
  ],
] as const)('%s is refused', (_, constraint, fault, why) => {
  expect(compileConstraint(constraint, LIMITS)).toMatchObject({
    fault,
    why: expect.stringMatching(why),
  });
});

test('a keyword that cannot be enforced is named, with its place', () => {
  const schema = { properties: { a: { $ref: 'https://example.com/b' } } };
  expect(compileConstraint({ kind: 'json_schema', schema }, LIMITS)).toMatchObject({
    fault: 'unsupported',
    keyword: '$ref',
    pointer: '/properties/a',
  });
});

test('MX-006: a schema of 21 levels is refused at 20', () => {
  const nested = (levels: number): object =>
    levels === 0 ? {} : { properties: { a: nested(levels - 1) } };
  const levels = (count: number) =>
    compileConstraint({ kind: 'json_schema', schema: nested(count) }, LIMITS);
  expect(levels(19)).toHaveProperty('grammar');
  expect(levels(21)).toMatchObject({ fault: 'unsupported', why: expect.stringContaining('20') });
});
