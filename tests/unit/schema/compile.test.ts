import { describe, expect, test } from 'vitest';

import { compileSchema } from '../../../src/schema/compile.ts';
import { acceptsText, makeMatcher } from '../../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../../src/schema/gbnf/parse.ts';
import { UnsupportedSchema } from '../../../src/schema/unsupported.ts';

/** [what, schema, valid values, invalid values] */
type Case = readonly [string, unknown, readonly unknown[], readonly unknown[]];

const node = {
  type: 'object',
  properties: { v: { type: 'integer' }, next: { $ref: '#/$defs/node' } },
  required: ['v'],
  additionalProperties: false,
};

const CASES: readonly Case[] = [
  ['any value', true, [1, 'a', null, [], {}, [{ a: [1.5] }]], []],
  ['types', { type: ['integer', 'null'] }, [1, -20, null], [1.5, 'a', true]],
  ['enum and type', { type: 'string', enum: ['a', 1, 'é"\n'] }, ['a', 'é"\n'], [1, 'b']],
  [
    'const of an object',
    { const: { a: [1, { b: null }] } },
    [{ a: [1, { b: null }] }],
    [{ a: [1] }],
  ],
  ['bounds', { minimum: 0.1, exclusiveMaximum: 3 }, [0.1, 2.99, 'x'], [0.09, 3]],
  // Written …807 in the schemas of 64-bit integers, which JSON reads as this double, one above.
  ['a bound that no double has', { maximum: 2 ** 63 }, [2 ** 63 - 1024], [2 ** 63]],
  ['what is not above such a bound', { not: { minimum: 2 ** 63 } }, [2 ** 63 - 1024], [2 ** 63]],
  ['what is not below such a bound', { not: { exclusiveMaximum: -(2 ** 60) } }, [1], [-(2 ** 60)]],
  [
    'what is no integer',
    { type: 'number', not: { type: 'integer' } },
    [0.1 + 0.2, 1e-7, -2.5e-300, 1 / 3, 123456.00000001, 0.99],
    [1, 1e20, -5],
  ],
  ['multipleOf', { type: 'number', multipleOf: 0.25 }, [0, 0.25, -1.5], [0.3]],
  [
    'lengths',
    { type: 'string', minLength: 2, maxLength: 3 },
    ['ab', '🙂🙂', '"\\\n'],
    ['a', 'abcd'],
  ],
  [
    'a long maximum',
    { type: 'string', maxLength: 1000 },
    ['', 'a'.repeat(1000)],
    ['a'.repeat(1001)],
  ],
  [
    'pattern and length',
    { type: 'string', pattern: '^a+', maxLength: 3 },
    ['a', 'aab'],
    ['b', 'aaaa'],
  ],
  ['format', { type: 'string', format: 'date' }, ['2024-02-29'], ['2023-02-29', 'x']],
  ['a format that is an annotation', { type: 'string', format: 'slug' }, ['x', ' '], [1]],
  [
    'tuples',
    { type: 'array', prefixItems: [{ type: 'integer' }], items: { type: 'string' } },
    [[], [1], [1, 'a', 'b']],
    [['a'], [1, 2]],
  ],
  [
    'lengths of arrays',
    { type: 'array', items: { type: 'null' }, minItems: 1, maxItems: 3 },
    [[null], [null, null, null]],
    [[], [null, null, null, null]],
  ],
  [
    'contains',
    { type: 'array', contains: { type: 'integer' }, maxContains: 1 },
    [[1], ['a', 1]],
    [[], [1, 2]],
  ],
  [
    'uniqueItems of few values',
    { type: 'array', uniqueItems: true, items: { enum: ['a', 'b', null] } },
    [[], ['b', null]],
    [['a', 'a']],
  ],
  [
    'required',
    { type: 'object', properties: { a: { type: 'integer' } }, required: ['a', 'b'] },
    [{ a: 1, b: [] }],
    [{ a: 1 }, { a: 'x', b: 1 }],
  ],
  [
    'closed objects',
    { type: 'object', properties: { a: true }, additionalProperties: false },
    [{}, { a: 1 }],
    [{ b: 1 }],
  ],
  [
    'patternProperties',
    {
      type: 'object',
      patternProperties: { '^n': { type: 'number' } },
      additionalProperties: { type: 'string' },
    },
    [{ n1: 1, x: 'a' }],
    [{ n1: 'a' }, { x: 1 }],
  ],
  ['propertyNames', { type: 'object', propertyNames: { maxLength: 2 } }, [{ ab: 1 }], [{ abc: 1 }]],
  ['minProperties 1', { type: 'object', minProperties: 1 }, [{ a: 1 }, { a: 1, b: 2 }], [{}]],
  ['maxProperties', { type: 'object', maxProperties: 1 }, [{}, { a: 1 }], [{ a: 1, b: 2 }]],
  [
    'dependentRequired',
    { type: 'object', dependentRequired: { a: ['b'] } },
    [{}, { b: 1 }, { a: 1, b: 1 }],
    [{ a: 1 }],
  ],
  [
    'dependentSchemas',
    { type: 'object', dependentSchemas: { a: { maxProperties: 1 } } },
    [{ b: 1, c: 2 }, { a: 1 }],
    [{ a: 1, b: 2 }],
  ],
  [
    'anyOf of required',
    { type: 'object', anyOf: [{ required: ['a'] }, { required: ['b'] }] },
    [{ a: 1 }, { b: 1 }, { a: 1, b: 1 }],
    [{}, { c: 1 }],
  ],
  ['allOf', { allOf: [{ minimum: 3 }, { maximum: 5 }, { type: 'integer' }] }, [3, 5], [2, 6, 4.5]],
  [
    'oneOf that overlap',
    {
      oneOf: [
        { type: 'integer', multipleOf: 2 },
        { type: 'integer', multipleOf: 3 },
      ],
    },
    [2, 3, 9],
    [6, 5],
  ],
  [
    'oneOf by a constant',
    {
      oneOf: [
        { properties: { k: { const: 'a' } }, required: ['k'] },
        { properties: { k: { const: 'b' }, n: { type: 'integer' } }, required: ['k'] },
      ],
    },
    [{ k: 'a' }, { k: 'b', n: 1 }],
    [{ k: 'c' }, { k: 'b', n: 'x' }],
  ],
  ['not', { not: { type: 'object', required: ['a'] } }, [{}, { b: 1 }, 3], [{ a: 1 }]],
  [
    'if, then, else',
    // As text: an object with a `then` is taken for a promise.
    JSON.parse(`{"type": "object", "properties": {"k": {"enum": ["x", "y"]}, "v": true}, "required": ["k", "v"],
      "if": {"properties": {"k": {"const": "x"}}},
      "then": {"properties": {"v": {"type": "string"}}}, "else": {"properties": {"v": {"type": "integer"}}}}`),
    [
      { k: 'x', v: 'a' },
      { k: 'y', v: 1 },
    ],
    [
      { k: 'x', v: 1 },
      { k: 'y', v: 'a' },
    ],
  ],
  [
    'recursion',
    { $ref: '#/$defs/node', $defs: { node } },
    [{ v: 1, next: { v: 2 } }],
    [{ v: 1, next: {} }],
  ],
  [
    'recursion in an intersection',
    {
      allOf: [
        { $ref: '#/$defs/node' },
        { properties: { next: { properties: { v: { const: 7 } } } } },
      ],
      $defs: { node },
    },
    [{ v: 1 }, { v: 1, next: { v: 7 } }],
    [{ v: 1, next: { v: 8 } }],
  ],
  [
    'anchors and ids',
    {
      $id: 'http://a.example/s',
      $ref: 'other#x',
      $defs: { o: { $id: 'other', $defs: { p: { $anchor: 'x', type: 'null' } } } },
    },
    [null],
    [1],
  ],
  ['nullable', { type: 'string', nullable: true }, ['a', null], [1]],
  [
    'draft 4',
    {
      $schema: 'http://json-schema.org/draft-04/schema#',
      minimum: 3,
      exclusiveMinimum: true,
      const: 1,
    },
    [4],
    [3],
  ],
  [
    'draft 7 ignores what stands beside $ref',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      $ref: '#/definitions/a',
      maximum: 3,
      definitions: { a: { minimum: 1 } },
    },
    [1, 9],
    [0],
  ],
  [
    'unevaluatedProperties beside allOf',
    { type: 'object', allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
    [{ a: 1 }],
    [{ b: 1 }],
  ],
];

