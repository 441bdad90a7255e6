/**
 * `hearth pull`, `hearth rm` and what a server makes of it: real processes, a hub on loopback. One file, because
 * the cases share the way in which a home, a hub and a server are put together.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SMOLLM2_FILE } from '../../../src/models/smollm2.ts';
import { CliHome, type CliProcess, type Listening } from '../../support/cli.ts';
import { ensurePreset } from '../../support/gguf-writer-presets.ts';
import { COMMIT, type Fault, ggufNoise, LocalHub, TOKEN } from '../../support/hub.ts';
import { realModel } from '../../support/real-model.ts';

const MIB = 2 ** 20;

function environmentOf(home: CliHome, hub: LocalHub | undefined) {
  return {
    HEARTH_MODELS_DIR: home.path('models'),
    HEARTH_STATE_DIR: home.path('state'),
    HF_ENDPOINT: hub?.url ?? 'http://127.0.0.1:9',
  };
}

function eventsOf(stdout: string): readonly (Record<string, unknown> & { event: string })[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const filesIn = (home: CliHome, ...path: readonly string[]) =>
  readdirSync(join(home.path('models'), ...path)).sort();

async function modelsOf({ port }: Listening): Promise<readonly string[]> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/models`);
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

describe('hearth pull', () => {
  test('tells people what it does, and lists and removes what it brought', async () => {
    using home = new CliHome();
    await using hub = await LocalHub.start();
    const environment = environmentOf(home, hub);
    const run = (...args: readonly string[]) => home.run(args, { environment });
    hub.repositories.set('acme/Tiny-GGUF', {
      files: { 'tiny-Q8_0.gguf': ggufNoise(3 * MIB), 'tiny-F16.gguf': ggufNoise(6 * MIB) },
      licence: 'mit',
    });
    const path = join(home.path('models'), 'tiny', 'tiny-Q8_0.gguf');
    const { code, stdout } = await run('pull', 'acme/Tiny-GGUF');
    expect(stdout.split('\n')).toEqual([
      'acme/Tiny-GGUF at aaaaaaaa (mit)',
      'Q8_0, 3 MB: the model is small enough for the finer one; another with :QUANT (F16)',
      `tiny is there: 3 MB in ${path}`,
      'talk to it: hearth chat tiny',
      '',
    ]);
    expect(code).toBe(0);
    const disk = await run('models', '--disk');
    expect(disk.stdout).toMatch(/^tiny +Q8_0 +3 MB +mit +\d{4}-\d\d-\d\d +acme\/Tiny-GGUF$/m);
    expect((await run('models')).stdout).toMatch(/^tiny +llama-cpp +configured /m);
    expect(await run('rm', 'tinny')).toMatchObject({
      code: 1,
      stderr:
        'hearth: no model "tinny" was pulled. Did you mean tiny? "hearth models --disk" lists them.\n',
    });
    expect(await run('rm', 'tiny')).toMatchObject({ code: 0, stdout: 'tiny: removed, 3 MB\n' });
    expect(filesIn(home)).toEqual(['.pull']);
  });

  test('with --json prints events and nothing else, also when it fails', async () => {
    using home = new CliHome();
    await using hub = await LocalHub.start();
    const environment = environmentOf(home, hub);
    hub.repositories.set('acme/m', { files: { 'm-Q8_0.gguf': ggufNoise(MIB) }, isGated: true });
    const refused = await home.run(['pull', 'acme/m', '--json'], { environment });
    expect(refused).toMatchObject({ code: 1, stderr: '' });
    expect(eventsOf(refused.stdout).at(-1)).toMatchObject({ event: 'error', code: 'not_allowed' });
    const { code, stdout, stderr } = await home.run(
      ['pull', 'acme/m', '--json', '--name', 'mine'],
      {
        environment: { ...environment, HF_TOKEN: TOKEN },
      },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const events = eventsOf(stdout);
    // How often progress is told depends on how long it takes.
    expect([...new Set(events.map(({ event }) => event))]).toEqual([
      ...['resolved', 'chosen', 'file', 'progress', 'done'],
    ]);
    expect(events[0]).toMatchObject({ name: 'mine', reference: 'acme/m', revision: COMMIT });
    const [done, progress] = [events.at(-1), events.at(-2)];
    expect(progress).toMatchObject({ bytes: MIB, total_bytes: MIB });
    expect(progress).toHaveProperty('bytes_per_second');
    expect(done).toMatchObject({ name: 'mine', change: 'new', quant: 'Q8_0', bytes: MIB });
    expect(stdout).not.toContain(TOKEN);
  });

  test.each([
    ['../../etc/passwd', 'holds ".."'],
    ['acme/none', 'knows no model acme/none'],
    ['nothing-such', 'is no short name'],
  ])('%s is one line and exit code 1', async (reference, why) => {
    using home = new CliHome();
    await using hub = await LocalHub.start();
    const result = await home.run(['pull', reference], { environment: environmentOf(home, hub) });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(why);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(result.stdout).toBe('');
  });

  test('a variable that cannot be one is named, and a token not shown', async () => {
    using home = new CliHome();
    const run = (environment: Record<string, string>) =>
      home.run(['pull', 'acme/m'], {
        environment: { ...environmentOf(home, undefined), ...environment },
      });
    expect((await run({ HF_ENDPOINT: 'hub' })).stderr).toBe(
      'hearth: HF_ENDPOINT is no address of a hub. Write it as https://huggingface.co.\n',
    );
    expect((await run({ HF_TOKEN: 'hf_ä secret' })).stderr).toBe(
      'hearth: HF_TOKEN holds characters that no token has. Copy it again.\n',
    );
    expect((await run({ HF_HUB_OFFLINE: '1' })).stderr).toContain('HF_HUB_OFFLINE is set');
  });
});

describe('a pull that is ended', () => {
  /** Stalls the store once so many bytes have gone out, until it is let go on. */
  function stallAfter(hub: LocalHub, bytes: number): void {
    hub.fault = ({ place }): Fault | undefined => {
      if (place !== 'store') return undefined;
      const left = bytes - hub.bytesSent;
      return { kind: 'stall', afterBytes: Math.max(1, left) };
    };
  }

  /** Until the bytes that came have been told of twice, so that they have been written and noted. */
  async function untilBytes(pull: CliProcess, bytes: number): Promise<void> {
    const told = new RegExp(`"event":"progress","bytes":${bytes},`);
    await pull.untilText(told);
    await pull.untilText(told);
  }

  async function setUp(
    act: (around: {
      hub: LocalHub;
      home: CliHome;
      content: Buffer;
      start: () => CliProcess;
    }) => Promise<void>,
  ): Promise<void> {
    using home = new CliHome();
    await using hub = await LocalHub.start();
    const content = ggufNoise(24 * MIB);
    hub.repositories.set('acme/m', { files: { 'm-Q8_0.gguf': content } });
    const environment = environmentOf(home, hub);
    const start = () => home.start(['pull', 'acme/m', '--json'], environment);
    await act({ hub, home, content, start });
  }

  test('by kill -9, again and again, goes on where it was: no more than 1.05 is fetched', async () => {
    await setUp(async ({ hub, home, content, start }) => {
      for (let kill = 1; kill <= 8; kill++) {
        // One connection gets so far, and the others nothing.
        let isFirst = true;
        hub.fault = ({ place }) => {
          if (place !== 'store') return undefined;
          const afterBytes = isFirst ? 1_000_000 : 0;
          isFirst = false;
          return { kind: 'stall', afterBytes };
        };
        const pull = start();
        // All that was sent, now and before, is there.
        await untilBytes(pull, kill * 1_000_000);
        pull.kill('SIGKILL');
        await pull.exited;
      }
      hub.fault = () => undefined;
      const last = start();
      expect(await last.exited).toBe(0);
      const path = join(home.path('models'), 'm', 'm-Q8_0.gguf');
      expect(readFileSync(path).equals(content)).toBe(true);
      expect(hub.bytesSent / content.length).toBeLessThanOrEqual(1.05);
      const [file] = eventsOf(last.stdout).filter(({ event }) => event === 'file');
      expect(file?.resumed_bytes).toBe(8_000_000);
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s says how it goes on, with exit code %d', async (signal, code) => {
    await setUp(async ({ hub, home, start }) => {
      stallAfter(hub, 4 * MIB);
      const pull = start();
      await pull.untilLine(/"event":"progress"/);
      pull.kill(signal);
      expect(await pull.exited).toBe(code);
      expect(eventsOf(pull.stdout).at(-1)).toEqual({
        event: 'error',
        code: 'interrupted',
        message: 'stopped; the same command goes on where it was',
      });
      expect(filesIn(home, '.pull', 'm', 'files')).toEqual(['m-Q8_0.gguf']);
      hub.fault = () => undefined;
      expect(await start().exited).toBe(0);
    });
  });

  test('by kill -9 lets the one that waits for it take over', async () => {
    await setUp(async ({ hub, home, content, start }) => {
      stallAfter(hub, 4 * MIB);
      const first = start();
      await first.untilLine(/"event":"progress"/);
      const second = start();
      await second.untilLine(/"event":"waiting"/);
      hub.fault = () => undefined;
      first.kill('SIGKILL');
      expect(await second.exited).toBe(0);
      expect(eventsOf(second.stdout).map(({ event }) => event)).toContain('file');
      const path = join(home.path('models'), 'm', 'm-Q8_0.gguf');
      expect(readFileSync(path).equals(content)).toBe(true);
    });
  });

  test('can be removed', async () => {
    await setUp(async ({ hub, home, start }) => {
      stallAfter(hub, 4 * MIB);
      const pull = start();
      await pull.untilLine(/"event":"progress"/);
      const environment = environmentOf(home, hub);
      expect(await home.run(['rm', 'm'], { environment })).toMatchObject({
        code: 1,
        stderr: 'hearth: m is being pulled just now. Stop that, or wait for it.\n',
      });
      pull.kill('SIGKILL');
      await pull.exited;
      expect((await home.run(['models', '--disk'], { environment })).stdout).toMatch(
        /^m +partial /m,
      );
      expect((await home.run(['rm', 'm'], { environment })).stdout).toMatch(
        /^m: what was fetched of it is removed, /,
      );
      expect(filesIn(home, '.pull')).toEqual(['m.lock']);
    });
  });
});

