/** API keys on a real server: made, used, limited and revoked while it runs; remembered when it does not. */
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';

import { CliHome } from '../support/cli.ts';
import { type HearthProcess, startHearth } from '../support/hearth-process.ts';

const CHAT = { model: 'test-model', messages: [{ role: 'user' as const, content: 'Hi' }] };

class Place implements AsyncDisposable {
  readonly home = new CliHome();
  readonly #servers: HearthProcess[] = [];

  get stateDir(): string {
    return this.home.path('state');
  }

  async serve(...args: string[]): Promise<HearthProcess> {
    const state = ['--state-dir', this.stateDir];
    const server = await startHearth({ model: {}, args: [...state, ...args] });
    this.#servers.push(server);
    expect((await server.modelSettled).event).toBe('ready');
    return server;
  }

  async key(...args: string[]) {
    const { stdout, stderr, code } = await this.home.run([
      'key',
      ...args,
      '--state-dir',
      this.stateDir,
    ]);
    return { code, stderr, text: stdout.trim() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server.stop();
    this.home[Symbol.dispose]();
  }
}

function ask(server: HearthProcess, key: string | undefined, more: object = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.port}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify({ ...CHAT, ...more }),
  });
}

/** Asks again and again: what another process did is noticed within a second. */
async function untilStatus(status: number, act: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await act();
    if (response.status === status) return response;
    await response.text();
  }
}

describe('hearth key', () => {
  test('a key made beside a running server holds at once; revoked, it is refused', async () => {
    await using place = new Place();
    const server = await place.serve();
    expect((await ask(server, undefined)).status).toBe(200);
    const { text: key, stderr } = await place.key('add', 'laptop', '--priority-max', 'normal');
    expect(key).toMatch(/^sk-hearth-[\w-]{43}$/);
    expect(stderr).toContain('shown this once');
    expect(stderr).toContain('answers nobody without a key');
    const refused = await untilStatus(401, () => ask(server, undefined));
    expect(await refused.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    expect((await ask(server, key)).status).toBe(200);

    const client = new OpenAI({ baseURL: `http://127.0.0.1:${server.port}/v1`, apiKey: key });
    const answer = await client.chat.completions.create(CHAT);
    expect(answer.choices[0]!.message.content).toContain('Hi');

    expect((await place.key('revoke', 'laptop')).code).toBe(0);
    const gone = await untilStatus(401, () => ask(server, key));
    expect(await gone.text()).toContain('was revoked');
    await expect(client.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    expect(server.output()).not.toContain(key);
  });

  test('our own clients take it from the environment', async () => {
    await using place = new Place();
    const { text: key } = await place.key('add', 'admin', '--admin');
    const server = await place.serve();
    const ports = ['--port', String(server.port), '--admin-port', String(server.adminPort)];
    const environment = { HEARTH_API_KEY: key };
    const models = await place.home.run(['models', ...ports], { environment });
    expect(models.stdout).toContain('test-model');
    const without = await place.home.run(['models', ...ports]);
    expect([without.code, without.stderr]).toEqual([
      1,
      expect.stringContaining('This server needs an API key'),
    ]);
    const chat = await place.home.run(['chat', ...ports], { input: 'hello', environment });
    expect(chat.stdout).toContain('hello');
    const bench = ['bench', '--url', `http://127.0.0.1:${server.port}/v1`];
    const load = ['--streams', '1', '--requests', '1', '--generated-tokens', '2'];
    expect((await place.home.run([...bench, ...load], { environment })).code).toBe(0);
  });

  test('what a key uses is known to the next server, and a quota holds across it', async () => {
    await using place = new Place();
    const { text: key } = await place.key('add', 'k', '--tokens-per-day', '300');
    const first = await place.serve();
    const answer = (await (await ask(first, key, { max_tokens: 250 })).json()) as {
      usage: { total_tokens: number };
    };
    await first.stop();
    const used = answer.usage.total_tokens;
    const { text } = await place.key('usage', '--json');
    expect(JSON.parse(text)).toMatchObject({ usage: [{ key: 'k', requests: 1 }] });

    const second = await place.serve();
    const left = 300 - used;
    const refused = await ask(second, key, { max_tokens: left });
    expect(refused.status).toBe(429);
    const body = (await refused.json()) as { error: { code: string; message: string } };
    expect(body.error.code).toBe('key_quota_exceeded');
    expect(body.error.message).toContain(`has ${left} left of its 300 a day`);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask(second, key, { max_tokens: 1 })).status).toBe(200);
  });

  test('two processes may write the key file at once, and no key is lost', async () => {
    await using place = new Place();
    const names = Array.from({ length: 6 }, (_, index) => `k${index}`);
    const added = await Promise.all(names.map((name) => place.key('add', name)));
    expect(added.map(({ code }) => code)).toEqual(names.map(() => 0));
    const { text } = await place.key('list', '--json');
    expect((JSON.parse(text) as { keys: { name: string }[] }).keys.map(({ name }) => name)).toEqual(
      names,
    );
  });

  test.each([
    [['add', 'bad name'], '"bad name" is not a key name'],
    [['add', 'k', '--burst', '-1'], '--burst is not accepted. Write a whole number'],
    [['add', 'k', '--priority-max', 'urgent'], 'Write one of "high", "normal", "low"'],
    [['add', 'k', '--expires', '2020-01-01'], '--expires 2020-01-01 has passed'],
    [['revoke', 'k'], 'there is no key k'],
    [['usage', 'k'], 'there is no key k'],
    [['usage', '--days', '0'], '--days 0 is not accepted'],
  ])('%s is refused in one line', async (args, message) => {
    await using place = new Place();
    const { code, stderr } = await place.key(...args);
    expect([code, stderr.trim().split('\n').length]).toEqual([1, 1]);
    expect(stderr).toContain(message);
  });

  test('one of the configuration is changed there, and stands in the list', async () => {
    await using place = new Place();
    place.home.write('hearth.toml', `[[keys]]\nname = "box"\nsha256 = "${'0'.repeat(64)}"\n`);
    expect((await place.key('list')).text).toMatch(/^box +valid .* configuration$/m);
    for (const verb of ['add', 'revoke']) {
      const { code, stderr } = await place.key(verb, 'box');
      expect([code, stderr]).toEqual([1, expect.stringContaining('stands in the configuration')]);
    }
  });
});