describe('a schema becomes a grammar of its values (MX-001…007)', () => {
  test.each(CASES)('%s', (_what, schema, valid, invalid) => {
    const { grammar, textOf } = compileSchema(schema);
    const matcher = makeMatcher(parseGrammar(grammar));
    const isAccepted = (value: unknown) => acceptsText(matcher, textOf(value)).ok;
    for (const value of valid) expect(isAccepted(value), JSON.stringify(value)).toBe(true);
    for (const value of invalid) expect(isAccepted(value), JSON.stringify(value)).toBe(false);
  });

  test('the same schema gives the same text', () => {
    const [, schema] = CASES.find(([what]) => what === 'if, then, else')!;
    expect(compileSchema(schema).grammar).toBe(compileSchema(structuredClone(schema)).grammar);
  });

  test('keys stand in the order of the schema', () => {
    const schema = { type: 'object', properties: { z: true, a: true }, required: ['a', 'z'] };
    expect(compileSchema(schema).textOf({ other: 1, a: 2, z: 3 })).toBe('{"z":3,"a":2,"other":1}');
  });
});

test('a value has a text also where it has parts that no answer reaches', () => {
  const unreached = { contains: true, unevaluatedItems: false };
  const { textOf } = compileSchema({ prefixItems: [false], items: unreached });
  expect(textOf([[1]])).toBe('[[1]]');
  expect(textOf([1, [2]])).toBe('[1,[2]]');
});

