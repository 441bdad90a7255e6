/** `/v1/chat/completions` through the whole pipeline, every answer checked against the document. */
import { describe, expect, test } from 'vitest';

import { CapacityError, RequestError, WorkerError } from '../../../src/core/errors.ts';
import { makeApi, post } from '../../support/api-fixture.ts';
import { hasOpenaiDocument, OpenaiRecorder } from '../../support/openai-recorder.ts';

const CHAT = '/v1/chat/completions';
const HELLO = { model: 'scripted', messages: [{ role: 'user', content: 'Hi' }] };

function setUp(...args: Parameters<typeof makeApi>) {
  const api = makeApi(...args);
  const recorder = new OpenaiRecorder();
  return { ...api, recorder, request: recorder.wrap((path, init) => api.app.request(path, init)) };
}

function events(text: string): unknown[] {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice(6)));
}

describe('chat, whole', () => {
  // MX-064, MX-066
  test('answers in the shape of the document', async () => {
    const { request, recorder } = setUp();
    const response = await request(CHAT, post(HELLO));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      id: 'chatcmpl-req-2',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'scripted',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello world', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 7,
        completion_tokens: 2,
        total_tokens: 9,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    });
    if (hasOpenaiDocument) expect(recorder.checked).toBe(1);
  });

  test('carries the headers clients look at', async () => {
    const { request } = setUp();
    const response = await request(CHAT, post({ ...HELLO, seed: 5 }, { 'x-request-id': 'mine-1' }));
    expect(response.headers.get('x-request-id')).toBe('mine-1');
    expect(response.headers.get('openai-version')).toBe('2020-10-01');
    expect(response.headers.get('openai-processing-ms')).toMatch(/^\d+$/);
    expect(response.headers.get('x-hearth-priority')).toBe('normal');
    expect(response.headers.get('x-hearth-seed')).toBe('5');
  });

  test.each(['a b', 'é', '', 'x'.repeat(129), 'a\tb'])('mints an id instead of %j', async (id) => {
    const { request } = setUp();
    const response = await request('/health', { headers: { 'x-request-id': encodeURI(id) } });
    if (/^[A-Za-z0-9._-]{1,128}$/.test(encodeURI(id))) return;
    expect(response.headers.get('x-request-id')).toBe('req-1');
  });

  // MX-009
  test.each([
    ['nothing', {}, {}, 'normal'],
    ['the header', { 'x-priority': 'HIGH' }, {}, 'high'],
    ['the field', {}, { priority: 2 }, 'low'],
    ['the header over the field', { 'x-priority': '0' }, { priority: 'low' }, 'high'],
  ] as const)('takes the priority from %s', async (_why, headers, fields, wanted) => {
    const { request, engine } = setUp();
    const response = await request(CHAT, post({ ...HELLO, ...fields }, headers));
    expect(response.headers.get('x-hearth-priority')).toBe(wanted);
    expect(engine.last.call.priority).toBe(wanted);
  });

  test('writes one log line with facts and no text', async () => {
    const { request, lines } = setUp();
    await request(CHAT, post({ ...HELLO, stop: ['canary-stop'], nobody_knows: 1 }));
    expect(lines).toHaveLength(1);
    expect(lines[0]!.fields).toMatchObject({
      requestId: 'req-1',
      method: 'POST',
      route: CHAT,
      status: 200,
      model: 'scripted',
      priority: 'normal',
      promptTokens: 7,
      generatedTokens: 2,
      ignored: ['nobody_knows'],
    });
    expect(JSON.stringify(lines)).not.toContain('canary');
  });

  test('counts requests by route, model and status', async () => {
    const { request, metrics } = setUp();
    await request(CHAT, post(HELLO));
    await request(CHAT, post({ ...HELLO, model: 'nobody-has-it' }));
    await request('/secret/path');
    const text = await metrics.render();
    expect(text).toContain(
      `hearth_requests_total{route="${CHAT}",model="scripted",priority="normal",status="200"} 1`,
    );
    expect(text).toContain(
      `hearth_requests_total{route="${CHAT}",model="unknown",priority="none",status="404"} 1`,
    );
    expect(text).toContain('route="other",model="none",priority="none",status="404"} 1');
    expect(text).not.toContain('nobody-has-it');
    expect(text).not.toContain('secret');
  });

  test('uses the defaults of the model where the request says nothing', async () => {
    const model = {
      name: 'scripted',
      backend: 'fake',
      state: 'ready',
      createdS: 1,
      slots: 1,
      contextTokens: 64,
      defaults: { temperature: 0.3, topK: 40, maxTokens: 12 },
    } as const;
    const { request, engine } = setUp({ models: [model] });
    await request(CHAT, post({ ...HELLO, temperature: null, min_p: 0.05 }));
    expect(engine.last.request.sampling).toMatchObject({
      temperature: 0.3,
      topP: 1,
      topK: 40,
      minP: 0.05,
      frequencyPenalty: 0,
      presencePenalty: 0,
      repeatPenalty: 1,
      ignoreEos: false,
    });
    expect(engine.last.request.maxTokens).toBe(12);
    await request(CHAT, post({ ...HELLO, max_tokens: 40 }));
    expect(engine.last.request.maxTokens).toBe(40);
  });

  test('hands over whose conversation it is, and how long the model is to stay', async () => {
    const { request, engine } = setUp();
    await request(CHAT, post({ ...HELLO, prompt_cache_key: 'k', keep_alive_s: 2.5 }));
    expect(engine.last.call).toMatchObject({ affinity: 'k', keepAliveMs: 2500 });
    await request(CHAT, post({ ...HELLO, keep_alive_s: 'forever' }));
    expect(engine.last.call).toMatchObject({ keepAliveMs: Number.POSITIVE_INFINITY });
    await request(CHAT, post({ ...HELLO, keep_alive_s: null }));
    expect(engine.last.call.keepAliveMs).toBeUndefined();
  });

  test('hands over messages of every role', async () => {
    const { request, engine } = setUp();
    const messages = [
      { role: 'system', content: 'S' },
      { role: 'developer', content: [{ type: 'text', text: 'D' }] },
      { role: 'user', content: 'U', name: 'ann' },
      {
        role: 'assistant',
        content: null,
        refusal: null,
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', content: 'R', tool_call_id: 'c1' },
      { role: 'assistant', content: 'A' },
    ];
    const response = await request(CHAT, post({ ...HELLO, messages }));
    expect(response.status).toBe(200);
    expect(engine.last.request.prompt).toEqual({
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'S' }] },
        { role: 'developer', parts: [{ type: 'text', text: 'D' }] },
        { role: 'user', parts: [{ type: 'text', text: 'U' }], name: 'ann' },
        { role: 'assistant', parts: [], toolCalls: [{ id: 'c1', name: 'f', arguments: '{}' }] },
        { role: 'tool', parts: [{ type: 'text', text: 'R' }], toolCallId: 'c1' },
        { role: 'assistant', parts: [{ type: 'text', text: 'A' }] },
      ],
    });
  });

  test.each([
    [0, 0],
    [4294967295, 4294967295],
    [4294967296, 0],
    [-1, 4294967295],
    [Number.MAX_SAFE_INTEGER, 4294967295],
    [-(2 ** 53), 0],
  ])('maps seed %d to %d', async (seed, wanted) => {
    const { request, engine } = setUp();
    const response = await request(CHAT, post({ ...HELLO, seed }));
    expect(response.status).toBe(200);
    expect(engine.last.request.sampling.seed).toBe(wanted);
  });

  test('max_completion_tokens wins over max_tokens', async () => {
    const { request, engine } = setUp();
    await request(CHAT, post({ ...HELLO, max_tokens: 9, max_completion_tokens: 5 }));
    expect(engine.last.request.maxTokens).toBe(5);
    await request(CHAT, post({ ...HELLO, max_tokens: 9 }));
    expect(engine.last.request.maxTokens).toBe(9);
  });

  test('names what nobody has heard of, or refuses it when strict', async () => {
    const { request } = setUp();
    const body = { ...HELLO, foo: 1, 'bär\n': 2, messages: [{ ...HELLO.messages[0], x: 1 }] };
    const response = await request(CHAT, post(body));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-hearth-ignored')).toBe('foo, b%C3%A4r%0A, messages[0].x');

    const strict = setUp({}, { strict: true });
    const refused = await strict.request(CHAT, post(body));
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      error: { code: 'unsupported_parameter', param: 'foo' },
    });
  });
});

