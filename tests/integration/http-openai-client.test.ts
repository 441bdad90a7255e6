/** The contract with OpenAI's own client, through the validating proxy: every answer is checked. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiSettings } from '../../src/api/deps.ts';
import { CapacityError, RequestError, WorkerError } from '../../src/core/errors.ts';
import { serveApi } from '../support/api-server.ts';
import { hasOpenaiDocument, OpenaiRecorder } from '../support/openai-recorder.ts';
import type { ScriptedEngineOptions } from '../support/scripted-engine.ts';

const recorder = new OpenaiRecorder();
const HELLO = { model: 'scripted', messages: [{ role: 'user' as const, content: 'Hi' }] };
/** Before the first proxy: compiling the document takes a moment. */
beforeAll(() =>
  recorder.check('/v1/models', 200, 'application/json', '{"object":"list","data":[]}'),
);
afterAll(() => {
  recorder.drain();
  if (hasOpenaiDocument) expect(recorder.checked).toBeGreaterThan(30);
});

async function setUp(engine: ScriptedEngineOptions = {}, settings: Partial<ApiSettings> = {}) {
  const api = await serveApi(engine, settings);
  const proxy = await recorder.proxy(api.port);
  const client = new OpenAI({ baseURL: `http://127.0.0.1:${proxy.port}/v1`, apiKey: 'none' });
  return {
    api,
    client,
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await api[Symbol.asyncDispose]();
    },
  };
}

describe('answers', () => {
  test('whole', async () => {
    await using t = await setUp();
    const answer = await t.client.chat.completions.create({ ...HELLO, priority: 'high' } as never);
    expect(answer.choices[0]!.message.content).toBe('Hello world');
    expect(answer.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 });
    expect(answer._request_id).toBe('req-1');
    expect(t.api.engine.last.call.priority).toBe('high');
  });

  test('streamed, with the usage chunk', async () => {
    await using t = await setUp();
    const stream = await t.client.chat.completions.create({
      ...HELLO,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: unknown;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe('Hello world');
    expect(usage).toMatchObject({ total_tokens: 9 });
  });

  test('through the stream helper', async () => {
    await using t = await setUp();
    const runner = t.client.chat.completions.stream(HELLO);
    expect((await runner.finalChatCompletion()).choices[0]!.message.content).toBe('Hello world');
  });

  test('completions, whole and streamed', async () => {
    await using t = await setUp();
    const answer = await t.client.completions.create({ model: 'scripted', prompt: ['a', 'b'] });
    expect(answer.choices.map(({ text }) => text)).toEqual(['Hello world', 'Hello world']);
    const stream = await t.client.completions.create({
      model: 'scripted',
      prompt: 'a',
      stream: true,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
    expect(text).toBe('Hello world');
  });

  test('models', async () => {
    await using t = await setUp();
    const list = await t.client.models.list();
    expect(list.data.map(({ id }) => id)).toEqual(['scripted']);
    expect((await t.client.models.retrieve('scripted')).owned_by).toBe('hearth');
  });
});

describe('abort', () => {
  test('of a stream frees the engine', async () => {
    await using t = await setUp({ scripts: [{ hangs: true }] });
    const stream = await t.client.chat.completions.create({ ...HELLO, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content !== undefined) break;
    }
    await expect.poll(() => t.api.engine.last.call.signal.aborted).toBe(true);
  });

  test('of a whole answer frees the engine', async () => {
    await using t = await setUp({ scripts: [{ hangs: true }] });
    const gone = new AbortController();
    const answer = t.client.chat.completions.create(HELLO, { signal: gone.signal });
    await expect.poll(() => t.api.engine.submitted.length).toBe(1);
    gone.abort();
    await expect(answer).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await expect.poll(() => t.api.engine.last.call.signal.aborted).toBe(true);
  });
});

describe('errors', () => {
  test.each([
    ['an unknown model', { model: 'x' }, OpenAI.NotFoundError, 'model_not_found', 'model'],
    ['a bad value', { temperature: 9 }, OpenAI.BadRequestError, 'invalid_value', 'temperature'],
    ['what is not supported', { n: 2 }, OpenAI.BadRequestError, 'unsupported_parameter', 'n'],
  ])('%s', async (_why, fields, type, code, param) => {
    await using t = await setUp();
    const failed = t.client.chat.completions.create({ ...HELLO, ...fields });
    await expect(failed).rejects.toBeInstanceOf(type);
    await expect(failed).rejects.toMatchObject({ code, param, requestID: 'req-1' });
    expect(t.api.lines).toHaveLength(1);
  });

  test('a client fault is sent once', async () => {
    const rejects = new RequestError('context_length_exceeded', 'long', { param: 'messages' });
    await using t = await setUp({ scripts: [{ rejects }] });
    await expect(t.client.chat.completions.create(HELLO)).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
    });
    expect(t.api.engine.submitted).toHaveLength(1);
  });

  test('a crash is sent once: the prompt may be the reason', async () => {
    const fails = new WorkerError('worker_crashed', 'died');
    await using t = await setUp({ scripts: [{ fails }] });
    await expect(t.client.chat.completions.create(HELLO)).rejects.toMatchObject({ status: 502 });
    expect(t.api.engine.submitted).toHaveLength(1);
  });

  test('a full queue is retried when it says so, and then answers', async () => {
    const rejects = new CapacityError('queue_full', 'full', { retryAfterMs: 20 });
    await using t = await setUp({ scripts: [{ rejects }, { rejects }, {}] });
    const answer = await t.client.chat.completions.create(HELLO);
    expect(answer.choices[0]!.message.content).toBe('Hello world');
    expect(t.api.engine.submitted).toHaveLength(3);
  });

  test('a full queue gives up after its retries', async () => {
    const rejects = new CapacityError('queue_full', 'full', { retryAfterMs: 5 });
    await using t = await setUp({ scripts: [{ rejects }] });
    await expect(t.client.chat.completions.create(HELLO)).rejects.toMatchObject({
      status: 503,
      code: 'queue_full',
    });
    expect(t.api.engine.submitted).toHaveLength(3);
  });

  test('a failed model is not retried', async () => {
    const rejects = new CapacityError('model_failed', 'broken', { retryAfterMs: undefined });
    await using t = await setUp({ scripts: [{ rejects }] });
    await expect(t.client.chat.completions.create(HELLO)).rejects.toMatchObject({ status: 503 });
    expect(t.api.engine.submitted).toHaveLength(1);
  });

  test('amid a stream is raised with its code', async () => {
    const fails = new WorkerError('worker_crashed', 'The worker died');
    await using t = await setUp({ scripts: [{ fails, failsAt: 1 }] });
    const stream = await t.client.chat.completions.create({ ...HELLO, stream: true });
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    })();
    await expect(reading).rejects.toMatchObject({ code: 'worker_crashed' });
    expect(text).toBe('Hello');
  });

  test('comments while waiting disturb no client', async () => {
    const gate = Promise.withResolvers<void>();
    const settings = { waitingHeaderMs: 1, commentIntervalMs: 5 };
    await using t = await setUp({ scripts: [{ gate: gate.promise }] }, settings);
    const stream = await t.client.chat.completions.create({ ...HELLO, stream: true });
    gate.resolve();
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('Hello world');
  });
});
