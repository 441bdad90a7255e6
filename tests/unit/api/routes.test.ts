/** Everything but generation: guards, probes, models, methods, bodies, the description of itself. */
import { gzipSync, zstdCompressSync } from 'node:zlib';

import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';

import type { ModelInfo } from '../../../src/core/engine.ts';
import { RequestError } from '../../../src/core/errors.ts';
import { makeApi, post } from '../../support/api-fixture.ts';
import { OpenaiRecorder } from '../../support/openai-recorder.ts';
import { SCRIPTED_MODEL } from '../../support/scripted-engine.ts';

const CHAT = '/v1/chat/completions';
const HELLO = { model: 'scripted', messages: [{ role: 'user', content: 'Hi' }] };

function setUp(...args: Parameters<typeof makeApi>) {
  const api = makeApi(...args);
  const recorder = new OpenaiRecorder();
  return { ...api, request: recorder.wrap((path, init) => api.app.request(path, init)) };
}

async function code(response: Response): Promise<string> {
  return ((await response.json()) as { error: { code: string } }).error.code;
}

describe('Host', () => {
  test.each([
    ['localhost:11440', 200],
    ['LOCALHOST:11440', 200],
    ['127.0.0.1:11440', 200],
    ['[::1]:11440', 200],
    ['localhost:11441', 403],
    ['evil.example:11440', 403],
    ['localhost.evil.example:11440', 403],
    ['127.0.0.1.nip.io:11440', 403],
    ['[::2]:11440', 403],
    ['host.docker.internal:11440', 403],
  ])('%s is %d on every route', async (host, status) => {
    const { request, admin } = setUp();
    for (const path of ['/', '/health', '/metrics', '/v1/models', '/nowhere', CHAT]) {
      const response = await request(path, { headers: { host } });
      if (status === 200) expect(response.status).not.toBe(403);
      else {
        expect(response.status).toBe(403);
        expect(await code(response)).toBe('host_not_allowed');
      }
    }
    const answer = await admin.request('/admin/health', { headers: { host } });
    expect(answer.status).toBe(status);
  });

  test('the error says what to write where', async () => {
    const { request } = setUp();
    const response = await request('/metrics', { headers: { host: 'host.docker.internal:11440' } });
    const text = await response.text();
    expect(text).toContain('\\"host.docker.internal\\"');
    expect(text).toContain('[server] allowed_hosts');
  });

  test.each([
    ['proxy.lan:8080', 200],
    ['proxy.lan:8081', 403],
    ['box.lan:1', 200],
  ])('configured names: %s is %d', async (host, status) => {
    const { request } = setUp({}, { allowedHosts: ['proxy.lan:8080', 'Box.lan'] });
    expect((await request('/health', { headers: { host } })).status).toBe(status);
  });
});