describe('chat, neutral values of what is not supported', () => {
  test.each([
    { tools: null, tool_choice: 'auto', parallel_tool_calls: true },
    { tools: [], functions: [], function_call: 'none' },
    { response_format: { type: 'text' } },
    { logprobs: false, top_logprobs: null, n: 1 },
    { modalities: ['text'], audio: null, prediction: null },
    { user: 'u', metadata: { a: 'b' }, store: false, service_tier: 'auto' },
    { prompt_cache_key: 'k', safety_identifier: 's', prompt_cache_retention: '24h' },
    { best_of: 1, mirostat: 0, cache_prompt: true, suffix: null, chat_template_kwargs: {} },
    { stop: null, logit_bias: null, seed: null, stream: false, stream_options: null },
    { stop: [] },
  ])('%j', async (fields) => {
    const { request } = setUp();
    const response = await request(CHAT, post({ ...HELLO, ...fields }));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-hearth-ignored')).toBeNull();
  });
});

describe('chat, bad input', () => {
  const USER = { role: 'user', content: 'Hi' };
  test.each([
    // why                       fields                                 code                            param
    ['no messages', { messages: undefined }, 'missing_required_parameter', 'messages'],
    ['messages null', { messages: null }, 'missing_required_parameter', 'messages'],
    ['no model', { model: undefined }, 'missing_required_parameter', 'model'],
    ['messages a string', { messages: 'Hi' }, 'invalid_type', 'messages'],
    ['no message', { messages: [] }, 'invalid_value', 'messages'],
    [
      'content a number',
      { messages: [{ role: 'user', content: 5 }] },
      'invalid_type',
      'messages[0].content',
    ],
    [
      'no content',
      { messages: [USER, { role: 'user' }] },
      'missing_required_parameter',
      'messages[1].content',
    ],
    [
      'an assistant without anything',
      { messages: [{ role: 'assistant' }] },
      'missing_required_parameter',
      'messages[0].content',
    ],
    [
      'no role',
      { messages: [{ content: 'Hi' }] },
      'missing_required_parameter',
      'messages[0].role',
    ],
    [
      'unknown role',
      { messages: [{ role: 'robot', content: 'Hi' }] },
      'invalid_value',
      'messages[0].role',
    ],
    ['a message that is none', { messages: ['Hi'] }, 'invalid_type', 'messages[0]'],
    [
      'a tool answer to no call',
      { messages: [{ role: 'tool', content: 'x' }] },
      'missing_required_parameter',
      'messages[0].tool_call_id',
    ],
    [
      'a part without text',
      { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
      'missing_required_parameter',
      'messages[0].content[0].text',
    ],
    [
      'a part of unknown kind',
      { messages: [{ role: 'user', content: [{ type: 'smell' }] }] },
      'invalid_value',
      'messages[0].content[0].type',
    ],
    [
      'a picture',
      {
        messages: [
          USER,
          {
            role: 'user',
            content: [
              { type: 'text', text: 'x' },
              { type: 'image_url', image_url: { url: 'x' } },
            ],
          },
        ],
      },
      'unsupported_parameter',
      'messages[1].content[1]',
    ],
    ['temperature too high', { temperature: 3 }, 'invalid_value', 'temperature'],
    ['temperature a string', { temperature: 'hot' }, 'invalid_type', 'temperature'],
    ['top_p negative', { top_p: -0.1 }, 'invalid_value', 'top_p'],
    ['top_k negative', { top_k: -1 }, 'invalid_value', 'top_k'],
    ['top_k broken', { top_k: 1.5 }, 'invalid_value', 'top_k'],
    ['min_p too high', { min_p: 1.1 }, 'invalid_value', 'min_p'],
    ['penalty too high', { frequency_penalty: 2.1 }, 'invalid_value', 'frequency_penalty'],
    ['repeat_penalty 0', { repeat_penalty: 0 }, 'invalid_value', 'repeat_penalty'],
    ['max_tokens 0', { max_tokens: 0 }, 'invalid_value', 'max_tokens'],
    ['max_tokens negative', { max_tokens: -1 }, 'invalid_value', 'max_tokens'],
    ['max_tokens huge', { max_tokens: 2 ** 31 }, 'invalid_value', 'max_tokens'],
    ['five stops', { stop: ['a', 'b', 'c', 'd', 'e'] }, 'invalid_value', 'stop'],
    ['an empty stop', { stop: [''] }, 'invalid_value', 'stop[0]'],
    ['a stop that is a number', { stop: [1] }, 'invalid_type', 'stop[0]'],
    ['stop an object', { stop: {} }, 'invalid_type', 'stop'],
    ['a bias past its range', { logit_bias: { 5: 101 } }, 'invalid_value', 'logit_bias.5'],
    ['a bias of no token', { logit_bias: { cat: 1 } }, 'invalid_value', 'logit_bias.cat'],
    ['keep_alive_s negative', { keep_alive_s: -1 }, 'invalid_value', 'keep_alive_s'],
    ['keep_alive_s a word', { keep_alive_s: 'long' }, 'invalid_value', 'keep_alive_s'],
    ['stream a string', { stream: 'yes' }, 'invalid_type', 'stream'],
    [
      'stream_options without stream',
      { stream_options: { include_usage: true } },
      'invalid_value',
      'stream_options',
    ],
    ['unknown priority', { priority: 'urgent' }, 'invalid_priority', 'priority'],
    ['seed broken', { seed: 1.5 }, 'invalid_value', 'seed'],
    ['user a number', { user: 5 }, 'invalid_type', 'user'],
    ['n 2', { n: 2 }, 'unsupported_parameter', 'n'],
    [
      'tools',
      { tools: [{ type: 'function', function: { name: 'f' } }] },
      'unsupported_parameter',
      'tools',
    ],
    ['logprobs', { logprobs: true }, 'unsupported_parameter', 'logprobs'],
    ['store', { store: true }, 'unsupported_parameter', 'store'],
    ['audio', { modalities: ['text', 'audio'] }, 'unsupported_parameter', 'modalities'],
    ['no cache', { cache_prompt: false }, 'unsupported_parameter', 'cache_prompt'],
    ['a template', { chat_template: '{{ x }}' }, 'unsupported_parameter', 'chat_template'],
    ['num_ctx', { num_ctx: 512 }, 'unsupported_parameter', 'num_ctx'],
    ['guided_json', { guided_json: {} }, 'unsupported_parameter', 'guided_json'],
  ])('%s', async (_why, fields, code, param) => {
    const { request, engine } = setUp();
    const response = await request(CHAT, post({ ...HELLO, ...fields }));
    expect(await response.json()).toMatchObject({
      error: { type: 'invalid_request_error', code, param },
    });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(engine.submitted).toHaveLength(0);
  });

  test('an unknown model is 404 and names those that exist', async () => {
    const { request } = setUp();
    const response = await request(CHAT, post({ ...HELLO, model: 'gpt-x' }));
    expect(response.status).toBe(404);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
    expect(error.message).toContain('"gpt-x"');
    expect(error.message).toContain('scripted');
  });

  test('an unknown X-Priority is 400', async () => {
    const { request } = setUp();
    const response = await request(CHAT, post(HELLO, { 'x-priority': 'urgent' }));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: 'invalid_priority', param: 'X-Priority' },
    });
  });

  test.each([
    [
      new CapacityError('queue_full', 'full', { retryAfterMs: 1500.2 }),
      503,
      'overloaded_error',
      'true',
    ],
    [
      new CapacityError('queue_timeout', 'late', { retryAfterMs: 10 }),
      408,
      'timeout_error',
      'true',
    ],
    [
      new CapacityError('model_failed', 'no', { retryAfterMs: undefined }),
      503,
      'overloaded_error',
      'false',
    ],
    [new WorkerError('worker_crashed', 'died'), 502, 'worker_error', 'false'],
    [
      new RequestError('context_length_exceeded', 'long', { param: 'messages' }),
      400,
      'invalid_request_error',
      'false',
    ],
  ])('passes %s on', async (error, status, type, shouldRetry) => {
    for (const script of [{ rejects: error }, { fails: error }]) {
      const { request } = setUp({ scripts: [script] });
      for (const stream of [false, true]) {
        const response = await request(CHAT, post({ ...HELLO, stream }));
        expect(response.status).toBe(status);
        expect(await response.json()).toEqual({
          error: { message: error.message, type, param: error.param ?? null, code: error.code },
        });
        expect(response.headers.get('x-should-retry')).toBe(shouldRetry);
        if (error.code === 'queue_full') {
          expect(response.headers.get('retry-after-ms')).toBe('1501');
          expect(response.headers.get('retry-after')).toBe('2');
        }
      }
    }
  });

  test('the text of a bug stays in the log', async () => {
    const api = setUp({ scripts: [{ rejects: new Error('secret canary') as never }] });
    const response = await api.request(CHAT, post(HELLO));
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain('canary');
    expect(text).toContain('req-1');
    expect(api.lines[0]).toMatchObject({ level: 'error', fields: { code: 'internal' } });
  });
});

