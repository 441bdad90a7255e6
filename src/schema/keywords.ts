/**
 * What is made of every keyword: the one list that the documentation, `hearth schema explain` and the tests of the
 * reader go by. Each row is proven by a schema of its own in the tests; the code that enforces stands in `read/`.
 *
 * Source  JSON Schema drafts 4, 6, 7, 2019-09 and 2020-12, core and validation; `nullable` as OpenAPI 3.0 has it.
 */
import type { Spelling } from './document/dialect.ts';

export type KeywordGroup = 'any value' | 'objects' | 'arrays' | 'strings' | 'numbers' | 'combining';

export interface EnforcedKeyword {
  readonly group: KeywordGroup;
  /** What holds for it here and not elsewhere. */
  readonly note?: string;
  /** Read where the draft has it; always if absent. */
  readonly readIf?: keyof Spelling;
  /** It says nothing without this one. */
  readonly beside?: string;
}

const FREE_KEYS = 'where keys are free, one more than is required';

export const ENFORCED = {
  type: { group: 'any value', note: 'also a list; `integer` is written without exponent and `.0`' },
  enum: { group: 'any value', note: 'any JSON values' },
  const: { group: 'any value', note: 'any JSON value', readIf: 'has6' },
  nullable: { group: 'any value', note: 'as OpenAPI 3.0 has it', beside: 'type' },
  properties: { group: 'objects', note: 'answers have them in the order of the schema' },
  required: { group: 'objects' },
  additionalProperties: { group: 'objects' },
  patternProperties: { group: 'objects' },
  propertyNames: { group: 'objects', readIf: 'has6' },
  minProperties: { group: 'objects', note: FREE_KEYS },
  maxProperties: { group: 'objects' },
  dependentRequired: { group: 'objects', readIf: 'has2019' },
  dependentSchemas: { group: 'objects', readIf: 'has2019' },
  dependencies: {
    group: 'objects',
    note: 'to draft 7, or without `$schema`',
    readIf: 'hasDependencies',
  },
  unevaluatedProperties: {
    group: 'objects',
    note: 'beside `properties`, patterns, `allOf` and `$ref`',
    readIf: 'has2019',
  },
  items: { group: 'arrays', note: 'also a list, to 2019-09 or without `$schema`' },
  prefixItems: { group: 'arrays', readIf: 'hasPrefixItems' },
  additionalItems: {
    group: 'arrays',
    note: 'beside a list under `items`',
    readIf: 'hasItemLists',
    beside: 'items',
  },
  contains: { group: 'arrays', readIf: 'has6' },
  minContains: { group: 'arrays', note: 'to 8', readIf: 'has2019', beside: 'contains' },
  maxContains: { group: 'arrays', note: 'to 8', readIf: 'has2019', beside: 'contains' },
  minItems: { group: 'arrays' },
  maxItems: { group: 'arrays' },
  uniqueItems: {
    group: 'arrays',
    note: 'where items have at most 16 values, or the places of a tuple nothing in common',
  },
  unevaluatedItems: {
    group: 'arrays',
    note: 'beside tuples of the same schema, and of `allOf` and `$ref` that are no longer',
    readIf: 'has2019',
  },
  minLength: { group: 'strings', note: 'in code points' },
  maxLength: { group: 'strings', note: 'in code points' },
  pattern: { group: 'strings', note: 'ECMA-262, searched for unless anchored' },
  format: {
    group: 'strings',
    note: '`date`, `time`, `date-time`, `duration`, `email`, `hostname`, `ipv4`, `ipv6`, `uri`, `uuid`; others of the specification are refused, and names that it does not have are annotations',
  },
  minimum: { group: 'numbers' },
  maximum: { group: 'numbers' },
  exclusiveMinimum: { group: 'numbers', note: 'a number, or `true` as in draft 4' },
  exclusiveMaximum: { group: 'numbers', note: 'a number, or `true` as in draft 4' },
  multipleOf: { group: 'numbers', note: 'exact decimals, of at most 9 places' },
  allOf: { group: 'combining' },
  anyOf: { group: 'combining' },
  oneOf: { group: 'combining', note: 'exactly one, also where they overlap' },
  not: { group: 'combining' },
  if: { group: 'combining', readIf: 'has7' },
  // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema, and nobody awaits the table.
  then: { group: 'combining', readIf: 'has7', beside: 'if' },
  else: { group: 'combining', readIf: 'has7', beside: 'if' },
  $ref: {
    group: 'combining',
    note: 'to any pointer, `$id` or `$anchor` of the same document; recursion, too',
  },
} as const satisfies Record<string, EnforcedKeyword>;