describe('a running server', () => {
  interface Server {
    readonly home: CliHome;
    readonly hub: LocalHub;
    readonly listening: Listening;
    readonly server: CliProcess;
    readonly run: (...args: readonly string[]) => ReturnType<CliHome['run']>;
  }

  /** Serves `first`, a fake, by its configuration. */
  async function withServer(act: (around: Server) => Promise<void>): Promise<void> {
    using home = new CliHome();
    await using hub = await LocalHub.start();
    const environment = environmentOf(home, hub);
    const fake = home.fakeModel();
    home.write('hearth.toml', `[models.first]\npath = "${fake}"\nbackend = "fake"\n`);
    const tiny = readFileSync(await ensurePreset('tiny'));
    hub.repositories.set('acme/Tiny-GGUF', { files: { 'tiny-F16.gguf': tiny } });
    const args = ['serve', '--json', '--port', '0', '--admin-port', '0'];
    await using server = home.start(args, environment);
    const listening = await server.untilReady();
    const run = (...more: readonly string[]) =>
      home.run([...more, '--admin-port', String(listening.admin_port)], { environment });
    await act({ home, hub, listening, server, run });
  }

  function chat({ port }: Listening, model: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 4 }),
    });
  }

  test('answers with a model as soon as it was pulled, and no longer when it was removed', async () => {
    await withServer(async ({ listening, run }) => {
      const pulled = await run('pull', 'acme/Tiny-GGUF');
      expect(pulled.stdout).toContain('the running server serves it: hearth chat tiny');
      expect(await modelsOf(listening)).toEqual(['first', 'tiny']);
      const answer = await chat(listening, 'tiny');
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ usage: { completion_tokens: 4 } });
      expect(await run('rm', 'tiny')).toMatchObject({ code: 0 });
      expect(await modelsOf(listening)).toEqual(['first']);
      expect((await chat(listening, 'tiny')).status).toBe(404);
    });
  });

  test('never fetches what a request names (MX-056)', async () => {
    await withServer(async ({ hub, listening }) => {
      for (const model of [
        'acme/Tiny-GGUF',
        'hf.co/acme/Tiny-GGUF',
        '../models/x',
        '/etc/passwd',
      ]) {
        const answer = await chat(listening, model);
        expect(answer.status, model).toBe(404);
        await answer.body?.cancel();
      }
      expect(hub.requests).toEqual([]);
    });
  });

  test('pulls by its admin port, with events, and serves what came', async () => {
    await withServer(async ({ listening }) => {
      const pull = (body: object) =>
        fetch(`http://127.0.0.1:${listening.admin_port}/admin/models/pull`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
      const answer = await pull({ model: 'acme/Tiny-GGUF', name: 'mine' });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      const events = [...(await answer.text()).matchAll(/^data: (.*)$/gm)].map(([, data]) => data!);
      expect(events.at(-1)).toBe('[DONE]');
      const names = events.slice(0, -1).map((data) => JSON.parse(data).event);
      expect(names).toEqual(expect.arrayContaining(['resolved', 'chosen', 'done']));
      expect(await modelsOf(listening)).toEqual(['first', 'mine']);

      for (const [body, status, code] of [
        [{ model: '../x' }, 400, 'invalid_value'],
        [{ model: 'acme/Tiny-GGUF', surprise: 1 }, 400, 'unsupported_parameter'],
        [{}, 400, 'missing_required_parameter'],
        [{ model: 'acme/none' }, 422, 'pull_refused'],
      ] as const) {
        const refused = await pull(body);
        expect(refused.status).toBe(status);
        expect(await refused.json()).toMatchObject({ error: { code } });
      }
    });
  });

  test('stops the pull of a client that leaves, and keeps what came', async () => {
    await withServer(async ({ home, hub, listening, run }) => {
      const content = ggufNoise(8 * MIB);
      hub.repositories.set('acme/slow', { files: { 'slow-Q8_0.gguf': content } });
      hub.fault = ({ place }) =>
        place === 'store' ? { kind: 'stall', afterBytes: 1_500_000 } : undefined;
      const leave = new AbortController();
      const answer = await fetch(`http://127.0.0.1:${listening.admin_port}/admin/models/pull`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'acme/slow' }),
        signal: leave.signal,
      });
      const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ''; !text.includes('"event":"progress"'); ) {
        text += (await reader.read()).value ?? '';
      }
      leave.abort();
      await reader.read().catch(() => {});
      hub.fault = () => undefined;
      // It waits for the lock, which the server lets go of.
      const pulled = await run('pull', 'acme/slow', '--json');
      expect(pulled.code).toBe(0);
      const [file] = eventsOf(pulled.stdout).filter(({ event }) => event === 'file');
      expect(file?.resumed_bytes).toBeGreaterThan(0);
      expect(filesIn(home, 'slow')).toEqual(['manifest.json', 'slow-Q8_0.gguf']);
    });
  });

  test('says at its start which pulled models it does not serve, and why', async () => {
    using home = new CliHome();
    await using hub = await LocalHub.start();
    const environment = environmentOf(home, hub);
    hub.repositories.set('acme/first', { files: { 'm-Q8_0.gguf': ggufNoise(MIB) } });
    expect(await home.run(['pull', 'acme/first'], { environment })).toMatchObject({ code: 0 });
    home.write('hearth.toml', `[models.first]\npath = "${home.fakeModel()}"\nbackend = "fake"\n`);
    await using server = home.start(
      ['serve', '--json', '--port', '0', '--admin-port', '0'],
      environment,
    );
    const listening = await server.untilReady();
    expect(await modelsOf(listening)).toEqual(['first']);
    expect(server.stderr).toContain(
      'the pulled model first is not served: another model is called first',
    );
  });
});