describe('Origin', () => {
  const allowedOrigins = ['http://page.example'];
  const ask = { 'access-control-request-method': 'POST' };

  test('a foreign page is refused everywhere', async () => {
    const { request } = setUp({}, { allowedOrigins });
    for (const origin of [
      'http://evil.example',
      'null',
      'http://page.example.evil',
      'https://page.example',
    ]) {
      for (const [path, init] of [
        ['/health', { headers: { origin } }],
        ['/nowhere', { headers: { origin } }],
        [CHAT, post(HELLO, { origin })],
        [CHAT, { method: 'OPTIONS', headers: { origin, ...ask } }],
      ] as const) {
        const response = await request(path, init);
        expect(response.status).toBe(403);
        expect(response.headers.get('access-control-allow-origin')).toBeNull();
        expect(await code(response)).toBe('origin_not_allowed');
      }
    }
  });

  test('a listed page gets its preflight and its answer, without credentials', async () => {
    const { request } = setUp({}, { allowedOrigins });
    const origin = allowedOrigins[0]!;
    const preflight = await request(CHAT, { method: 'OPTIONS', headers: { origin, ...ask } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    const response = await request(CHAT, post(HELLO, { origin }));
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('vary')).toBe('Origin');
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
  });
});

describe('methods and paths', () => {
  test.each([
    ['POST', '/health', 'GET, HEAD'],
    ['GET', CHAT, 'POST'],
    ['HEAD', CHAT, 'POST'],
    ['PUT', '/v1/models/a/b', 'GET, HEAD'],
    ['OPTIONS', '/v1/models', 'GET, HEAD'],
    ['DELETE', '/', 'GET, HEAD'],
  ])('%s %s is 405 and allows %s', async (method, path, allow) => {
    const { request } = setUp();
    const response = await request(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(allow);
  });

  test('an unknown path is 404 in the same shape, and is not repeated', async () => {
    const { request, lines } = setUp();
    const response = await request('/canary?canary=1');
    expect(response.status).toBe(404);
    expect(await response.text()).not.toContain('canary');
    expect(JSON.stringify(lines)).not.toContain('canary');
  });

  test.each(['/', '/health', '/v1/models', '/ready'])(
    'HEAD %s is GET without a body',
    async (path) => {
      const { request } = setUp();
      const get = await request(path);
      const head = await request(path, { method: 'HEAD' });
      expect(head.status).toBe(200);
      expect(await head.text()).toBe('');
      expect(head.headers.get('content-length')).toBe(String((await get.text()).length));
    },
  );
});

describe('probes', () => {
  const model = (name: string, state: ModelInfo['state'], reason?: string): ModelInfo => ({
    ...SCRIPTED_MODEL,
    name,
    state,
    reason,
  });

  // MX-068
  test('/ready is 200 as soon as one model can answer', async () => {
    const { request } = setUp({
      models: [model('a', 'failed', 'broken file'), model('b', 'ready')],
    });
    const response = await request('/ready');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      status: 'ready',
      models: [
        { name: 'a', state: 'failed', reason: 'broken file' },
        { name: 'b', state: 'ready' },
      ],
    });
  });

  test.each([
    [[model('a', 'loading'), model('b', 'failed', 'x')], 'model_loading', 'true'],
    [[model('a', 'draining')], 'draining', 'false'],
    [[model('a', 'failed', 'head count 0')], 'model_failed', 'false'],
  ] as const)('/ready says which model is in the way', async (models, wanted, shouldRetry) => {
    const { request } = setUp({ models });
    const response = await request('/ready');
    expect(response.status).toBe(503);
    expect(response.headers.get('x-should-retry')).toBe(shouldRetry);
    const body = (await response.json()) as { error: { code: string }; models: unknown[] };
    expect(body.error.code).toBe(wanted);
    expect(body.models).toHaveLength(models.length);
    if (wanted === 'model_failed') expect(JSON.stringify(body)).toContain('head count 0');
  });

  test('probes are logged at debug level, failures are not', async () => {
    const { request, lines } = setUp();
    await request('/health');
    await request('/health', { headers: { host: 'evil' } });
    expect(lines.map(({ level }) => level)).toEqual(['debug', 'info']);
  });

  // MX-018
  test('/metrics holds the catalogue and Node', async () => {
    const { request } = setUp();
    const response = await request('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    for (const name of [
      'requests_total',
      'request_seconds',
      'queue_wait_seconds',
      'ttft_seconds',
      'itl_seconds',
      'tpot_seconds',
      'e2e_seconds',
      'tokens_total',
      'queue_depth',
      'queue_rejects_total',
      'queue_timeouts_total',
      'slots',
      'worker_state',
      'worker_restarts_total',
      'worker_heartbeat_age_seconds',
      'worker_decode_steps_total',
      'worker_rss_bytes',
      'worker_gpu_bytes',
      'kv_tokens',
      'model_loaded',
      'model_load_seconds',
      'nodejs_eventloop_lag_p99_seconds',
      'event_loop_lag_seconds',
    ]) {
      expect(text).toContain(`# TYPE hearth_${name} `);
    }
  });

  test('/admin/health tells the operator everything', async () => {
    const { admin } = setUp({ models: [model('a', 'failed', 'why')] });
    const response = await admin.request('/admin/health');
    expect(await response.json()).toMatchObject({
      status: 'ok',
      ready: false,
      models: [{ name: 'a', state: 'failed', reason: 'why', slots: 4, context_tokens: 4096 }],
    });
    expect((await admin.request(CHAT, post(HELLO))).status).toBe(404);
    expect((await admin.request('/metrics')).status).toBe(200);
  });

  test('/admin/queue shows who runs and who waits, on the admin port alone', async () => {
    const { app, admin } = setUp({ models: [model('a', 'ready')] });
    const response = await admin.request('/admin/queue');
    expect(await response.json()).toEqual({
      depth: 0,
      depth_max: 100,
      depth_high_spare: 20,
      models: [
        {
          name: 'a',
          slots: { busy: 0, free: 4 },
          waiting: { high: 0, normal: 0, low: 0 },
          estimated_wait_s: { high: 0, normal: 0, low: 0 },
          first: [],
        },
      ],
    });
    expect((await app.request('/admin/queue')).status).toBe(404);
  });
});

