/**
 * Random schemas for property tests, over the fragment that is enforced: few names, few values and nearby
 * bounds, so that keywords meet each other, exclude each other and share.
 *
 * They are made in the words of 2020-12; `random-dialect.ts` says the same in the words of older drafts.
 */
import * as fc from 'fast-check';

export type Schema = boolean | Keywords;
export type Keywords = { readonly [keyword: string]: unknown };

export const NAMES = ['a', 'b', 'c', 'ab', 'x-1', '', 'é"', '0'] as const;
const KEY_PATTERNS = ['^a', 'b$', '^[ab]$', '^x-', '\\d', '^.?$'] as const;
const PATTERNS = [
  '^a',
  'b$',
  '^[a-c]{1,3}$',
  '^(ab)*$',
  '\\d',
  '^\\w+$',
  '^[^"a]*$',
  'a|b',
  '^\\u00e9?.$',
] as const;
const FORMATS = ['date', 'time', 'ipv4', 'uuid', 'email', 'uri', 'duration', 'slug'] as const;
const TYPES = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'] as const;
export const NUMBERS = [-3, -1, -0.5, 0, 0.1, 0.25, 1, 1.5, 2, 3, 7, 10, 12, 100, 1e7] as const;
/** Where doubles are further apart than one, written with an exponent, or neither of both. */
const FAR_NUMBERS = [1e-7, 0.000001, 2 ** 53, -(2 ** 60), 2 ** 63, 1e21, 1e300, -1e22] as const;
export const TEXTS = ['', 'a', 'b', 'ab', 'abab', 'é', '"\\\n', '😀', '1', '2024-02-29'] as const;
const STEPS = [1, 2, 3, 0.5, 0.25, 0.01, 10, 7] as const;

const name = fc.constantFrom(...NAMES);
/** Under `not` and `if`, Ajv 8.20 does not miss a required property whose name is empty. */
const names = fc.uniqueArray(
  name.filter((one) => one !== ''),
  { maxLength: 3 },
);
const small = fc.nat({ max: 3 });
const bound = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...NUMBERS) },
  { weight: 1, arbitrary: fc.constantFrom(...FAR_NUMBERS) },
);

/** Any JSON of few parts. */
const jsonValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 2, withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false),
    bound,
    fc.constantFrom(...TEXTS),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(name, tie('value'), { maxKeys: 2, noNullPrototype: true }),
  ),
})).value;

/**
 * Known gap: `freq: 1` gives `fc.option` no chance of a value, so that what is only named through here (bounds,
 * lengths, `pattern`, `required`, `items`, `patternProperties`, `dependent…`) never comes.
 */
function optional(
  model: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  { isSparse = false } = {},
): fc.Arbitrary<Keywords> {
  const left = Symbol();
  const chances = Object.entries(model).map(
    ([word, value]) => [word, fc.option(value, { freq: isSparse ? 0.5 : 1, nil: left })] as const,
  );
  return fc
    .record(Object.fromEntries(chances), { noNullPrototype: true })
    .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== left)));
}

