/** What a key opens and what it does not, on every route. */
import { describe, expect, test } from 'vitest';

import type { ApiSettings } from '../../../src/api/deps.ts';
import type { ApiKey } from '../../../src/core/gate.ts';
import { makeApi, post } from '../../support/api-fixture.ts';
import { KeyFixture, makeKey } from '../../support/key-fixture.ts';
import { OpenaiRecorder } from '../../support/openai-recorder.ts';
import { SCRIPTED_MODEL } from '../../support/scripted-engine.ts';

const CHAT = '/v1/chat/completions';
const HELLO = { model: 'scripted', messages: [{ role: 'user', content: 'Hi' }] };
const OTHER = { ...SCRIPTED_MODEL, name: 'other' };

function setUp(keys: readonly ApiKey[], settings: Partial<ApiSettings> = {}) {
  const fixture = new KeyFixture();
  const gate = fixture.ring({ configured: keys });
  const api = makeApi({ models: [SCRIPTED_MODEL, OTHER] }, settings, gate);
  const recorder = new OpenaiRecorder();
  return {
    ...api,
    request: recorder.wrap((path, init) => api.app.request(path, init)),
    [Symbol.dispose]: () => fixture[Symbol.dispose](),
  };
}

function bearer(secret: string): Record<string, string> {
  return { authorization: `Bearer ${secret}` };
}

async function errorOf(response: Response) {
  const { error } = (await response.json()) as {
    error: { code: string; type: string; message: string; param: string | null };
  };
  return error;
}

describe('where there are keys', () => {
  test.each(['/v1/models', '/v1/models/scripted', '/metrics', '/openapi.json', '/nowhere', CHAT])(
    '%s is 401 without one, and says how to send it',
    async (path) => {
      using t = setUp([makeKey('k', 'secret')]);
      const response = await t.request(path);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="hearth"');
      const { code, type } = await errorOf(response);
      expect([code, type]).toEqual(['invalid_api_key', 'authentication_error']);
    },
  );

  test('Bearer and x-api-key open, in any case of the scheme', async () => {
    using t = setUp([makeKey('k', 'secret')]);
    for (const headers of [
      bearer('secret'),
      { authorization: 'bearer  secret ' },
      { 'x-api-key': 'secret' },
      { ...bearer('secret'), 'x-api-key': 'secret' },
      // A proxy's own, beside ours.
      { authorization: 'Basic dXNlcjpwYXNz', 'x-api-key': 'secret' },
    ] as Record<string, string>[]) {
      expect((await t.request('/v1/models', { headers })).status).toBe(200);
    }
    for (const headers of [bearer('Secret'), { authorization: 'secret' }, { 'x-api-key': 'x' }]) {
      expect((await t.request('/v1/models', { headers })).status).toBe(401);
    }
  });

  test('two different ones are refused: which would count is a guess', async () => {
    using t = setUp([makeKey('k', 'secret')]);
    const headers = { ...bearer('secret'), 'x-api-key': 'other' };
    const { code, param } = await errorOf(await t.request('/v1/models', { headers }));
    expect([code, param]).toEqual(['invalid_value', 'x-api-key']);
  });

  test.each(['api_key', 'key', 'apikey', 'access_token', 'x-api-key'])(
    'one in the URL (?%s=) is refused also where none is needed, and never logged',
    async (name) => {
      for (const keys of [[], [makeKey('k', 'topsecret')]]) {
        using t = setUp(keys);
        const headers = bearer('topsecret');
        const response = await t.request(`/v1/models?a=1&${name}=topsecret`, { headers });
        expect(response.status).toBe(400);
        expect(await response.text()).not.toContain('topsecret');
        expect(JSON.stringify(t.lines)).not.toContain('topsecret');
      }
    },
  );

  test('no answer, log line or metric holds a key; names stand in log and metrics', async () => {
    using t = setUp([makeKey('laptop', 'topsecret')]);
    for (const secret of ['topsecret', 'wrongsecret']) {
      const response = await t.request(CHAT, post(HELLO, bearer(secret)));
      expect(await response.text()).not.toContain(secret);
      expect(JSON.stringify([...response.headers])).not.toContain(secret);
    }
    const all = JSON.stringify(t.lines) + (await t.metrics.render());
    expect(all).not.toMatch(/topsecret|wrongsecret/);
    expect(t.lines.some(({ fields }) => fields.caller === 'laptop')).toBe(true);
  });

  test('whether the process lives is no secret; which models it has is', async () => {
    using t = setUp([makeKey('k', 'secret')]);
    for (const path of ['/', '/health']) expect((await t.request(path)).status).toBe(200);
    expect(await (await t.request('/ready')).json()).toEqual({ status: 'ready' });
    const known = await t.request('/ready', { headers: bearer('secret') });
    expect(await known.json()).toMatchObject({ models: [{ name: 'scripted' }, { name: 'other' }] });
    expect((await t.request('/ready', { headers: bearer('wrong') })).status).toBe(401);
  });

  test('a key for some models is told of the readiness of no other', async () => {
    using t = setUp([makeKey('k', 'secret', { models: ['other'] })]);
    const known = await t.request('/ready', { headers: bearer('secret') });
    const { models } = (await known.json()) as { models: { name: string }[] };
    expect(models.map(({ name }) => name)).toEqual(['other']);
  });

  test('a preflight needs none: browsers send it without', async () => {
    const allowedOrigins = ['http://page.example'];
    using t = setUp([makeKey('k', 'secret')], { allowedOrigins });
    const headers = { origin: allowedOrigins[0]!, 'access-control-request-method': 'POST' };
    expect((await t.request(CHAT, { method: 'OPTIONS', headers })).status).toBe(204);
  });

  test('the tenant is the key, with its limits', async () => {
    const limits = { requestsPerMinute: 3, concurrencyMax: 2 };
    using t = setUp([makeKey('laptop', 'secret', { limits })]);
    await t.request(CHAT, post(HELLO, bearer('secret')));
    expect(t.engine.last.call).toMatchObject({ tenant: 'laptop', limits });
  });
});