describe('more than loopback', () => {
  /** As good as an address of another interface: no name of loopback, and nothing leaves the machine. */
  const outside = '127.0.0.2';
  const hasIt = process.platform === 'linux';

  test('is not listened on without a key', async () => {
    using home = new CliHome();
    const args = ['serve', '--host', '0.0.0.0', '--port', '0', '--admin-port', '0'];
    const model = ['--model', `m=${home.fakeModel()}`, '--state-dir', home.path('state')];
    const { code, stderr } = await home.run([...args, ...model]);
    expect(code).toBe(1);
    expect(stderr).toContain('will not listen on 0.0.0.0');
    expect(stderr).toContain('hearth key add NAME');
  });

  test.skipIf(!hasIt)(
    'is, with one: under its address, and under a name only when it is listed',
    async () => {
      await using place = new Place();
      const { text: key } = await place.key('add', 'k');
      place.home.write('hearth.toml', '[server]\nallowed_hosts = ["host.docker.internal"]\n');
      const config = ['--config', place.home.path('hearth.toml')];
      const server = await place.serve('--host', '0.0.0.0', ...config);
      const get = (host: string, path: string, headers: Record<string, string> = {}) =>
        curl(`http://${outside}:${server.port}${path}`, { host, ...headers });
      const own = `${outside}:${server.port}`;
      const authorization = `Bearer ${key}`;
      expect(await get(own, '/metrics')).toBe(401);
      expect(await get(own, '/metrics', { authorization })).toBe(200);
      expect(await get(`box.lan:${server.port}`, '/metrics', { authorization })).toBe(403);
      const docker = `host.docker.internal:${server.port}`;
      expect(await get(docker, '/metrics', { authorization })).toBe(200);
      expect(await get(docker, '/metrics')).toBe(401);
      await place.key('revoke', 'k');
      // The last valid key is gone: nobody passes, the server stays up.
      await untilGone(() => get(own, '/metrics', { authorization }));
    },
  );
});

/** With a Host header of its own, which `fetch` does not let one send. */
async function curl(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end();
  });
}

async function untilGone(status: () => Promise<number>): Promise<void> {
  for (;;) if ((await status()) === 401) return;
}
