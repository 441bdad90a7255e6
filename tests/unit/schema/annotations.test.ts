import { expect, test } from 'vitest';

import { annotationsOf } from '../../../src/schema/annotations.ts';
import { Places } from '../../../src/schema/document/places.ts';

const annotations = (schema: unknown) => annotationsOf(new Places(schema, 20));

test.each([
  ['a format outside the ten', { format: 'slug' }, 'format', /^"slug" is none of the 10 formats/],
  ['a slip', { minLenght: 3 }, 'minLenght', /did you mean minLength\?$/],
  ['a name that nobody knows', { 'x-order': 3 }, 'x-order', /^no draft knows it$/],
  ['content', { contentEncoding: 'base64' }, 'contentEncoding', /describes/],
  ['maxContains alone', { maxContains: 3 }, 'maxContains', /without `contains`$/],
  ['nullable alone', { nullable: true }, 'nullable', /without `type`$/],
  ['then alone', JSON.parse('{"then":{}}'), 'then', /without `if`$/],
  [
    'additionalItems without a list',
    { items: true, additionalItems: false },
    'additionalItems',
    /list/,
  ],
  [
    'a keyword of a later draft',
    { $schema: 'http://json-schema.org/draft-04/schema#', const: 1 },
    'const',
    /^this draft does not have it$/,
  ],
  [
    'what stands beside $ref in draft 7',
    { $schema: 'http://json-schema.org/draft-07/schema#', $ref: '#', minLength: 1 },
    'minLength',
    /^what stands beside `\$ref` is ignored/,
  ],
])('%s', (_what, schema, keyword, why) => {
  expect(annotations(schema)).toEqual([
    { keyword, why: expect.stringMatching(why), pointer: '', count: 1 },
  ]);
});

test('what is enforced, names things or describes them is not listed', () => {
  const schema = {
    ...{ $schema: 'https://json-schema.org/draft/2020-12/schema', $id: 'a', title: 'x' },
    ...{ description: 'y', default: 1, $defs: {}, format: 'date', minLength: 1 },
    properties: { title: true, 'x-any': { format: 'uuid' } },
  };
  expect(annotations(schema)).toEqual([]);
});

test('each kind once, with its first place and how many there are', () => {
  const schema = {
    properties: { a: { format: 'slug' }, b: { format: 'slug' }, c: { format: 'x' } },
  };
  expect(
    annotations(schema)
      .map(({ count }) => count)
      .sort(),
  ).toEqual([1, 2]);
});

test('no more than a hundred kinds', () => {
  const keywords = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`unheard${i}`, 1]));
  expect(annotations(keywords)).toHaveLength(100);
});
