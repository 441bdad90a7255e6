/** What can be changed on a server while it runs. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';

import { CliHome, type CliProcess, type Listening } from '../support/cli.ts';
import { type HearthProcess, startHearth } from '../support/hearth-process.ts';

/** What the server has written up to the end of `pattern`, from `start` on. */
async function untilWritten(server: HearthProcess, pattern: RegExp, start = 0): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const look = () => {
    const found = pattern.exec(server.output().slice(start));
    if (found !== null)
      resolve(server.output().slice(start, start + found.index + found[0].length));
  };
  server.child.stderr!.on('data', look);
  look();
  const written = await promise;
  server.child.stderr!.off('data', look);
  return written;
}

test('hearth log level: of all loggers, at once, until the server ends', async () => {
  using home = new CliHome();
  const server = await startHearth({ model: {} });
  const run = async (...args: string[]) => {
    const port = ['--admin-port', String(server.adminPort)];
    const { code, stdout, stderr } = await home.run([...args, ...port]);
    return code === 0 ? stdout.trim() : stderr.trim();
  };
  try {
    expect((await server.modelSettled).event).toBe('ready');
    expect(await run('log', 'level')).toBe('info');
    expect(await run('log', 'level', 'loud')).toMatch(
      /^hearth: `level`: expected "debug", "info", /,
    );
    expect(await run('log', 'level', 'debug', '--json')).toBe('{"level":"debug"}');
    await fetch(`http://127.0.0.1:${server.port}/health`);
    await untilWritten(server, /"level":"debug".*"route":"\/health"/);

    expect(await run('log', 'level', 'none')).toBe('none');
    const start = server.output().length;
    // That of a model is a child of the log, made before.
    expect(await run('unload', 'test-model')).toBe('test-model is unloaded');
    expect(await run('log', 'level', 'info')).toBe('info');
    expect(await untilWritten(server, /"log level set"/, start)).not.toMatch(/test-model|unload/);
    expect(await run('load', 'test-model')).toBe('test-model is ready');
    await untilWritten(server, /"model":"test-model".*"worker started"/, start);
  } finally {
    await server.stop();
  }
});

const SECRET = 'sk-hearth-of-a-test';
const ADMIN = { HEARTH_API_KEY: SECRET };

/** A server with the file `hearth.toml` in a folder of its own. */
class Place implements AsyncDisposable {
  readonly home = new CliHome();
  readonly #servers: CliProcess[] = [];

  constructor() {
    this.home.fakeModel();
  }

  /** Beside what stands in each file: ports, state, one model with one slot. */
  configure(text: string, model = 'slots = 1\nhigh_spare = 0'): void {
    this.home.write(
      'hearth.toml',
      `paths = { state_dir = "state" }\n[models.small]\npath = "fake.json"\n${model}\n${text}`,
    );
  }

  async serve() {
    const cli = this.home.start(['serve', '--port', '0', '--admin-port', '0', '--json']);
    this.#servers.push(cli);
    return { cli, at: await cli.untilReady() };
  }

  run(at: Listening, ...args: string[]) {
    const port = ['--admin-port', String(at.admin_port)];
    return this.home.run([...args, ...port], { environment: ADMIN });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server[Symbol.asyncDispose]();
    this.home[Symbol.dispose]();
  }
}

function key(name: string, more = ''): string {
  const sha256 = createHash('sha256').update(SECRET).digest('hex');
  return `[[keys]]\nname = "${name}"\nsha256 = "${sha256}"\n${more}\n`;
}

function ask({ url }: Listening, content: string, secret?: string): Promise<Response> {
  return fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
    },
    body: JSON.stringify({
      model: 'small',
      messages: [{ role: 'user', content }],
      stream: content.includes('[['),
    }),
  });
}

/** Requests of the class normal that wait for the one model. */
async function waitingAt(queue: string): Promise<number> {
  const { models } = (await (await fetch(queue)).json()) as {
    models: { waiting: { normal: number } }[];
  };
  return models[0]!.waiting.normal;
}

