/** Every row of the table of keywords is proven here: what is called enforced is, what is called refused is. */
import { describe, expect, test } from 'vitest';

import { compileSchema } from '../../../src/schema/compile.ts';
import { acceptsText, makeMatcher } from '../../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../../src/schema/gbnf/parse.ts';
import {
  DESCRIBING,
  DYNAMIC_REFERENCES,
  ENFORCED,
  NAMING,
  REFUSALS,
  UNCHECKED,
} from '../../../src/schema/keywords.ts';

/** [schema, a value of it, none of it] */
type Proof = readonly [unknown, unknown, unknown];

const cases = JSON.parse(
  `{"type": "integer", "if": {"minimum": 5}, "then": {"maximum": 7}, "else": {"const": 1}}`,
);
const PROOFS: Readonly<Record<keyof typeof ENFORCED, Proof>> = {
  type: [{ type: 'integer' }, 1, 'a'],
  enum: [{ enum: [1, { a: [] }] }, { a: [] }, 2],
  const: [{ const: [null] }, [null], null],
  nullable: [{ type: 'integer', nullable: true }, null, 'a'],
  properties: [{ properties: { a: { type: 'null' } } }, { a: null }, { a: 1 }],
  required: [{ required: ['a'] }, { a: 1 }, {}],
  additionalProperties: [{ additionalProperties: { type: 'null' } }, { a: null }, { a: 1 }],
  patternProperties: [{ patternProperties: { '^a': { type: 'null' } } }, { b: 1 }, { ab: 1 }],
  propertyNames: [{ propertyNames: { maxLength: 1 } }, { a: 1 }, { ab: 1 }],
  minProperties: [{ minProperties: 1 }, { a: 1 }, {}],
  maxProperties: [{ maxProperties: 1 }, { a: 1 }, { a: 1, b: 1 }],
  dependentRequired: [{ dependentRequired: { a: ['b'] } }, { b: 1 }, { a: 1 }],
  dependentSchemas: [{ dependentSchemas: { a: { maxProperties: 1 } } }, { a: 1 }, { a: 1, b: 1 }],
  dependencies: [{ dependencies: { a: ['b'] } }, { b: 1 }, { a: 1 }],
  unevaluatedProperties: [
    { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
    { a: 1 },
    { b: 1 },
  ],
  items: [{ items: { type: 'null' } }, [null], [1]],
  prefixItems: [{ prefixItems: [{ type: 'null' }] }, [null, 1], [1]],
  additionalItems: [{ items: [true], additionalItems: { type: 'null' } }, [1, null], [1, 2]],
  contains: [{ contains: { type: 'null' } }, [1, null], [1]],
  minContains: [{ contains: { type: 'null' }, minContains: 2 }, [null, 1, null], [null]],
  maxContains: [{ contains: { type: 'null' }, maxContains: 1 }, [null], [null, null]],
  minItems: [{ minItems: 1 }, [1], []],
  maxItems: [{ maxItems: 1 }, [1], [1, 2]],
  uniqueItems: [{ uniqueItems: true, items: { type: 'boolean' } }, [true, false], [true, true]],
  unevaluatedItems: [
    { prefixItems: [true], unevaluatedItems: { type: 'null' } },
    [1, null],
    [1, 2],
  ],
  minLength: [{ minLength: 2 }, '🙂🙂', '🙂'],
  maxLength: [{ maxLength: 1 }, '🙂', 'ab'],
  pattern: [{ pattern: 'b\\d' }, 'ab1c', 'abc'],
  format: [{ format: 'ipv4' }, '127.0.0.1', '127.0.0.256'],
  minimum: [{ minimum: 0.1 }, 0.1, 0],
  maximum: [{ maximum: -3 }, -3, -2.9],
  exclusiveMinimum: [{ exclusiveMinimum: 1 }, 1.1, 1],
  exclusiveMaximum: [{ maximum: 1, exclusiveMaximum: true }, 0.9, 1],
  multipleOf: [{ multipleOf: 0.01 }, 4.35, 4.355],
  allOf: [{ allOf: [{ minimum: 1 }, { maximum: 2 }] }, 1.5, 3],
  anyOf: [{ anyOf: [{ const: 1 }, { const: 2 }] }, 2, 3],
  oneOf: [{ type: 'integer', oneOf: [{ minimum: 1 }, { maximum: 3 }] }, 4, 2],
  not: [{ not: { type: 'integer' } }, 'a', 1],
  if: [cases, 6, 8],
  // biome-ignore lint/suspicious/noThenProperty: it is the name of a keyword, and nobody awaits the table.
  then: [cases, 7, 8],
  else: [cases, 1, 2],
  $ref: [{ $ref: '#/$defs/a', $defs: { a: { type: 'null' } } }, null, 1],
};

describe.each(Object.entries(PROOFS))('%s is enforced', (keyword, [schema, value, other]) => {
  test('its value is accepted, the other one is not', () => {
    const { grammar, textOf } = compileSchema(schema);
    const matcher = makeMatcher(parseGrammar(grammar));
    expect(JSON.stringify(schema)).toContain(`"${keyword}"`);
    expect(acceptsText(matcher, textOf(value)).ok).toBe(true);
    expect(acceptsText(matcher, textOf(other)).ok).toBe(false);
  });

  // The one keyword that allows more than there would be without it.
  const freed = keyword === 'nullable' ? value : other;
  test('without it that is otherwise', () => {
    const { grammar, textOf } = compileSchema(without(schema, keyword));
    const { ok } = acceptsText(makeMatcher(parseGrammar(grammar)), textOf(freed));
    expect(ok).toBe(freed === other);
  });
});

const DRAFT_7 = 'http://json-schema.org/draft-07/schema#';
const wide = (name: string) => ({
  anyOf: Array.from({ length: 24 }, (_, i) => ({ required: [`${name}${i}`] })),
});
const REFUSED: Readonly<Record<keyof typeof REFUSALS, unknown>> = {
  dynamicRef: { $dynamicRef: '#a' },
  recursiveRef: { $recursiveRef: '#' },
  remoteRef: { $ref: 'https://example.com/a' },
  circle: { $ref: '#' },
  draft: { $schema: 'https://example.com/a' },
  lookAround: { pattern: 'a(?!b)' },
  backReference: { pattern: '(a)\\1' },
  uniqueItems: { uniqueItems: true, items: { type: 'string' } },
  minProperties: { minProperties: 2 },
  minContains: { contains: true, minContains: 9 },
  maxContains: { contains: true, maxContains: 9 },
  unevaluatedProperties: { anyOf: [{ required: ['a'] }], unevaluatedProperties: false },
  unevaluatedItems: { contains: { type: 'null' }, unevaluatedItems: false },
  alternatives: { allOf: [wide('a'), wide('b')] },
  format: { format: 'regex' },
  multipleOf: { multipleOf: 1.2345678 },
  wrongValue: { minLength: '3' },
  unsatisfiable: { type: 'string', minLength: 2, maxLength: 1 },
  tooLarge: { type: 'array', minItems: 1e9 },
};

test.each(Object.entries(REFUSED))('refused by its keyword: %s', (name, schema) => {
  const { keyword } = REFUSALS[name as keyof typeof REFUSALS];
  expect(() => compileSchema(schema)).toThrow(expect.objectContaining({ keyword }));
});

test('what is called an annotation changes nothing', () => {
  const { grammar } = compileSchema({ type: 'integer' });
  for (const keyword of [...DESCRIBING, ...UNCHECKED]) {
    expect(compileSchema({ type: 'integer', [keyword]: 'x' }).grammar, keyword).toBe(grammar);
  }
});

test('what names things is read: a schema is found by each', () => {
  const found = (schema: unknown) => compileSchema(schema).grammar;
  const { grammar } = compileSchema({ type: 'null' });
  const target = { type: 'null' };
  expect(found({ $ref: '#/$defs/a', $defs: { a: target } })).toBe(grammar);
  expect(found({ $ref: '#/definitions/a', definitions: { a: target } })).toBe(grammar);
  expect(found({ $ref: 'b', $defs: { a: { ...target, $id: 'b' } } })).toBe(grammar);
  expect(found({ $ref: 'b', $defs: { a: { ...target, id: 'b' } } })).toBe(grammar);
  expect(found({ $ref: '#b', $defs: { a: { ...target, $anchor: 'b' } } })).toBe(grammar);
  expect(found({ $ref: '#b', $defs: { a: { ...target, $dynamicAnchor: 'b' } } })).toBe(grammar);
  expect(found({ $schema: DRAFT_7, ...target })).toBe(grammar);
  expect(NAMING).toHaveLength(7);
});

test('nothing is in two lists', () => {
  const all = [
    ...Object.keys(ENFORCED),
    ...NAMING,
    ...DESCRIBING,
    ...UNCHECKED,
    ...DYNAMIC_REFERENCES,
  ];
  expect(new Set(all).size).toBe(all.length);
});

/** Of the schema itself; the keywords in it stay. */
function without(schema: unknown, keyword: string): unknown {
  const { [keyword]: _gone, ...rest } = schema as Record<string, unknown>;
  return rest;
}