describe('chat, streamed', () => {
  // MX-067
  test('one role, one finish, no usage unless asked for, [DONE] last', async () => {
    const { request, lines } = setUp();
    const response = await request(CHAT, post({ ...HELLO, stream: true }));
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const head = {
      id: 'chatcmpl-req-2',
      object: 'chat.completion.chunk',
      created: 1_700_000_000,
      model: 'scripted',
    };
    const chunk = (delta: object, finish_reason: string | null = null) => ({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    });
    const got = events(text) as { choices: { delta: { content?: string } }[] }[];
    expect(got[0]).toEqual(chunk({ role: 'assistant', content: '', refusal: null }));
    expect(got.at(-1)).toEqual(chunk({}, 'stop'));
    const pieces = got.slice(1, -1);
    for (const piece of pieces) {
      expect(piece).toEqual(chunk({ content: piece.choices[0]!.delta.content }));
    }
    expect(pieces.map((piece) => piece.choices[0]!.delta.content).join('')).toBe('Hello world');
    expect(lines).toHaveLength(1);
    expect(lines[0]!.fields).toMatchObject({ status: 200, stream: true, generatedTokens: 2 });
  });

  test('with include_usage every chunk has usage, null but in the last', async () => {
    const { request } = setUp();
    const body = { ...HELLO, stream: true, stream_options: { include_usage: true } };
    const text = await (await request(CHAT, post(body))).text();
    const got = events(text) as { usage: unknown; choices: unknown[] }[];
    for (const event of got.slice(0, -1)) expect(event.usage).toBeNull();
    expect(got.at(-1)!.choices).toEqual([]);
    expect(got.at(-1)!.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 2 });
    expect(got.filter((event) => event.choices.length === 0)).toHaveLength(1);
  });

  test('an empty answer still has its role and its end', async () => {
    const { request } = setUp({ scripts: [{ pieces: [], reason: 'length' }] });
    const got = events(await (await request(CHAT, post({ ...HELLO, stream: true }))).text());
    expect(got).toMatchObject([
      { choices: [{ delta: { role: 'assistant' }, finish_reason: null }] },
      { choices: [{ delta: {}, finish_reason: 'length' }] },
    ]);
  });

  test('a failure after the first token is an event, and no [DONE]', async () => {
    const fails = new WorkerError('worker_crashed', 'The worker died');
    const { request, lines } = setUp({ scripts: [{ fails, failsAt: 1 }] });
    const response = await request(CHAT, post({ ...HELLO, stream: true }));
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).not.toContain('[DONE]');
    const got = events(text);
    expect(got.at(-1)).toEqual({
      error: {
        message: 'The worker died',
        type: 'worker_error',
        param: null,
        code: 'worker_crashed',
      },
    });
    expect(lines[0]!.fields).toMatchObject({ status: 502, code: 'worker_crashed', stream: true });
  });

  test('headers go out before the first token when that takes too long', async () => {
    const gate = Promise.withResolvers<void>();
    const script = {
      gate: gate.promise,
      waiting: [{ why: 'queue', position: 3, etaMs: 11_500 }],
    } as const;
    const { app, recorder } = setUp(
      { scripts: [script] },
      { waitingHeaderMs: 5, commentIntervalMs: 5 },
    );
    const response = await app.request(CHAT, post({ ...HELLO, stream: true }));
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    for (let i = 0; i < 3; i += 1) {
      const { value } = await reader.read();
      expect(decoder.decode(value)).toBe(': waiting in queue, position 3, about 12 s\n\n');
    }
    gate.resolve();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    recorder.check(CHAT, 200, 'text/event-stream', text);
    recorder.drain();
    expect(text).toMatch(/\[DONE\]\n\n$/);
  });

  test('a failure after early headers is an event too', async () => {
    const gate = Promise.withResolvers<void>();
    const fails = new CapacityError('queue_timeout', 'late', { retryAfterMs: 5 });
    const { app } = setUp({ scripts: [{ gate: gate.promise, fails }] }, { waitingHeaderMs: 1 });
    const response = await app.request(CHAT, post({ ...HELLO, stream: true }));
    gate.resolve();
    expect(await response.text()).toMatch(/data: \{"error":.*queue_timeout.*\n\n$/);
  });

  test('a reader that leaves ends the call', async () => {
    const { app, engine, lines } = setUp({ scripts: [{ hangs: true }] });
    const response = await app.request(CHAT, post({ ...HELLO, stream: true }));
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    expect(engine.last.call.signal.aborted).toBe(true);
    expect(lines[0]!.fields).toMatchObject({ status: 499, code: 'client_closed_request' });
  });

  test('a reader that leaves at [DONE] has had its answer', async () => {
    const { app, lines } = setUp();
    const response = await app.request(CHAT, post({ ...HELLO, stream: true }));
    const reader = response.body!.getReader();
    for (let text = ''; !text.includes('[DONE]'); ) {
      text += new TextDecoder().decode((await reader.read()).value);
    }
    await reader.cancel();
    expect(lines.map(({ fields }) => fields.status)).toEqual([200]);
  });

  test('a client that leaves before the answer is logged as 499', async () => {
    const { app, engine, lines } = setUp({ scripts: [{ hangs: true }] });
    const gone = new AbortController();
    const answer = app.request(CHAT, { ...post(HELLO), signal: gone.signal });
    await expect.poll(() => engine.submitted.length).toBe(1);
    gone.abort();
    await answer;
    expect(engine.last.call.signal.aborted).toBe(true);
    expect(lines[0]!.fields).toMatchObject({ status: 499 });
  });

  test.each([false, true])('the deadline ends an engine that hangs (stream %s)', async (stream) => {
    const script = { hangs: true, pieces: stream ? ['x'] : [] };
    const { app, engine } = setUp({ scripts: [script] }, { requestDeadlineMs: 20 });
    const response = await app.request(CHAT, post({ ...HELLO, stream }));
    expect(response.status).toBe(stream ? 200 : 504);
    expect(await response.text()).toContain('deadline_exceeded');
    expect(engine.last.call.signal.aborted).toBe(true);
  });

  test('a stream that nobody reads is cut', async () => {
    const { app, engine, lines } = setUp({}, { slowReaderMs: 10 });
    const response = await app.request(CHAT, post({ ...HELLO, stream: true }));
    await expect.poll(() => engine.last.call.signal.aborted).toBe(true);
    expect(lines[0]!.fields).toMatchObject({ code: 'slow_reader' });
    await expect(response.text()).rejects.toThrow('was not read in time');
  });

  test('the engine is asked for no more than is read, and what waits is merged', async () => {
    const pieces = Array.from({ length: 50 }, (_, i) => `${i} `);
    const { app, engine } = setUp({ scripts: [{ pieces }] });
    const response = await app.request(CHAT, post({ ...HELLO, stream: true }));
    await expect.poll(() => engine.last.pulled).toBeGreaterThan(0);
    expect(engine.last.pulled).toBeLessThanOrEqual(2);
    const text = await response.text();
    const contents = (events(text) as { choices: { delta: { content?: string } }[] }[]).map(
      (event) => event.choices[0]!.delta.content ?? '',
    );
    expect(contents.join('')).toBe(pieces.join(''));
    expect(contents.length).toBeLessThan(50);
  });
});