// Fault 28
describe('SIGHUP', () => {
  test('applies keys, limits and the level; what runs goes on, what waits is measured anew', async () => {
    await using place = new Place();
    place.configure('');
    const { cli, at } = await place.serve();
    const running = await ask(at, '[[slow:60]] [[tokens:40]]');
    const answer = running.body!.getReader();
    const first = await answer.read();
    const waiting = ask(at, 'too late');
    const queue = `http://127.0.0.1:${at.admin_port}/admin/queue`;
    while ((await waitingAt(queue)) < 1);

    place.configure(
      `[server]\nport = 1\n[limits]\nqueue_depth_max = 7\nqueue_timeout_normal_s = 0.001
      [log]\nlevel = "debug"\n${key('laptop', 'admin = true\nrequests_per_minute = 1')}`,
      'slots = 2\nhigh_spare = 0',
    );
    process.kill(at.pid, 'SIGHUP');
    const applied = await cli.untilErrorLine(/configuration read again/);
    expect(JSON.parse(applied)).toMatchObject({
      level: 'info',
      applied: ['keys', 'limits.queue_depth_max', 'limits.queue_timeout_normal_s', 'log.level'],
    });
    // The flags hold, so the port of the file is no change.
    expect(cli.stderr).not.toContain('settings changed that need a restart');
    const models = await cli.untilErrorLine(/models changed/);
    expect(JSON.parse(models)).toMatchObject({ added: [], removed: [], changed: ['small'] });

    expect((await waiting).status).toBe(408);
    expect((await ask(at, 'hi')).status).toBe(401);
    const headers = { authorization: `Bearer ${SECRET}` };
    expect(await (await fetch(queue, { headers })).json()).toMatchObject({ depth_max: 7 });
    let text = '';
    const decoder = new TextDecoder();
    for (let next = first; !next.done; next = await answer.read()) {
      text += decoder.decode(next.value, { stream: true });
    }
    expect(text).toContain('data: [DONE]');
    expect((await ask(at, 'hi', SECRET)).status).toBe(200);
    expect((await ask(at, 'hi', SECRET)).status).toBe(429);
    await fetch(at.url.replace('/v1', '/health'));
    await cli.untilErrorLine(/"level":"debug".*"route":"\/health"/);
  });

  test('with an error in the file changes nothing, and says what a start would', async () => {
    await using place = new Place();
    place.configure(key('laptop', 'admin = true'));
    const { cli, at } = await place.serve();
    place.configure('[limits]\nqueue_depth_max = 7\n[log]\nlevel = "loud"');
    process.kill(at.pid, 'SIGHUP');
    const line = await cli.untilErrorLine(/configuration not read again/);
    const start = await place.home.run(['serve', '--port', '0', '--admin-port', '0']);
    const { level, reason } = JSON.parse(line) as { level: string; reason: string };
    expect([level, start.code, start.stderr]).toEqual(['error', 1, `hearth: ${reason}\n`]);
    expect((await ask(at, 'hi')).status).toBe(401);
    expect((await ask(at, 'hi', SECRET)).status).toBe(200);
  });
});

describe('hearth reload', () => {
  test('does the same, and says what needs a restart', async () => {
    await using place = new Place();
    place.configure(key('laptop', 'admin = true'));
    const { at } = await place.serve();
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await place.run(at, 'reload', ...args);
      return { code, text: stdout + stderr };
    };
    expect(await run()).toEqual({ code: 0, text: 'nothing has changed\n' });

    const limits = '[limits]\nbody_max_bytes = 2000\n[worker]\nrestart_max = 1\n';
    const more = '[models.more]\npath = "fake.json"\n';
    place.configure(`${limits}${more}${key('laptop', 'admin = true')}`);
    expect(await run()).toEqual({
      code: 0,
      text: 'applied: limits.body_max_bytes\nneeds a restart: worker.restart_max\nmodels: added more\n',
    });
    expect((await ask(at, 'x'.repeat(3000), SECRET)).status).toBe(413);

    place.configure(
      `${limits}${more}[rate_limit]\nenabled = true\nrequests_per_minute = 2\n${key('renamed', 'admin = true')}`,
    );
    const { text } = await run('--json');
    expect(JSON.parse(text)).toEqual({
      applied: ['keys', 'rate_limit.enabled', 'rate_limit.requests_per_minute'],
      refused: ['worker.restart_max'],
      models: { added: [], removed: [], changed: [] },
    });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask(at, 'hi', SECRET)).status);
    expect(statuses).toEqual([200, 200, 429]);

    place.home.write('hearth.toml', '[limits]\nqueue_depth_max = 0\n');
    const bad = await place.home.run(['config', 'check']);
    const where = ['--config', place.home.write('good.toml', '')];
    const failed = await run(...where);
    expect(failed).toEqual({ code: 1, text: bad.stderr });
    expect((await ask(at, 'x'.repeat(3000), SECRET)).status).toBe(413);
  });

  test('refuses keys that a start would refuse', async () => {
    await using place = new Place();
    place.configure('');
    const { at } = await place.serve();
    const added = await place.home.run(['key', 'add', 'laptop', '--admin']);
    place.configure(`[limits]\nbody_max_bytes = 2000\n${key('laptop', 'admin = true')}`);
    const port = ['--admin-port', String(at.admin_port)];
    const environment = { HEARTH_API_KEY: added.stdout.trim() };
    const { code, stderr } = await place.home.run(['reload', ...port], { environment });
    expect(code).toBe(1);
    expect(stderr).toContain('the API key "laptop" is in the configuration and in');
    const large = await ask(at, 'x'.repeat(3000), added.stdout.trim());
    expect(large.status).toBe(200);
  });
});
