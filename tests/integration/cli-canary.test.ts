/**
 * What users send in confidence is found nowhere but in answers: prompts, stop strings, keys,
 * schemas, query strings do not reach logs (at debug level), error bodies, metrics or `doctor`.
 * Rows SP-003, SP-004.
 */
import { describe, expect, test } from 'vitest';

import { CliHome, type Listening } from '../support/cli.ts';

const CANARY = 'canary7f3a';
const PROMPT = `The secret is ${CANARY}-prompt`;
const CHAT = '/v1/chat/completions';

interface Attempt {
  readonly what: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status: number;
}

function chat(more: object = {}, content: unknown = PROMPT): string {
  return JSON.stringify({ model: 'small', messages: [{ role: 'user', content }], ...more });
}

const KEYS = {
  authorization: `Bearer ${CANARY}-bearer`,
  'x-api-key': `sk-${CANARY}-api-key`,
  cookie: `session=${CANARY}-cookie`,
};
const SCHEMA = { type: 'object', properties: { [`${CANARY}-schema`]: { type: 'string' } } };

const ATTEMPTS: readonly Attempt[] = [
  {
    what: 'a chat that succeeds',
    headers: KEYS,
    body: chat({ stop: `${CANARY}-stop` }),
    status: 200,
  },
  { what: 'a stream that succeeds', headers: KEYS, body: chat({ stream: true }), status: 200 },
  {
    what: 'harmless fields and one nobody has heard of',
    body: chat({
      user: `${CANARY}-user`,
      metadata: { a: `${CANARY}-meta` },
      zork: `${CANARY}-zork`,
    }),
    status: 200,
  },
  { what: 'a query string', path: `${CHAT}?q=${CANARY}-query`, body: chat(), status: 200 },
  { what: 'a key in the URL', path: `${CHAT}?key=${CANARY}-query`, body: chat(), status: 400 },
  {
    what: 'a request id that is none',
    headers: { 'x-request-id': `${CANARY} id!` },
    body: chat(),
    status: 200,
  },
  {
    what: 'a trace parent that is none',
    headers: { traceparent: `${CANARY}-trace` },
    body: chat(),
    status: 200,
  },
  { what: 'a user agent', headers: { 'user-agent': `${CANARY}-agent` }, body: chat(), status: 200 },
  {
    what: 'a completion',
    path: '/v1/completions',
    body: JSON.stringify({ model: 'small', prompt: PROMPT, stop: [`${CANARY}-stop`] }),
    status: 200,
  },
  {
    what: 'a schema',
    body: chat({
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: SCHEMA } },
    }),
    status: 200,
  },
  {
    what: 'a tool',
    body: chat({
      tools: [{ type: 'function', function: { name: `${CANARY}-tool`, parameters: SCHEMA } }],
    }),
    status: 400,
  },
  { what: 'a vendor field', body: chat({ guided_regex: `${CANARY}-regex` }), status: 400 },
  {
    what: 'five stop strings',
    body: chat({ stop: ['1', '2', '3', '4', `${CANARY}-stop`] }),
    status: 400,
  },
  { what: 'an empty stop string', body: chat({ stop: ['', `${CANARY}-stop`] }), status: 400 },
  {
    what: 'a content of the wrong type',
    body: chat({}, { [`${CANARY}-key`]: PROMPT }),
    status: 400,
  },
  {
    what: 'an image',
    body: chat({}, [{ type: 'image_url', image_url: { url: `data:image/png;base64,${CANARY}` } }]),
    status: 400,
  },
  { what: 'a priority that is none', body: chat({ priority: `${CANARY}-priority` }), status: 400 },
  {
    what: 'a temperature that is text',
    body: chat({ temperature: `${CANARY}-temperature` }),
    status: 400,
  },
  { what: 'half a body', body: chat().slice(0, -3), status: 400 },
  { what: 'no JSON', body: `${CANARY}-not-json`, status: 400 },
  { what: 'a key twice', body: `{"${CANARY}-k":1,"${CANARY}-k":2}`, status: 400 },
  { what: 'a lone surrogate', body: `{"model":"small","${CANARY}":"\\ud800"}`, status: 400 },
  {
    what: 'another content type',
    headers: { 'content-type': `text/${CANARY}` },
    body: chat(),
    status: 415,
  },
  {
    what: 'an encoding that is unknown',
    headers: { 'content-encoding': CANARY },
    body: chat(),
    status: 415,
  },
  { what: 'another path', path: `/v1/${CANARY}-path?x=${CANARY}`, method: 'GET', status: 404 },
  { what: 'another method', path: `/health?x=${CANARY}`, method: 'DELETE', status: 405 },
  { what: 'a prompt that is too long', body: chat({}, `${PROMPT} `.repeat(2000)), status: 400 },
  { what: 'a worker that dies', body: chat({}, `${PROMPT} [[die]]`), status: 502 },
];

async function send(
  { url }: Listening,
  attempt: Attempt,
): Promise<{ status: number; text: string }> {
  const { path = CHAT, method = 'POST', headers, body } = attempt;
  const response = await fetch(new URL(path, url), {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}

describe('what users send in confidence', () => {
  test('is found nowhere but in answers', async () => {
    using home = new CliHome();
    const model = home.fakeModel({ reply: { kind: 'text', text: 'a fixed answer, and no more' } });
    const flags = ['--model', `small=${model}`, '--port', '0', '--admin-port', '0', '--json'];
    const environment = {
      HEARTH_LOG_LEVEL: 'debug',
      HEARTH_MODEL_DEFAULTS_CONTEXT_TOKENS: '2048',
      OPENAI_API_KEY: `${CANARY}-environment`,
      HF_TOKEN: `${CANARY}-token`,
    };
    await using cli = home.start(['serve', ...flags], environment);
    const at = await cli.untilReady();

    const seen: string[] = [];
    for (const attempt of ATTEMPTS) {
      const { status, text } = await send(at, attempt);
      expect(status, `${attempt.what}: ${text}`).toBe(attempt.status);
      seen.push(text);
    }
    // The stream that dies under way, whose error comes after the status.
    const dying = await send(at, {
      what: 'a stream that dies',
      body: chat({ stream: true, max_tokens: 500 }, `${PROMPT} [[die-after:3]]`),
      status: 200,
    });
    expect(dying.text).toContain('"error"');
    seen.push(dying.text);

    const reports = ['/metrics', '/ready', '/health', '/v1/models', '/v1/models/small'];
    for (const path of reports) seen.push(await (await fetch(new URL(path, at.url))).text());
    const admin = `http://127.0.0.1:${at.admin_port}`;
    for (const path of ['/metrics', '/admin/health']) {
      seen.push(await (await fetch(admin + path)).text());
    }
    const doctor = await home.run(['doctor', '--json', '--port', String(at.port)], { environment });
    seen.push(doctor.stdout, doctor.stderr);

    cli.kill('SIGTERM');
    expect(await cli.exited).toBe(0);
    for (const text of seen) expect(text).not.toContain(CANARY);
    expect(cli.stdout).not.toContain(CANARY);
    // Lines, so that a leak shows where it is.
    const lines = cli.stderr.trim().split('\n');
    expect(lines.filter((line) => line.includes(CANARY))).toEqual([]);
    // The log was really on: every attempt is in it, with an id.
    const finished = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ requestId, status }) => requestId !== undefined && status !== undefined);
    expect(finished.length).toBeGreaterThanOrEqual(ATTEMPTS.length + 1);
    expect(lines.some((line) => line.includes('"level":"debug"'))).toBe(true);
  });
});