/** `depth`: how many schemas may stand inside of it. */
function schemaOf(depth: number): fc.Arbitrary<Schema> {
  const inner = depth > 0 ? schemaOf(depth - 1) : leaf;
  const byName = <T>(value: fc.Arbitrary<T>) =>
    fc.dictionary(name, value, { maxKeys: 3, noNullPrototype: true });
  const few = fc.array(inner, { minLength: 1, maxLength: 3 });
  const two = fc.array(inner, { minLength: 1, maxLength: 2 });
  const objects = optional({
    properties: byName(inner),
    required: names,
    additionalProperties: inner,
  });
  const otherObjects = optional({
    patternProperties: fc.dictionary(fc.constantFrom(...KEY_PATTERNS), inner, {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    propertyNames: keyNames,
    minProperties: small,
    maxProperties: small,
  });
  const dependents = optional({
    dependentRequired: byName(names),
    dependentSchemas: byName(inner),
  });
  const arrays = optional({ prefixItems: few, items: inner, minItems: small, maxItems: small });
  const counted = fc
    .record(
      { contains: inner, minContains: small, maxContains: small },
      { requiredKeys: ['contains'] },
    )
    .map((one): Keywords => one);
  const unique = fc
    .array(fc.oneof(fc.constantFrom(...TEXTS, ...NUMBERS), fc.constantFrom(null, true)), {
      minLength: 1,
      maxLength: 4,
    })
    .map((values): Keywords => ({ uniqueItems: true, items: { enum: values } }));
  const unevaluated = fc.oneof(
    fc.tuple(inner, byName(inner), byName(inner)).map(
      ([rest, own, other]): Keywords => ({
        unevaluatedProperties: rest,
        properties: own,
        allOf: [{ properties: other }],
      }),
    ),
    fc
      .tuple(inner, few)
      .map(([rest, prefixItems]): Keywords => ({ prefixItems, unevaluatedItems: rest })),
  );
  const combined = fc.oneof(
    few.map((anyOf): Keywords => ({ anyOf })),
    two.map((allOf): Keywords => ({ allOf })),
    two.map((oneOf): Keywords => ({ oneOf })),
    inner.map((not): Keywords => ({ not })),
    // By name, since no object here may look like a promise.
    fc
      .tuple(inner, fc.option(inner), fc.option(inner))
      .map(
        ([test, yes, no]): Keywords =>
          Object.fromEntries([
            ['if', test],
            ...(yes === null ? [] : [['then', yes]]),
            ...(no === null ? [] : [['else', no]]),
          ]),
      ),
  );
  const part = fc.oneof(
    { withCrossShrink: true },
    { weight: 5, arbitrary: leaf },
    { weight: 4, arbitrary: objects },
    { weight: 2, arbitrary: otherObjects },
    { weight: 1, arbitrary: dependents },
    { weight: 3, arbitrary: arrays },
    { weight: 1, arbitrary: counted },
    { weight: 1, arbitrary: unique },
    { weight: 1, arbitrary: unevaluated },
    { weight: 4, arbitrary: combined },
  );
  return fc.oneof(
    { withCrossShrink: true },
    { weight: 2, arbitrary: leaf },
    {
      weight: 5,
      arbitrary: fc
        .array(part, { minLength: 1, maxLength: 3 })
        .map((parts) => (parts.some((one) => one === false) ? false : joined(parts))),
    },
  );
}

function joined(parts: readonly Schema[]): Keywords {
  return Object.assign({}, ...parts.filter((one) => typeof one === 'object'));
}

const strings = optional({
  minLength: small,
  maxLength: fc.nat({ max: 5 }),
  pattern: fc.constantFrom(...PATTERNS),
});
const numbers = optional({
  minimum: bound,
  maximum: bound,
  exclusiveMinimum: bound,
  exclusiveMaximum: bound,
});
const keyNames: fc.Arbitrary<Schema> = fc.oneof(
  strings,
  names.map((list): Keywords => ({ enum: list })),
  fc.constantFrom(...KEY_PATTERNS).map((pattern): Keywords => ({ not: { pattern } })),
);

/** Without schemas inside. */
const leaf: fc.Arbitrary<Schema> = fc.oneof(
  { withCrossShrink: true },
  { weight: 2, arbitrary: fc.boolean() },
  { weight: 6, arbitrary: fc.constantFrom(...TYPES).map((type): Keywords => ({ type })) },
  {
    weight: 2,
    arbitrary: fc
      .uniqueArray(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 3 })
      .map((type): Keywords => ({ type })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...TYPES).map((type): Keywords => ({ type, nullable: true })),
  },
  { weight: 2, arbitrary: jsonValue.map((value): Keywords => ({ const: value })) },
  {
    weight: 2,
    arbitrary: fc
      .array(jsonValue, { minLength: 1, maxLength: 4 })
      .map((values): Keywords => ({ enum: values })),
  },
  { weight: 2, arbitrary: strings },
  { weight: 1, arbitrary: fc.constantFrom(...FORMATS).map((format): Keywords => ({ format })) },
  { weight: 2, arbitrary: numbers },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...STEPS).map((step): Keywords => ({ multipleOf: step })),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('#', '#/$defs/a', '#/$defs/b').map((to): Keywords => ({ $ref: to })),
  },
);

/** A document: its references lead to itself and to two definitions. */
export function schemas(depth: number): fc.Arbitrary<Keywords> {
  const one = schemaOf(depth);
  return fc
    .record({ root: one, a: one, b: one })
    .map(({ root, a, b }) => withDefinitions(root, { a, b }));
}

export function withDefinitions(root: Schema, $defs: Readonly<Record<string, Schema>>): Keywords {
  const own = typeof root === 'object' ? root : root ? {} : { not: {} };
  return { ...own, $defs };
}
