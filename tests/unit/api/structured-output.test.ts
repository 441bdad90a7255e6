/** Rows MX-001 to MX-003: what a client asks of an answer is compiled before it is admitted, or refused. */
import { describe, expect, test } from 'vitest';

import { makeApi, post } from '../../support/api-fixture.ts';

const CHAT = '/v1/chat/completions';
const HELLO = { model: 'scripted', messages: [{ role: 'user', content: 'hi' }] };
const PERSON = {
  type: 'object',
  properties: { name: { type: 'string' } },
  required: ['name'],
  additionalProperties: false,
};
const asSchema = (schema: unknown, more: object = {}) => ({
  response_format: { type: 'json_schema', json_schema: { name: 'person', schema, ...more } },
});

async function ask(fields: object, pieces = ['{"name":', '"Ada"}'], more: object = {}) {
  const api = makeApi({ scripts: [{ pieces, ...more }] });
  const response = await api.app.request(CHAT, post({ ...HELLO, ...fields }));
  return { ...api, response };
}

describe('an answer that must be something', () => {
  test.each([
    ['MX-003: a schema', asSchema(PERSON)],
    [
      'MX-003: a schema that is not strict',
      asSchema(PERSON, { strict: false, description: 'one' }),
    ],
    ['MX-002: an object', { response_format: { type: 'json_object' } }],
    ['a pattern', { regex: '\\{.*\\}' }],
    ['a grammar', { grammar: 'root ::= "{" [^}]* "}"' }],
  ])('%s reaches the engine as a grammar', async (_, fields) => {
    const { response, engine } = await ask(fields);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-hearth-ignored')).toBeNull();
    const grammar = engine.submitted[0]?.request.grammar;
    expect(grammar?.text).toMatch(/^root ::= /);
    expect(grammar?.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each([
    {},
    { response_format: { type: 'text' } },
    { response_format: null, grammar: '', regex: null },
  ])('and one that may be anything does not: %j', async (fields) => {
    const { response, engine } = await ask(fields);
    expect(response.status).toBe(200);
    expect(engine.submitted[0]?.request).not.toHaveProperty('grammar');
  });
});

describe('what cannot be enforced is refused before it is admitted', () => {
  test.each([
    [
      'a kind that is none',
      { response_format: { type: 'xml' } },
      'invalid_value',
      'response_format.type',
    ],
    [
      'a schema without a name',
      { response_format: { type: 'json_schema', json_schema: { schema: {} } } },
      'missing_required_parameter',
      'response_format.json_schema.name',
    ],
    [
      'a name with a blank',
      asSchema({}, { name: 'a b' }),
      'invalid_value',
      'response_format.json_schema.name',
    ],
    ['a list for a schema', asSchema([]), 'invalid_value', 'response_format.json_schema.schema'],
    ['a text for a schema', asSchema('{}'), 'invalid_value', 'response_format.json_schema.schema'],
    [
      'no schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
      'missing_required_parameter',
      'response_format.json_schema.schema',
    ],
    [
      'a schema beside json_object',
      { response_format: { type: 'json_object', schema: {} } },
      'unsupported_parameter',
      'response_format.schema',
    ],
    ['two at once', { regex: 'a', grammar: 'root ::= "a"' }, 'invalid_value', 'regex'],
    ['ignore_eos', { regex: 'a', ignore_eos: true }, 'unsupported_parameter', 'ignore_eos'],
    ['a grammar that is none', { grammar: 'hello' }, 'invalid_value', 'grammar'],
    ['a pattern that is none', { regex: '(' }, 'invalid_value', 'regex'],
    ['look-ahead', { regex: '(?=a)' }, 'unsupported_schema', 'regex'],
    [
      'a remote reference',
      asSchema({ $ref: 'https://example.com/x' }),
      'unsupported_schema',
      'response_format',
    ],
    [
      'a schema of nothing',
      asSchema({ allOf: [{ type: 'string' }, { type: 'null' }] }),
      'unsupported_schema',
      'response_format',
    ],
  ])('%s', async (_, fields, code, param) => {
    const { response, engine } = await ask(fields);
    expect(await response.json()).toMatchObject({ error: { code, param } });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(engine.submitted).toHaveLength(0);
  });

  test('the refusal names the keyword, the place and why', async () => {
    const schema = { properties: { a: { pattern: '(?<=x)y' } } };
    const { response } = await ask(asSchema(schema));
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error.message).toMatch(/`pattern` at \/properties\/a: .*look-behind/);
  });

  test('members that nobody has heard of are named', async () => {
    const { response } = await ask({
      response_format: { ...asSchema(PERSON, { zip: 1 }).response_format, zap: 2 },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-hearth-ignored')).toBe(
      'response_format.zap, response_format.json_schema.zip',
    );
  });
});

describe('the last look', () => {
  const choice = async (response: Response) =>
    ((await response.json()) as { choices: { finish_reason: string }[] }).choices[0];

  test('passes what is right on', async () => {
    const { response, metrics } = await ask(asSchema(PERSON));
    expect(await choice(response)).toMatchObject({
      finish_reason: 'stop',
      message: { content: '{"name":"Ada"}' },
    });
    expect(await metrics.render()).toContain('hearth_final_checks_total{verdict="valid"} 1');
  });

  test('fails an answer that is not what was asked for, whole', async () => {
    const { response, lines } = await ask(asSchema(PERSON), ['{"name":1}']);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('{"name":1}');
    const told = lines.find(({ message }) => message.includes('not what was asked for'));
    expect(told?.fields).toMatchObject({ grammar: expect.stringMatching(/^[0-9a-f]{12}$/) });
  });

  test('ends a stream without [DONE]', async () => {
    const { response } = await ask({ ...asSchema(PERSON), stream: true }, ['{"name":1}']);
    const text = await response.text();
    expect(text).toContain('"code":"internal"');
    expect(text).not.toContain('[DONE]');
    expect(text).not.toContain('"finish_reason":"stop"');
  });

  test('leaves an answer alone that ran into its limit', async () => {
    const { response } = await ask(asSchema(PERSON), ['{"name":'], { reason: 'length' });
    expect(response.status).toBe(200);
    expect(await choice(response)).toMatchObject({ finish_reason: 'length' });
  });

  test('calls an answer cut by a stop string `length`, and one that was complete `stop`', async () => {
    const cut = await ask({ ...asSchema(PERSON), stop: 'x' }, ['{"name":"A'], { stop: 'x' });
    expect(await choice(cut.response)).toMatchObject({ finish_reason: 'length' });
    const complete = await ask({ regex: 'ab*', stop: 'x' }, ['abb'], { stop: 'x' });
    expect(await choice(complete.response)).toMatchObject({ finish_reason: 'stop' });
  });

  test('passes a stream that is right on, to its end', async () => {
    const { response } = await ask({ ...asSchema(PERSON), stream: true });
    const text = await response.text();
    expect(text).toContain('"finish_reason":"stop"');
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
  });
});

test('completions take them too, one grammar for every prompt', async () => {
  const { app, engine } = makeApi({ scripts: [{ pieces: ['ab'] }] });
  const body = { model: 'scripted', prompt: ['x', 'y'], regex: 'ab' };
  const response = await app.request('/v1/completions', post(body));
  expect(response.status).toBe(200);
  const hashes = engine.submitted.map(({ request }) => request.grammar?.hash);
  expect(new Set(hashes).size).toBe(1);
  expect(hashes).toHaveLength(2);
});