describe('models', () => {
  const second: ModelInfo = {
    ...SCRIPTED_MODEL,
    name: 'org/second:q4',
    defaults: { temperature: 0.5 },
    facts: {
      architecture: 'llama',
      parameters: 1,
      fileBytes: 2,
      trainedContextTokens: 3,
      vocabularySize: 4,
      chat: true,
      device: 'cpu',
    },
  };

  test('the list has the exact shape, the default model first', async () => {
    const { request } = setUp({ models: [SCRIPTED_MODEL, second] });
    const row = { object: 'model', created: 1_700_000_000, owned_by: 'hearth' };
    expect(await (await request('/v1/models')).json()).toEqual({
      object: 'list',
      data: [
        { id: 'scripted', ...row },
        { id: 'org/second:q4', ...row },
      ],
    });
  });

  test.each(['org/second:q4', 'org%2Fsecond:q4', 'org%2Fsecond%3Aq4'])(
    '%s is found',
    async (id) => {
      const { request } = setUp({ models: [SCRIPTED_MODEL, second] });
      expect(await (await request(`/v1/models/${id}`)).json()).toMatchObject({
        id: 'org/second:q4',
        state: 'ready',
        context_tokens: 4096,
        defaults: { temperature: 0.5, top_p: 1, top_k: 0 },
        facts: { vocabulary_size: 4, device: 'cpu' },
      });
    },
  );

  test('an unknown one is 404', async () => {
    const { request } = setUp();
    const response = await request('/v1/models/nope');
    expect(response.status).toBe(404);
    expect(await code(response)).toBe('model_not_found');
  });

  test('ids past the vocabulary never reach a worker', async () => {
    const { request } = setUp({ models: [second] });
    const chat = { ...HELLO, model: second.name, logit_bias: { 4: 1 } };
    expect(await code(await request(CHAT, post(chat)))).toBe('invalid_value');
    const completion = { model: second.name, prompt: [1, 4] };
    expect(await code(await request('/v1/completions', post(completion)))).toBe('invalid_value');
  });

  test('a model without a template refuses messages', async () => {
    const base = { ...second, facts: { ...second.facts!, chat: false } };
    const { request } = setUp({ models: [base] });
    const response = await request(CHAT, post({ ...HELLO, model: second.name }));
    expect(await code(response)).toBe('unsupported_parameter');
  });
});

describe('bodies', () => {
  const text = JSON.stringify(HELLO);

  test.each([
    ['no type', {}],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', { 'content-type': 'text/plain' }],
    ['another charset', { 'content-type': 'application/json; charset=utf-16' }],
    ['a lookalike', { 'content-type': 'application/jsonp' }],
    ['deflate', { 'content-type': 'application/json', 'content-encoding': 'deflate' }],
    ['two encodings', { 'content-type': 'application/json', 'content-encoding': 'gzip, gzip' }],
  ])('%s is 415', async (_why, headers) => {
    const { request } = setUp();
    const body = new TextEncoder().encode(text);
    const response = await request(CHAT, { method: 'POST', headers, body });
    expect(response.status).toBe(415);
  });

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
  ])('%s is taken', async (type) => {
    const { request } = setUp();
    const response = await request(CHAT, post(HELLO, { 'content-type': type }));
    expect(response.status).toBe(200);
  });

  test.each([
    ['', text],
    ['{', text],
    ['[]', text],
    [`\ufeff${text}`, text],
    ['{"model":"a","model":"b"}', text],
  ])('%j is invalid_json', async (body) => {
    const { request } = setUp();
    const response = await request(CHAT, post(body));
    expect(response.status).toBe(400);
    expect(await code(response)).toBe('invalid_json');
  });

  test.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['zstd', zstdCompressSync(text)],
  ])('%s is decoded', async (encoding, body) => {
    const { request } = setUp();
    const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
    const response = await request(CHAT, { method: 'POST', headers, body });
    expect(response.status).toBe(200);
  });

  test.each([
    ['gzip', gzipSync(text).subarray(0, 20), 400],
    ['gzip', Buffer.from(text), 400],
    ['zstd', zstdCompressSync(text).subarray(0, 20), 400],
    ['zstd', Buffer.from(text), 400],
    ['gzip', gzipSync(`{"a":"${'x'.repeat(3e6)}"}`), 413],
    ['zstd', zstdCompressSync(`{"a":"${'x'.repeat(3e6)}"}`), 413],
    ['gzip', Buffer.alloc(1_100_000, 7), 413],
    ['zstd', Buffer.alloc(1_100_000, 7), 413],
  ])('a bad %s body ends in a 4xx', async (encoding, body, status) => {
    const { request } = setUp({}, { bodyMaxBytes: 1_000_000 });
    const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
    const response = await request(CHAT, { method: 'POST', headers, body: new Uint8Array(body) });
    // A body that is both broken and too long may be refused for either.
    if (body.length > 1_000_000) expect([400, 413]).toContain(response.status);
    else expect(response.status).toBe(status);
  });

  test('a body in pieces is counted by us, whatever its length says', async () => {
    const { request } = setUp({}, { bodyMaxBytes: 1000 });
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent += 100;
        controller.enqueue(new TextEncoder().encode(' '.repeat(100)));
      },
    });
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      duplex: 'half',
    };
    const response = await request(CHAT, init as RequestInit);
    expect(response.status).toBe(413);
    expect(sent).toBeLessThan(3000);
  });
});