describe('a key', () => {
  test('for some models sees those, and gets 403 for the others', async () => {
    using t = setUp([makeKey('k', 'secret', { models: ['other', 'planned'] })]);
    const headers = bearer('secret');
    const list = await (await t.request('/v1/models', { headers })).json();
    expect(list).toMatchObject({ data: [{ id: 'other' }] });
    expect((await t.request('/v1/models/scripted', { headers })).status).toBe(404);
    const refused = await t.request(CHAT, post(HELLO, headers));
    expect(refused.status).toBe(403);
    const error = await errorOf(refused);
    expect([error.code, error.param]).toEqual(['model_not_allowed', 'model']);
    expect(error.message).toContain('it may use other');
    const unknown = await t.request(CHAT, post({ ...HELLO, model: 'x' }, headers));
    expect(unknown.status).toBe(404);
    expect((await errorOf(unknown)).message).not.toContain('scripted');
    const allowed = await t.request(CHAT, post({ ...HELLO, model: 'other' }, headers));
    expect(allowed.status).toBe(200);
  });

  test('lowers what is above its highest class, and says so', async () => {
    using t = setUp([makeKey('k', 'secret', { priorityMax: 'normal' })]);
    const ask = async (priority: string) => {
      const headers = { ...bearer('secret'), 'x-priority': priority };
      const response = await t.request(CHAT, post(HELLO, headers));
      return ['x-hearth-priority', 'x-hearth-priority-asked'].map((name) =>
        response.headers.get(name),
      );
    };
    expect(await ask('high')).toEqual(['normal', 'high']);
    expect(await ask('normal')).toEqual(['normal', null]);
    expect(await ask('low')).toEqual(['low', null]);
    expect(t.lines.some(({ fields }) => fields.priorityAsked === 'high')).toBe(true);
  });

  test('opens the admin port only with `admin`', async () => {
    using t = setUp([makeKey('k', 'secret'), makeKey('a', 'boss', { isAdmin: true })]);
    const get = (path: string, secret?: string) =>
      t.admin.request(path, secret === undefined ? {} : { headers: bearer(secret) });
    for (const path of ['/admin/health', '/admin/queue', '/metrics', '/nowhere']) {
      expect((await get(path)).status).toBe(401);
      const refused = await get(path, 'secret');
      expect([refused.status, (await errorOf(refused)).code]).toEqual([403, 'admin_key_required']);
      expect((await get(path, 'boss')).status).toBe(path === '/nowhere' ? 404 : 200);
    }
    expect((await get('/health')).status).toBe(200);
  });
});

describe('two priorities that differ', () => {
  test.each([
    [false, 'low', 'high', 'low', 'priority'],
    [true, 'low', 'high', 'low', 'priority'],
    [false, 'low', 'low', 'low', null],
    [false, '2', 'low', 'low', null],
  ])('strict %s: header %s, body %s is %s, ignored: %s', async (strict, header, body, is, said) => {
    using t = setUp([], { strict });
    const init = post({ ...HELLO, priority: body }, { 'x-priority': header });
    const response = await t.request(CHAT, init);
    expect(response.headers.get('x-hearth-priority')).toBe(is);
    expect(response.headers.get('x-hearth-ignored')).toBe(said);
  });
});
