import { expect, test } from 'vitest';

import { compileConstraint } from '../../../../src/worker/compiler/compile-job.ts';
import { FinalCheck } from '../../../../src/worker/compiler/final-check.ts';

const ANY_JSON = grammarOf(true);
const check = new FinalCheck();

function grammarOf(schema: unknown): string {
  const made = compileConstraint(
    { kind: 'json_schema', schema },
    { maxDepth: 20, maxGrammarBytes: 262_144 },
  );
  if (!('grammar' in made)) throw new Error(made.why);
  return made.grammar;
}

/** Under a grammar that takes any JSON, so that only the validator can object. */
async function validated(schema: unknown, answer: string): Promise<string> {
  return (await check.check({ kind: 'json_schema', schema }, ANY_JSON, answer)).verdict;
}

test('an answer outside of its grammar is invalid, with the place', async () => {
  const schema = { type: 'integer' };
  expect(await check.check({ kind: 'json_schema', schema }, grammarOf(schema), '12x')).toEqual({
    verdict: 'invalid',
    why: 'it leaves its grammar at byte 2',
  });
  expect(await check.check({ kind: 'json_schema', schema }, grammarOf(schema), '12')).toEqual({
    verdict: 'valid',
    why: '',
  });
});

test('the validator objects by itself, where the grammar does not', async () => {
  expect(await validated({ type: 'string' }, '1')).toBe('invalid');
  expect(await validated({ minimum: 3 }, '2')).toBe('invalid');
  expect(await validated({ format: 'ipv4' }, '"300.1.1.1"')).toBe('invalid');
  expect(await validated({ pattern: '^(a+)+$' }, '"aab"')).toBe('invalid');
  expect(
    await validated({ $schema: 'http://json-schema.org/draft-07/schema#', minLength: 3 }, '"ab"'),
  ).toBe('invalid');
});

test('steps are exact, where a division of doubles is not', async () => {
  const wrong: string[] = [];
  for (let cents = 0; cents <= 10_000; cents++) {
    const text = JSON.stringify(cents / 100);
    if ((await validated({ multipleOf: 0.01 }, text)) !== 'valid') wrong.push(text);
  }
  expect(wrong).toEqual([]);
  expect(await validated({ multipleOf: 0.01 }, '0.015')).toBe('invalid');
});

test('patterns take linear time, and those that need no flag u are read', async () => {
  expect(await validated({ pattern: '^(a+)+b$' }, JSON.stringify('a'.repeat(5_000)))).toBe(
    'invalid',
  );
  expect(await validated({ pattern: '^[a-z\\-]+\\_$' }, '"a-b_"')).toBe('valid');
});

test('several patterns in one schema are each their own', async () => {
  const schema = { pattern: '^a', properties: { x: { pattern: 'b$' } } };
  expect(await validated(schema, '{"x":"b"}')).toBe('valid');
  expect(await validated(schema, '{"x":"a"}')).toBe('invalid');
  expect(await validated(schema, '"b"')).toBe('invalid');
});

test('what a hurried validator passes over', async () => {
  expect(await validated({ required: [''] }, '{}')).toBe('invalid');
  const tuple = { prefixItems: [{ const: 1 }], contains: { type: 'string' } };
  expect(await validated(tuple, '[]')).toBe('invalid');
});

test('what the validator cannot read is not checked', async () => {
  const draft7 = 'http://json-schema.org/draft-07/schema#';
  const siblings = { $schema: draft7, definitions: { a: {} }, $ref: '#/definitions/a', minimum: 3 };
  expect(await validated(siblings, '2')).toBe('unchecked');
  // The code that Ajv makes of it names a variable that it has not.
  const tuple = { prefixItems: [false], unevaluatedItems: false };
  const broken = { if: { oneOf: [tuple], not: true }, else: { type: 'null' } };
  expect(await validated(broken, '[1]')).toBe('unchecked');
  expect(await validated({ $schema: 'http://json-schema.org/draft-04/schema#' }, '2')).toBe(
    'unchecked',
  );
});