describe('completions', () => {
  const COMPLETIONS = '/v1/completions';

  // MX-065
  test.each([
    ['a text', 'a', [{ text: 'a' }]],
    ['texts', ['a', 'b'], [{ text: 'a' }, { text: 'b' }]],
    ['tokens', [1, 2], [{ tokens: [1, 2] }]],
    ['token lists', [[1], [2, 3]], [{ tokens: [1] }, { tokens: [2, 3] }]],
  ])('%s: each prompt is a choice', async (_what, prompt, wanted) => {
    const { request, engine } = setUp({ scripts: [{ pieces: ['x'] }, { pieces: ['y', 'z'] }] });
    const response = await request(COMPLETIONS, post({ model: 'scripted', prompt }));
    const body = (await response.json()) as { choices: unknown[]; usage: unknown };
    expect(engine.submitted.map(({ request: { prompt: each } }) => each)).toEqual(wanted);
    expect(body.choices).toEqual(
      ['x', 'yz']
        .slice(0, wanted.length)
        .map((text, index) => ({ index, text, logprobs: null, finish_reason: 'stop' })),
    );
    const n = wanted.length;
    expect(body.usage).toMatchObject({ prompt_tokens: 7 * n, completion_tokens: n === 1 ? 1 : 3 });
  });

  test('echo puts the prompt before the answer, whole and streamed', async () => {
    const { request, engine } = setUp({ scripts: [{ pieces: ['x'] }] });
    const body = { model: 'scripted', prompt: 'p ', echo: true, max_tokens: 0 };
    const response = await request(COMPLETIONS, post(body));
    expect(await response.json()).toMatchObject({ choices: [{ text: 'p x' }] });
    expect(engine.last.request).toMatchObject({ echo: true, maxTokens: 0 });
    const streamed = await request(COMPLETIONS, post({ ...body, stream: true }));
    expect(await streamed.text()).toContain('"text":"p x"');
  });

  test('several prompts stream under their own index', async () => {
    const { request } = setUp({
      scripts: [{ pieces: ['x'] }, { pieces: ['y'], reason: 'length' }],
    });
    const body = {
      model: 'scripted',
      prompt: ['a', 'b'],
      stream: true,
      stream_options: { include_usage: true },
    };
    const text = await (await request(COMPLETIONS, post(body))).text();
    const choices = text
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .flatMap((event) => JSON.parse(event.slice(6)).choices);
    for (const [index, piece, reason] of [
      [0, 'x', 'stop'],
      [1, 'y', 'length'],
    ] as const) {
      const own = choices.filter((choice) => choice.index === index);
      expect(own.map((choice) => choice.text).join('')).toBe(piece);
      expect(own.at(-1).finish_reason).toBe(reason);
    }
    expect(text).toContain('"prompt_tokens":14');
  });

  test.each([
    ['no prompt', {}, 'missing_required_parameter', 'prompt'],
    ['an empty list', { prompt: [] }, 'invalid_value', 'prompt'],
    ['a number', { prompt: 5 }, 'invalid_type', 'prompt'],
    ['a mixture', { prompt: ['a', 5] }, 'invalid_type', 'prompt[1]'],
    ['a text among tokens', { prompt: [1, 'a'] }, 'invalid_type', 'prompt[1]'],
    ['an empty token list', { prompt: [[1], []] }, 'invalid_value', 'prompt[1]'],
    ['half a token', { prompt: [[1.5]] }, 'invalid_value', 'prompt[0][0]'],
    ['an object', { prompt: [{}] }, 'invalid_type', 'prompt[0]'],
    ['a negative token', { prompt: [-1] }, 'invalid_value', 'prompt[0]'],
    ['too many', { prompt: Array.from({ length: 65 }, () => 'a') }, 'invalid_value', 'prompt'],
    ['a suffix', { prompt: 'a', suffix: 'b' }, 'unsupported_parameter', 'suffix'],
    ['best_of 2', { prompt: 'a', best_of: 2 }, 'unsupported_parameter', 'best_of'],
    ['logprobs 0', { prompt: 'a', logprobs: 0 }, 'unsupported_parameter', 'logprobs'],
    ['n 2', { prompt: 'a', n: 2 }, 'unsupported_parameter', 'n'],
  ])('%s is refused', async (_why, fields, wanted, param) => {
    const { request } = setUp();
    const response = await request(COMPLETIONS, post({ model: 'scripted', ...fields }));
    expect(await response.json()).toMatchObject({ error: { code: wanted, param } });
    expect(response.status).toBe(400);
  });

  test('one prompt refused ends the others', async () => {
    const { RequestError } = await import('../../../src/core/errors.ts');
    const rejects = new RequestError('context_length_exceeded', 'long');
    const { request, engine } = setUp({ scripts: [{ hangs: true }, { rejects }] });
    const response = await request(COMPLETIONS, post({ model: 'scripted', prompt: ['a', 'b'] }));
    expect(response.status).toBe(400);
    expect(engine.submitted[0]!.call.signal.aborted).toBe(true);
  });
});