const model = realModel();

test('the model that ships inside stays the default beside those that are pulled', async () => {
  using home = new CliHome();
  await using hub = await LocalHub.start();
  const environment = environmentOf(home, hub);
  const tiny = readFileSync(await ensurePreset('tiny'));
  hub.repositories.set('acme/a-model', { files: { 'a-F16.gguf': tiny } });
  const ports = ['--port', '0', '--admin-port', '0'];
  await using server = home.start(['serve', '--json', ...ports], environment);
  const listening = await server.untilReady();
  const admin = ['--admin-port', String(listening.admin_port)];
  expect(await home.run(['pull', 'acme/a-model', ...admin], { environment })).toMatchObject({
    code: 0,
  });
  expect(await modelsOf(listening)).toEqual(['ember', 'a-model']);
  expect(await home.run(['rm', 'a-model', ...admin], { environment })).toMatchObject({
    code: 0,
    stderr: '',
  });
  expect(await modelsOf(listening)).toEqual(['ember']);
});

test.skipIf(model === undefined)('without a hub smollm2 is there as a package', async () => {
  using home = new CliHome();
  mkdirSync(home.path('models'));
  // As the first start has fetched it.
  linkSync(model!, join(home.path('models'), SMOLLM2_FILE));
  const environment = environmentOf(home, undefined);
  const { code, stdout } = await home.run(['pull', 'smollm2'], { environment });
  expect(code).toBe(0);
  expect(stdout).toContain('127.0.0.1:9 cannot be reached; fetching smollm2 as a package');
  expect(filesIn(home, 'smollm2')).toEqual([SMOLLM2_FILE, 'manifest.json']);
});
