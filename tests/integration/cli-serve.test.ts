import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';

import { CliHome, type Listening } from '../support/cli.ts';

const FREE_PORTS = ['--port', '0', '--admin-port', '0', '--json'];

function post({ url }: Listening, body: object): Promise<Response> {
  return fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

function say(content: string, more: object = {}) {
  return { model: 'small', messages: [{ role: 'user', content }], ...more };
}

/** Whether a process of this id is there. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH, the one thing that can be wrong with a signal of our own user.
    return false;
  }
}

describe('hearth serve', () => {
  test('answers a chat, and drains at SIGTERM: what runs ends whole, exit 0, nothing is left', async () => {
    using home = new CliHome();
    await using cli = home.start(['serve', '--model', `small=${home.fakeModel()}`, ...FREE_PORTS]);
    const at = await cli.untilReady();

    const body = (await (await post(at, say('good morning'))).json()) as {
      choices: { message: { content: string } }[];
    };
    expect(body.choices[0]?.message.content).toContain('good morning');

    const slow = await post(at, say('[[slow:20]] [[tokens:40]]', { stream: true }));
    const reader = slow.body!.getReader();
    await reader.read();
    cli.kill('SIGTERM');
    let stream = '';
    const decoder = new TextDecoder();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      stream += decoder.decode(next.value, { stream: true });
    }
    expect(stream).toContain('data: [DONE]');
    expect(await cli.exited).toBe(0);
    expect(isAlive(at.pid)).toBe(false);
    expect(cli.stdout.trim().split('\n')).toHaveLength(2);
  });

  // MX-010, MX-015
  test('above the rate limit 429 says when, and the official client that obeys is let in', async () => {
    using home = new CliHome();
    const environment = {
      HEARTH_RATE_LIMIT_ENABLED: '1',
      HEARTH_RATE_LIMIT_BURST: '2',
      HEARTH_RATE_LIMIT_BURST_WINDOW_S: '0.5',
    };
    const flags = ['serve', '--model', `small=${home.fakeModel()}`, ...FREE_PORTS];
    await using cli = home.start(flags, environment);
    const at = await cli.untilReady();
    const statuses: number[] = [];
    const client = new OpenAI({
      baseURL: at.url,
      apiKey: 'none',
      maxRetries: 5,
      fetch: async (...args) => {
        const response = await fetch(...args);
        statuses.push(response.status);
        return response;
      },
    });
    const ask = () => client.completions.create({ model: 'small', prompt: 'hi', max_tokens: 4 });
    const answers = await Promise.all([ask(), ask(), ask()]);
    expect(answers.map(({ choices }) => choices.length)).toEqual([1, 1, 1]);
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    expect(statuses).toContain(429);
    // A list of prompts is one request, also when it is longer than the burst.
    const list = await client.completions.create({
      model: 'small',
      prompt: ['a', 'b', 'c', 'd'],
      max_tokens: 4,
    });
    expect(list.choices).toHaveLength(4);
    const { response } = await ask().withResponse();
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('60');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('55');
    expect(response.headers.get('ratelimit-policy')).toBe('"default";q=60;w=60');
  });

  test('SIGINT is the same; a second one within a second says nothing new', async () => {
    using home = new CliHome();
    await using cli = home.start(['serve', '--model', home.fakeModel({}), ...FREE_PORTS]);
    const { pid } = await cli.untilReady();
    // Straight to the server: the launcher stands between a terminal's Ctrl-C and it.
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGINT');
    expect(await cli.exited).toBe(0);
  });

  test('a second signal more than a second later cuts the drain short: in-band error, exit 1', async () => {
    using home = new CliHome();
    await using cli = home.start(['serve', '--model', `small=${home.fakeModel()}`, ...FREE_PORTS]);
    const at = await cli.untilReady();
    const slow = await post(at, say('[[slow:100]] [[tokens:500]]', { stream: true }));
    const text = slow.text();
    await cli.untilLine(/"ready"/);
    const firstMs = performance.now();
    cli.kill('SIGTERM');
    await cli.untilErrorLine(/"draining"/);
    // The rule under test is a time; signals are sent until one counts as the second.
    const again = setInterval(() => cli.kill('SIGTERM'), 200);
    const code = await cli.exited;
    clearInterval(again);
    expect(code).toBe(1);
    expect(performance.now() - firstMs).toBeGreaterThan(1000);
    expect(await text).toContain('"error"');
    expect(await text).not.toContain('[DONE]');
    expect(isAlive(at.pid)).toBe(false);
  });

  test('a port in use: exit 1 naming it, without a stack', async () => {
    using home = new CliHome();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const args = [
      'serve',
      '--model',
      home.fakeModel(),
      '--port',
      String(port),
      '--admin-port',
      '0',
    ];
    const { code, stderr, stdout } = await home.run(args);
    other.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^hearth: .*127\\.0\\.0\\.1:${port}.*in use`, 'm'));
    expect(stderr).not.toContain('    at ');
    expect(stdout).toBe('');
  });

  test('a log that nobody reads stops neither the answers nor the end', async () => {
    using home = new CliHome();
    const args = ['serve', '--model', `small=${home.fakeModel()}`, ...FREE_PORTS];
    await using cli = home.startUnread(args, { HEARTH_LOG_LEVEL: 'debug' });
    const at = await cli.untilReady();
    // Each leaves a line of some 300 bytes; a pipe and what Node reads ahead hold less than 300 KiB.
    for (let sent = 0; sent < 1500; sent++) {
      const response = await fetch(`${at.url}/models`);
      expect(response.status).toBe(200);
      await response.arrayBuffer();
    }
    cli.kill('SIGTERM');
    expect(await cli.exited).toBe(0);
  });

  // MX-032
  test('makes its state folder for its owner alone', async () => {
    using home = new CliHome();
    const dir = home.path('a/state');
    const args = ['serve', '--model', home.fakeModel(), '--state-dir', dir, ...FREE_PORTS];
    await using cli = home.start(args);
    await cli.untilReady();
    expect(statSync(dir).mode & 0o777).toBe(0o700);
  });

  test('a state folder that cannot be used: exit 1 naming it', async () => {
    using home = new CliHome();
    const file = home.write('state', 'not a folder');
    const { code, stderr } = await home.run([
      'serve',
      '--model',
      home.fakeModel(),
      '--state-dir',
      file,
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain(`cannot use the state folder ${file}`);
  });

  test('a model that does not load: the server stays up and says so', async () => {
    using home = new CliHome();
    const args = [
      '--model',
      `bad=${home.path('missing.gguf')}`,
      '--model',
      `small=${home.fakeModel()}`,
    ];
    await using cli = home.start(['serve', ...args, ...FREE_PORTS]);
    const at = await cli.untilReady();
    const failed = JSON.parse(await cli.untilLine(/"event":"failed"/)) as { model: string };
    expect(failed.model).toBe('bad');
    const ready = await fetch(`${at.url}/../ready`);
    expect(ready.status).toBe(200);
    expect(await ready.text()).toContain('"failed"');
    expect((await post(at, say('hi', { model: 'bad' }))).status).toBe(503);
    expect((await post(at, say('hi'))).status).toBe(200);
  });

  test('flags set what they say: host, slots, context, several models, the first is the default', async () => {
    using home = new CliHome();
    const fake = home.fakeModel();
    const models = ['--model', `one=${fake}`, '--model', `two=${fake}`];
    const flags = ['--slots', '2', '--context-tokens', '256', '--host', '127.0.0.1'];
    await using cli = home.start(['serve', ...models, ...flags, ...FREE_PORTS]);
    const line = await cli.untilLine(/"listening"/);
    const at = JSON.parse(line) as Listening & { models: string[]; hosts: string[] };
    await cli.untilLine(/"ready","model":"two"/);
    expect(at.models).toEqual(['one', 'two']);
    expect(at.hosts).toEqual(['127.0.0.1']);
    const health = await fetch(`http://127.0.0.1:${at.admin_port}/admin/health`);
    expect(await health.json()).toMatchObject({
      models: [
        { name: 'one', slots: 2, context_tokens: 256 },
        { name: 'two', slots: 2, context_tokens: 256 },
      ],
    });
  });

  test('reads ./hearth.toml, and prints for people where it listens and what to try', async () => {
    using home = new CliHome();
    home.fakeModel();
    home.write(
      'hearth.toml',
      '[server]\nport = 0\nadmin_port = 0\n[models.mine]\npath = "fake.json"\n[paths]\nstate_dir = "s"\n',
    );
    await using cli = home.start(['serve']);
    await cli.untilLine(/^mine is ready after \d+\.\d s: /);
    expect(cli.stdout).toMatch(/^Hearth \d+\.\d+\.\d+ listens on http:\/\/127\.0\.0\.1:\d+/);
    expect(cli.stdout).toMatch(/^Try: {2}curl http.*"model":"mine"/m);
    expect(existsSync(home.path('s'))).toBe(true);
    // Every line of the log is a record of its own.
    for (const line of cli.stderr.trim().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({ level: 'info' });
    }
  });

  test('an unknown model, a bad flag, a bad file, a bad variable: exit non-zero with the reason', async () => {
    using home = new CliHome();
    home.write('bad.toml', '[server]\nport = 1\nprot = 2\n');
    const cases: readonly [readonly string[], Record<string, string>, number, RegExp][] = [
      [
        ['serve', '--config', 'bad.toml'],
        {},
        1,
        /^hearth: bad\.toml:3: unknown key "server\.prot"\. Did you mean "port"\?$/m,
      ],
      [['serve', '--config', 'none.toml'], {}, 1, /^hearth: no file none\.toml/m],
      [
        ['serve', '--port', 'http'],
        {},
        1,
        /^hearth: flag --port: server\.port = "http" is not accepted/m,
      ],
      [['serve', '--host', '0.0.0.0'], {}, 1, /will not listen on 0.0.0.0.* without an API key/],
      [['serve', '--model', '/m/x.bin'], {}, 1, /cannot tell what runs/],
      [['serve'], { MLX_USE_STDIO: '1' }, 1, /^hearth: env MLX_USE_STDIO: .*not built yet/m],
      [
        ['serve'],
        { HEARTH_TIER: '48' },
        1,
        /^hearth: alias HEARTH_TIER: .*Write "auto" or one of/m,
      ],
      [['serve', '--prot', '1'], {}, 2, /unknown option '--prot'/],
      [['serv'], {}, 2, /unknown command 'serv'/],
    ];
    for (const [args, environment, code, message] of cases) {
      const result = await home.run(args, { environment });
      expect(result.stderr).toMatch(message);
      expect(result.code, args.join(' ')).toBe(code);
      expect(result.stdout).toBe('');
    }
  });
});