describe('the admin port', () => {
  test('tells the operator about workers, in seconds and bytes', async () => {
    const { admin } = setUp();
    const response = await admin.request('/admin/workers');
    expect([response.status, await response.json()]).toEqual([200, { workers: [] }]);
  });

  test.each([
    ['/admin/load/a%2Fb', 'load a/b', { name: 'a/b', state: 'ready' }],
    ['/admin/unload/scripted', 'unload scripted', { name: 'scripted', state: 'unloaded' }],
    ['/admin/recycle/scripted', 'recycle scripted', { name: 'scripted', state: 'ready' }],
    ['/admin/stop/scripted-1', 'stop scripted-1', { name: 'scripted-1', state: 'stopped' }],
    ['/admin/drain', 'drain', { status: 'draining' }],
  ])('POST %s does what it says', async (path, told, body) => {
    const { admin, operator } = setUp();
    const response = await admin.request(path, { method: 'POST' });
    expect([response.status < 300, await response.json()]).toEqual([true, body]);
    expect(operator.told).toEqual([told]);
  });

  test('changes nothing on GET, for unknown models, or from the main port', async () => {
    const { admin, request, operator } = setUp();
    expect((await admin.request('/admin/unload/scripted')).status).toBe(405);
    expect((await admin.request('/admin/load/nobody', { method: 'POST' })).status).toBe(404);
    expect((await request('/admin/unload/scripted', { method: 'POST' })).status).toBe(404);
    expect(operator.told).toEqual([]);
  });
});