/** They say where things stand and what they are called. */
export const NAMING = ['$schema', '$id', 'id', '$anchor', '$dynamicAnchor', '$defs', 'definitions'];

/** They describe, and nobody would take them for a promise. */
export const DESCRIBING = [
  ...['title', 'description', 'default', 'examples', 'example', '$comment', 'deprecated'],
  ...['readOnly', 'writeOnly', '$vocabulary', '$recursiveAnchor'],
];

/** They look as if they were enforced, and are annotations by their specification. */
export const UNCHECKED = ['contentEncoding', 'contentMediaType', 'contentSchema'];

/** What they mean depends on who refers to them. */
export const DYNAMIC_REFERENCES = ['$dynamicRef', '$recursiveRef'];

export interface Refusal {
  /** As the error names it. */
  readonly keyword: string;
  readonly what: string;
  readonly why: string;
}

const BUDGET = 'more than fits into 256 KiB to 960 KiB of grammar, 20,000 states or a second';

export const REFUSALS = {
  dynamicRef: {
    keyword: '$dynamicRef',
    what: '`$dynamicRef`',
    why: 'what it means depends on who refers to it',
  },
  recursiveRef: { keyword: '$recursiveRef', what: '`$recursiveRef`', why: 'the same' },
  remoteRef: {
    keyword: '$ref',
    what: 'a reference to another document',
    why: 'nothing is fetched',
  },
  circle: {
    keyword: '$ref',
    what: 'references that only lead to each other',
    why: 'they say nothing',
  },
  draft: {
    keyword: '$schema',
    what: 'a draft that is not known',
    why: 'its keywords may mean anything',
  },
  lookAround: {
    keyword: 'pattern',
    what: 'look-ahead and look-behind in a pattern',
    why: 'not regular as they are used',
  },
  backReference: { keyword: 'pattern', what: 'a back-reference', why: 'not regular' },
  uniqueItems: {
    keyword: 'uniqueItems',
    what: '`uniqueItems` over more than 16 values, lists or objects',
    why: 'a grammar cannot remember them',
  },
  minProperties: {
    keyword: 'minProperties',
    what: '`minProperties` more than one above what is required, where keys are free',
    why: 'a free key may come twice, and counts once',
  },
  minContains: { keyword: 'minContains', what: '`minContains` above 8', why: 'each is counted' },
  maxContains: { keyword: 'maxContains', what: '`maxContains` above 8', why: 'each is counted' },
  unevaluatedProperties: {
    keyword: 'unevaluatedProperties',
    what: '`unevaluatedProperties` beside `anyOf`, `oneOf`, `if`, `dependentSchemas`',
    why: 'what is left over depends on the value',
  },
  unevaluatedItems: {
    keyword: 'unevaluatedItems',
    what: '`unevaluatedItems` beside the same, or `contains`',
    why: 'what is left over depends on the value',
  },
  alternatives: {
    keyword: 'anyOf',
    what: 'alternatives that multiply to more than 500',
    why: 'each is written out',
  },
  format: {
    keyword: 'format',
    what: '`format` with one of the specification that is not among the ten: `regex`, `iri`, `uri-reference`, `json-pointer`, …',
    why: 'it would be taken for enforced',
  },
  multipleOf: {
    keyword: 'multipleOf',
    what: '`multipleOf` whose digits are beyond 10,000, or with more than 9 decimals',
    why: 'remainders are counted',
  },
  wrongValue: {
    keyword: 'minLength',
    what: 'a keyword with a value that it cannot have (`minLength: "3"`)',
    why: 'the schema is wrong; the keyword is named',
  },
  unsatisfiable: {
    keyword: 'schema',
    what: 'a schema that no value can satisfy',
    why: 'there is no answer',
  },
  tooLarge: { keyword: 'schema', what: 'a schema that is too large to enforce', why: BUDGET },
} as const satisfies Record<string, Refusal>;
