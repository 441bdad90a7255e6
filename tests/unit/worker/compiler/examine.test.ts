/** What is served for a schema, judged by the instances that come with it. */
import { describe, expect, test } from 'vitest';

import { examineLine } from '../../../../src/worker/compiler/examine.ts';

const LIMITS = { maxDepth: 20, maxGrammarBytes: 262_144, maxSchemaBytes: 65_536 };
const CLOCK = { nowMs: () => 0 };

const examine = (text: string) => examineLine(Buffer.from(text), LIMITS, CLOCK);
const check = (schema: unknown, ...tests: readonly (readonly [boolean, unknown])[]) =>
  examine(
    JSON.stringify({ id: 'x', schema, tests: tests.map(([valid, data]) => ({ valid, data })) }),
  );
const pair = {
  type: 'object',
  properties: { a: { type: 'integer' }, b: true },
  required: ['a', 'b'],
  additionalProperties: false,
};

describe('a line that is one', () => {
  test.each([
    ['all judged right', check(pair, [true, { a: 1, b: 2 }], [false, { a: 1 }]), 'pass'],
    ['a valid one is rejected', check({ type: 'integer' }, [true, 1], [true, 'a']), 'over'],
    ['an invalid one is accepted', check({ type: 'integer' }, [false, 1]), 'under'],
    ['both: the worse counts', check({ type: 'integer' }, [true, 'a'], [false, 1]), 'under'],
    ['nothing to try', check(pair), 'pass'],
    ['nothing satisfies it, as its tests say', check({ enum: [] }, [false, 1]), 'pass'],
    ['nothing satisfies it, which is wrong', check({ enum: [] }, [false, 1], [true, 2]), 'over'],
    ['nothing satisfies it, and nobody says so', check({ enum: [] }), 'refused'],
  ])('%s', (_what, examined, result) => {
    expect(examined).toMatchObject({ id: 'x', result });
  });

  test('keys in another order than the schema are put in order, and that is told', () => {
    expect(check(pair, [true, { a: 1, b: 2 }])).toEqual({ id: 'x', result: 'pass', ms: 0 });
    expect(check(pair, [true, { b: 2, a: 1 }])).toMatchObject({ result: 'pass', reordered: true });
  });

  test('an invalid instance is tried in both orders, too', () => {
    expect(check(pair, [false, { b: 2, a: 1 }])).toMatchObject({ result: 'under' });
  });

  test.each([
    ['http://json-schema.org/draft-04/schema#', 'pass'],
    ['http://json-schema.org/draft-06/schema#', 'under'],
  ])('1.0 is no integer to draft 4 only: %s', (draft, result) => {
    const line = `{"id":"x","schema":{"$schema":"${draft}","items":{"type":"integer"}},"tests":[{"valid":false,"data":[1,2.0]}]}`;
    expect(examine(line)).toMatchObject({ result });
  });

  test('and a valid number of draft 4 is tried in the spelling of the grammar', () => {
    const draft = 'http://json-schema.org/draft-04/schema#';
    const line = `{"id":"x","schema":{"$schema":"${draft}","type":"number"},"tests":[{"valid":true,"data":5.0}]}`;
    expect(examine(line)).toMatchObject({ result: 'pass' });
  });

  test('the instance and the place are named', () => {
    expect(check({ type: 'integer' }, [true, 1], [true, 'a'])).toMatchObject({
      why: 'test 2 is valid and leaves the grammar at byte 0',
    });
  });

  test('a refusal has its keyword and place', () => {
    expect(check({ items: { pattern: '(?=a)' } })).toMatchObject({
      result: 'refused',
      keyword: 'pattern',
      pointer: '/items',
    });
  });

  test('a schema is measured as compact JSON', () => {
    expect(check({ title: 'x'.repeat(65_536 - 12) })).toMatchObject({ result: 'pass' });
    expect(check({ title: 'x'.repeat(65_536 - 11) })).toMatchObject({
      result: 'refused',
      keyword: 'schema',
      why: 'it has 65537 bytes, of at most 65536',
    });
  });
});

describe('a line that is none is refused, without a keyword', () => {
  test.each([
    ['no JSON', '{nonsense', null, /^it is not JSON: /],
    ['a list', '[]', null, /object/],
    ['no id', '{"schema":true,"tests":[]}', null, /^id/],
    ['no schema', '{"id":7,"tests":[]}', 7, /^schema is missing$/],
    ['no tests', '{"id":"a","schema":true}', 'a', /^tests is missing$/],
    [
      'no data',
      '{"id":"a","schema":true,"tests":[{"valid":true}]}',
      'a',
      /^tests\.0\.data is miss/,
    ],
    ['too deep', `${'['.repeat(201)}${']'.repeat(201)}`, null, /more than 200/],
  ])('%s', (_what, line, id, why) => {
    const examined = examine(line);
    expect(examined).toMatchObject({ id, result: 'refused', why: expect.stringMatching(why) });
    expect(examined).not.toHaveProperty('keyword');
    expect(examined.why).not.toContain('\n');
  });

  test('brackets in strings are no levels', () => {
    expect(check({ title: `"\\${'['.repeat(300)}` })).toMatchObject({ result: 'pass' });
  });

  test('bytes that are no UTF-8', () => {
    const examined = examineLine(Buffer.from([0x22, 0xff, 0x22]), LIMITS, CLOCK);
    expect(examined).toMatchObject({ result: 'refused', why: 'it is not UTF-8' });
  });
});