describe('reading the configuration again', () => {
  const outcome = {
    applied: ['keys', 'limits.queue_depth_max'],
    refused: ['server.port'],
    models: { added: ['a'], removed: [], changed: ['b'] },
  };

  test('says what was applied and what was not, on the admin port alone', async () => {
    const { admin, request, controls } = setUp();
    controls.outcome = outcome;
    const response = await admin.request('/admin/reload', { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([200, outcome]);
    expect((await admin.request('/admin/reload')).status).toBe(405);
    expect((await request('/admin/reload', { method: 'POST' })).status).toBe(404);
  });

  test('says what is wrong', async () => {
    const { admin, controls } = setUp();
    const why = 'hearth.toml:2: unknown key "server.prot". Did you mean "port"?';
    controls.outcome = new RequestError('invalid_configuration', why);
    const response = await admin.request('/admin/reload', { method: 'POST' });
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect([response.status, error.code]).toEqual([409, 'invalid_configuration']);
    expect(error.message).toBe(why);
  });
});

describe('the log level', () => {
  const put = (body: unknown) => ({ ...post(body), method: 'PUT' });

  test('is shown, and set, on the admin port alone', async () => {
    const { admin, request, controls, lines } = setUp();
    const before = await admin.request('/admin/log');
    expect([before.status, await before.json()]).toEqual([200, { level: 'info' }]);
    const after = await admin.request('/admin/log', put({ level: 'debug' }));
    expect([after.status, await after.json()]).toEqual([200, { level: 'debug' }]);
    expect(controls.logLevel).toBe('debug');
    expect(lines.find(({ message }) => message === 'log level set')?.fields).toEqual({
      before: 'info',
      level: 'debug',
    });
    expect((await request('/admin/log', put({ level: 'none' }))).status).toBe(404);
    expect(controls.logLevel).toBe('debug');
  });

  test.each([
    [{ level: 'loud' }, 'invalid_value', 'level'],
    [{ level: 3 }, 'invalid_value', 'level'],
    [{}, 'missing_required_parameter', 'level'],
    [{ level: 'debug', lvl: 1 }, 'unsupported_parameter', 'lvl'],
    [[], 'invalid_json', null],
  ])('%j is refused, by name, and changes nothing', async (body, refused, param) => {
    const { admin, controls } = setUp();
    const response = await admin.request('/admin/log', put(body));
    const { error } = (await response.json()) as { error: { code: string; param: string | null } };
    expect([response.status, error.code, error.param]).toEqual([400, refused, param]);
    expect(controls.logLevel).toBe('info');
  });

  test('other methods are told what there is', async () => {
    const { admin } = setUp();
    const response = await admin.request('/admin/log', { method: 'POST' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT']);
  });
});

describe('openapi.json', () => {
  test('is OpenAPI 3.1 whose every reference and schema holds', async () => {
    const { request } = setUp();
    const document = (await (await request('/openapi.json')).json()) as {
      openapi: string;
      paths: Record<
        string,
        Record<
          string,
          {
            operationId: string;
            responses: object;
            requestBody?: { content: Record<string, { schema: object }> };
          }
        >
      >;
      components: { schemas: Record<string, object> };
    };
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        CHAT,
        '/v1/completions',
        '/v1/models',
        '/v1/models/{id}',
        '/health',
        '/ready',
        '/metrics',
        '/',
      ]),
    );
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { responses } of operations) expect(Object.keys(responses)).toContain('200');

    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'hearth', components: document.components });
    for (const name of Object.keys(document.components.schemas)) {
      expect(() => ajv.compile({ $ref: `hearth#/components/schemas/${name}` })).not.toThrow();
    }
    const chat = document.paths[CHAT]!.post!.requestBody!.content['application/json']!.schema;
    const validate = ajv.compile(chat);
    expect(validate(HELLO)).toBe(true);
    expect(validate({ model: 'a' })).toBe(false);
    expect(validate({ ...HELLO, temperature: 3 })).toBe(false);
  });

  test('requires a prompt, of one of its four shapes', async () => {
    const { request } = setUp();
    const document = (await (await request('/openapi.json')).json()) as {
      paths: Record<
        string,
        { post: { requestBody: { content: Record<string, { schema: object }> } } }
      >;
    };
    const { schema } =
      document.paths['/v1/completions']!.post.requestBody.content['application/json']!;
    const validate = new Ajv2020({ strict: false }).compile(schema);
    for (const prompt of ['a', ['a'], [1], [[1], [2]]]) {
      expect(validate({ model: 'm', prompt })).toBe(true);
    }
    for (const prompt of [5, [], [''.length, 'a'], [[]], {}]) {
      expect(validate({ model: 'm', prompt })).toBe(false);
    }
    expect(validate({ model: 'm' })).toBe(false);
  });

  test('describes what the routes answer', async () => {
    const { request } = setUp();
    const document = (await (await request('/openapi.json')).json()) as { components: object };
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'hearth', components: document.components });
    const cases = [
      ['ChatCompletion', await request(CHAT, post(HELLO))],
      ['Completion', await request('/v1/completions', post({ model: 'scripted', prompt: 'a' }))],
      ['ModelList', await request('/v1/models')],
      ['ModelDetails', await request('/v1/models/scripted')],
      ['Error', await request('/v1/models/none')],
      ['Ready', await request('/ready')],
    ] as const;
    for (const [name, response] of cases) {
      const validate = ajv.compile({ $ref: `hearth#/components/schemas/${name}` });
      expect(validate(await response.json()), `${name}: ${ajv.errorsText(validate.errors)}`).toBe(
        true,
      );
    }
  });
});