describe('a key of a class may repeat, and the last one counts', () => {
  const matcherOf = (schema: unknown) => makeMatcher(parseGrammar(compileSchema(schema).grammar));

  test('so that what some key must have is not taken back', () => {
    const schema = { type: 'object', not: { additionalProperties: { type: 'integer' } } };
    const matcher = matcherOf(schema);
    const accepts = (text: string) => acceptsText(matcher, text).ok;
    expect(accepts('{"a":1,"b":"x"}')).toBe(true);
    expect(accepts('{"a":"x","b":"y"}')).toBe(true);
    expect(accepts('{"a":"x","a":1}')).toBe(false);
    const { textOf } = compileSchema(schema);
    expect(textOf({ a: 'x', b: 1, c: null, d: 2 })).toBe('{"b":1,"d":2,"a":"x","c":null}');
  });

  test('but for declared names, which do not', () => {
    const matcher = matcherOf({
      type: 'object',
      properties: { a: true },
      not: { patternProperties: { '^[ab]': { type: 'integer' } } },
    });
    expect(acceptsText(matcher, '{"a":"x","b":1,"b":2}').ok).toBe(true);
    expect(acceptsText(matcher, '{"b":"x","b":2}').ok).toBe(false);
    expect(acceptsText(matcher, '{"b":"x","c":2}').ok).toBe(true);
  });
});

describe('what cannot be enforced is refused, with the keyword and where it stands', () => {
  const deep = (levels: number): unknown =>
    levels === 0 ? true : { items: deep(levels - 1), type: 'array' };
  test.each<[string, unknown, string, string]>([
    ['no schema', 3, 'schema', ''],
    ['an unknown draft', { $schema: 'http://example.com/mine' }, '$schema', ''],
    ['a remote reference', { items: { $ref: 'http://example.com/s' } }, '$ref', '/items'],
    ['a reference to nothing', { $ref: '#/$defs/none' }, '$ref', ''],
    [
      'references in a circle',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } },
      '$ref',
      '/$defs/a',
    ],
    ['a dynamic reference', { $dynamicRef: '#a' }, '$dynamicRef', ''],
    ['look-ahead', { properties: { 'a/b': { pattern: '^(?=x)' } } }, 'pattern', '/properties/a~1b'],
    ['a back-reference', { pattern: '(a)\\1' }, 'pattern', ''],
    ['a broken pattern', { pattern: '(' }, 'pattern', ''],
    ['nothing satisfies it', { type: 'string', minLength: 3, maxLength: 2 }, 'schema', ''],
    [
      'nothing satisfies a required property',
      { type: 'object', properties: { a: { enum: [] } }, required: ['a'] },
      'properties',
      '/properties/a',
    ],
    [
      'values would be infinite',
      { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] },
      'properties',
      '/properties/a',
    ],
    ['a wrong type of a keyword', { items: { minLength: '3' } }, 'minLength', '/items'],
    ['an unknown type', { type: 'float' }, 'type', ''],
    ['uniqueItems of many values', { type: 'array', uniqueItems: true }, 'uniqueItems', ''],
    ['counted free keys', { type: 'object', minProperties: 3 }, 'minProperties', ''],
    [
      'unevaluated beside alternatives',
      { anyOf: [true], unevaluatedProperties: false },
      'unevaluatedProperties',
      '',
    ],
    ['21 schemas inside of each other', deep(22), 'items', '/items'.repeat(21)],
    ['a billion items', { type: 'array', minItems: 1e9 }, 'schema', ''],
  ])('%s', (_what, schema, keyword, pointer) => {
    expect(() => compileSchema(schema)).toThrow(UnsupportedSchema);
    try {
      compileSchema(schema);
    } catch (error) {
      expect(error).toMatchObject({ keyword, pointer });
      expect((error as Error).message).not.toContain('\n');
    }
  });
});
