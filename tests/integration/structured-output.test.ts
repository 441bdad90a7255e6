/**
 * Structured output as it is used, over HTTP, on the model that ships inside: schemas by hand, of zod and of
 * pydantic, hot and cold, beside free answers. Rows MX-001 to MX-004.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Ajv2020 } from 'ajv/dist/2020.js';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';

import { type HearthProcess, startHearth } from '../support/hearth-process.ts';
import { pythonWith } from '../support/python.ts';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../fixtures/python/${name}`, import.meta.url));
const python = await pythonWith(fixture('requirements.txt'), 'structured output in Python');

let server: HearthProcess;
let client: OpenAI;
const model = 'ember';

beforeAll(async () => {
  // Beside the model of another test two threads would wait for each other, spinning.
  server = await startHearth({ env: { HEARTH_MODEL_DEFAULTS_THREADS: '1' } });
  expect(await server.modelSettled).toMatchObject({ event: 'ready' });
  client = new OpenAI({
    baseURL: `http://127.0.0.1:${server.port}/v1`,
    apiKey: 'none',
    maxRetries: 0,
  });
});
afterAll(() => server?.stop());

type Extra = Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> & {
  readonly regex?: string;
  readonly grammar?: string;
};

async function ask(content: string, extra: Extra) {
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: 'user', content }],
    max_tokens: 160,
    ...extra,
  });
  return { text: answer.choices[0]!.message.content!, reason: answer.choices[0]!.finish_reason };
}

const schemaFormat = (schema: Record<string, unknown>) => ({
  response_format: { type: 'json_schema' as const, json_schema: { name: 'x', schema } },
});

const SCHEMAS: readonly Record<string, unknown>[] = [
  {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 12 },
      age: { type: 'integer', minimum: 0, maximum: 120 },
    },
    required: ['name', 'age'],
    additionalProperties: false,
  },
  { type: 'array', items: { enum: ['a', 'bé', 'c"d', '日本'] }, minItems: 2, maxItems: 4 },
  { anyOf: [{ type: 'null' }, { type: 'number', multipleOf: 0.25, minimum: -2, maximum: 2 }] },
  { type: 'string', pattern: '^[A-Z][a-zäöü]{2,6}$' },
  {
    type: 'object',
    properties: { at: { type: 'string', format: 'date' }, id: { type: 'string', format: 'uuid' } },
    required: ['at', 'id'],
    additionalProperties: false,
  },
  {
    $ref: '#/$defs/tree',
    $defs: {
      tree: {
        type: 'object',
        properties: {
          v: { type: 'boolean' },
          kids: { type: 'array', maxItems: 2, items: { $ref: '#/$defs/tree' } },
        },
        required: ['v'],
        additionalProperties: false,
      },
    },
  },
];

const DATE = /^\d{4}-\d\d-\d\d$/;
const ajv = new Ajv2020({ strict: false, formats: { date: DATE, uuid: /^[0-9a-f-]{36}$/i } });

describe('every finished answer validates', () => {
  test.each(SCHEMAS.map((schema, index) => [index, schema] as const))(
    'MX-003, MX-004: schema %i, cold and hot',
    async (_, schema) => {
      const validate = ajv.compile(schema);
      const finished: string[] = [];
      const runs = [0, 1, 2, 3].map(async (seed) => {
        const temperature = seed === 0 ? 0 : 2;
        const { text, reason } = await ask('Give me one.', {
          ...schemaFormat(schema),
          seed,
          temperature,
        });
        if (reason === 'stop') finished.push(text);
        else expect(reason).toBe('length');
      });
      await Promise.all(runs);
      for (const text of finished) {
        expect(validate(JSON.parse(text)), text).toBe(true);
        expect(JSON.stringify(JSON.parse(text))).toBe(text);
      }
      expect(finished.length).toBeGreaterThan(0);
    },
  );

  test('MX-002: json_object is an object', async () => {
    const { text, reason } = await ask('Return JSON: Alice is 34', {
      response_format: { type: 'json_object' },
      temperature: 0,
    });
    expect(reason).toBe('stop');
    expect(JSON.parse(text)).toBeTypeOf('object');
  });

  test('a pattern and a grammar hold for the whole answer', async () => {
    for (let seed = 0; seed < 4; seed++) {
      const hot = { temperature: 2, seed };
      expect((await ask('Hello', { regex: '(yes|no), [0-9]{2}', ...hot })).text).toMatch(
        /^(yes|no), [0-9]{2}$/,
      );
      const grammar = 'root ::= "[" item ("," item){0,2} "]"\nitem ::= [αβγ]+';
      const answer = await ask('Hello', { grammar, ...hot });
      if (answer.reason === 'stop') expect(answer.text).toMatch(/^\[[αβγ]+(,[αβγ]+){0,2}\]$/);
    }
  });
});

test('constrained and free answers run side by side, and the free one is what it is alone', async () => {
  const free = () => ask('What is the capital of France?', { temperature: 0 });
  const alone = await free();
  const [beside, forced] = await Promise.all([
    free(),
    ask('What is the capital of France?', { regex: '[0-9]{40}', temperature: 0 }),
  ]);
  expect(beside).toEqual(alone);
  expect(forced.text).toMatch(/^[0-9]{40}$/);
});

test('an answer that ran into its limit says so', async () => {
  const { text, reason } = await ask('Hello', { regex: 'a{50}', max_tokens: 3 });
  expect(reason).toBe('length');
  expect('a'.repeat(50).startsWith(text)).toBe(true);
});

test('the Node client parses what zod describes', async () => {
  const Pet = z.object({ kind: z.enum(['cat', 'dog']), age: z.number().int().min(0).max(30) });
  const Person = z.object({
    name: z.string().max(20),
    nick: z.string().max(8).nullable(),
    pets: z.array(Pet).max(2),
    home: z.union([z.object({ city: z.string().max(12) }), z.literal('none')]),
  });
  const body = {
    model,
    messages: [{ role: 'user' as const, content: 'Return JSON: Alice is 34' }],
    response_format: zodResponseFormat(Person, 'person'),
    max_tokens: 400,
  };
  const parsed = await client.chat.completions.parse(body);
  const person = parsed.choices[0]!.message.parsed;
  expect(Person.parse(person)).toEqual(person);
  expect(person).toEqual(JSON.parse(parsed.choices[0]!.message.content!));
  const stream = client.chat.completions.stream(body);
  const final = await stream.finalChatCompletion();
  const streamed = final.choices[0]!.message.parsed;
  expect(Person.parse(streamed)).toEqual(streamed);
  expect(streamed).not.toBeNull();
});

test.skipIf(python === undefined)('the Python client parses what pydantic describes', async () => {
  const args = [fixture('structured_output.py'), `http://localhost:${server.port}/v1`, model];
  await promisify(execFile)(python!, args, { timeout: 100_000 });
});

test('two clients with a hostile schema disturb nobody', async () => {
  const hostile = {
    allOf: Array.from({ length: 12 }, (_, i) => ({
      patternProperties: {
        [`(a|b)*a(a|b){${i + 9}}$`]: { type: i % 2 === 0 ? 'string' : 'number' },
      },
    })),
  };
  const [first, second, fine] = await Promise.allSettled([
    ask('x', schemaFormat(hostile)),
    ask('x', schemaFormat({ ...hostile, title: 'another' })),
    ask('Say: hi', { temperature: 0 }),
  ]);
  for (const one of [first, second]) {
    if (one.status === 'rejected')
      expect(one.reason).toMatchObject({ status: 400, code: 'unsupported_schema' });
  }
  expect(fine.status).toBe('fulfilled');
  expect((await ask('x', { regex: 'ok' })).text).toBe('ok');
});
