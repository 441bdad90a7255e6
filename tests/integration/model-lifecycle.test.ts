/**
 * Models come and go: loaded by a request, unloaded when nobody asks or the operator says so, and no
 * request fails because of it. Rows MX-058, SP-018.
 */
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';

import { CliHome } from '../support/cli.ts';
import { startHearth } from '../support/hearth-process.ts';
import { isAlive, Orchestra, type Setup } from '../support/orchestra.ts';

let orchestra: Orchestra | undefined;

function make(setup?: Setup): Orchestra {
  orchestra = new Orchestra(setup);
  return orchestra;
}

afterEach(async () => {
  const left = await orchestra?.end();
  orchestra = undefined;
  expect(left ?? []).toEqual([]);
});

function stateOf(band: Orchestra, model = 'a'): string {
  return band.orchestrator.models().find(({ name }) => name === model)!.state;
}

describe('a model that is loaded on demand', () => {
  test('has no worker until the first request, which waits for it, and so do those beside it', async () => {
    const band = make({ preload: false, models: { a: {}, b: {} } });
    await band.orchestrator.start();
    await band.until(() => band.count('workerState', ([, state]) => state === 'unloaded') === 2);
    expect(band.pids).toEqual([]);
    const heard = await Promise.all([band.ask('one'), band.ask('two'), band.ask('three')]);
    expect(heard.map(({ text }) => text)).toEqual(['one', 'two', 'three']);
    expect(heard[0]!.events[0]).toMatchObject({ type: 'waiting', why: 'loading' });
    expect(band.pids).toHaveLength(1);
    expect(stateOf(band, 'b')).toBe('unloaded');
  });

  test('is unloaded when nobody has asked for a while, and comes back with the next request', async () => {
    const band = make({ preload: false, keepAliveMs: 100, worker: { heartbeatIntervalMs: 50 } });
    await band.orchestrator.start();
    expect((await band.ask('one')).text).toBe('one');
    await band.until(() => stateOf(band) === 'unloaded');
    await expect.poll(() => band.pids.some(isAlive)).toBe(false);
    expect((await band.ask('two')).text).toBe('two');
    expect(band.pids).toHaveLength(2);
    expect(band.count('workerRestarted')).toBe(0);
  });

  test('stays for as long as its last request says', async () => {
    const band = make({ preload: false, keepAliveMs: 60_000, worker: { heartbeatIntervalMs: 50 } });
    await band.orchestrator.start();
    await band.ask('one', { keepAliveMs: Number.POSITIVE_INFINITY });
    await band.ask('two', { keepAliveMs: 100 });
    await band.until(() => stateOf(band) === 'unloaded');
    await band.ask('three', { keepAliveMs: 0 });
    await band.until(() => stateOf(band) === 'unloaded');
    expect(band.pids).toHaveLength(2);
    await band.ask('four');
    const before = band.count('workerVitals');
    await band.until(() => band.count('workerVitals') > before + 6);
    expect(stateOf(band)).toBe('ready');
  });

  test('is not idle while a request runs, however long', async () => {
    const band = make({ keepAliveMs: 50, worker: { heartbeatIntervalMs: 50 } });
    await band.ready();
    const { error, text } = await band.ask('[[slow:10]][[tokens:60]]x');
    expect(error).toBeUndefined();
    expect(text.length).toBeGreaterThan(30);
    expect(band.pids).toHaveLength(1);
    await band.until(() => stateOf(band) === 'unloaded');
  });
});

describe('the operator', () => {
  test('unloads a model: what runs ends, what comes waits and has it loaded again', async () => {
    const band = await make({ slots: 1 }).ready();
    const running = band.ask('[[slow:10]][[tokens:40]]x');
    await band.until(() => band.count('firstToken') === 1);
    const unloading = band.orchestrator.unload('a');
    expect(stateOf(band)).toBe('draining');
    const waiting = band.ask('after');
    expect((await running).error).toBeUndefined();
    await unloading;
    expect(isAlive(band.pids[0]!)).toBe(false);
    expect((await waiting).text).toBe('after');
    expect(band.pids).toHaveLength(2);
  });

  /** Red while only requests that came afterwards had it loaded again. */
  test('unloads a model with requests that wait: they have it loaded again', async () => {
    const band = await make({ slots: 1 }).ready();
    const asks = [band.ask('[[slow:10]][[tokens:30]]x')];
    await band.until(() => band.count('firstToken') === 1);
    for (const text of ['one', 'two']) asks.push(band.ask(text));
    await band.until(() => band.count('queued') === 3);
    await band.orchestrator.unload('a');
    const heard = await Promise.all(asks);
    expect(heard.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
    expect(heard.slice(1).map(({ text }) => text)).toEqual(['one', 'two']);
    expect(band.pids).toHaveLength(2);
  });

  test('moves what had to be cut before its first token', async () => {
    const band = await make({ slots: 1, worker: { drainTimeoutMs: 50 } }).ready();
    const reading = band.ask('[[prefill:500]]patience');
    await band.until(() => band.count('dequeued') === 1);
    await band.orchestrator.unload('a');
    const { error, text } = await reading;
    expect([error, text]).toEqual([undefined, 'patience']);
    expect(band.pids).toHaveLength(2);
  });

  test('unloads one that is being tried again: the next request is answered', async () => {
    const setup = { models: { a: { abortOnLoad: true, loadMs: 200 } } };
    const band = make({ ...setup, worker: { restartMax: 0, probeAfterMs: 50 } });
    await band.orchestrator.start();
    await band.until(() => stateOf(band) === 'failed');
    await band.until(() => stateOf(band) === 'loading');
    band.write('a', {});
    await band.orchestrator.unload('a');
    expect((await band.ask('well')).text).toBe('well');
  });

  test('is asked again where a worker and a model have one name', async () => {
    const band = await make({ models: { a: {}, 'a-1': {} } }).ready();
    await expect(band.orchestrator.stop('a-1')).rejects.toThrow(
      'A worker and a model are both called "a-1"',
    );
    expect(band.pids.filter(isAlive)).toHaveLength(2);
  });

  test('unloads one that nobody asks for: it stays away', async () => {
    const band = await make().ready();
    expect(await band.orchestrator.unload('a')).toMatchObject({ state: 'unloaded' });
    expect(band.orchestrator.workers()).toEqual([]);
    expect(band.pids.some(isAlive)).toBe(false);
    expect(await band.orchestrator.unload('a')).toMatchObject({ state: 'unloaded' });
    expect(await band.orchestrator.load('a')).toMatchObject({ state: 'ready' });
  });

  test('ends what does not end in time', async () => {
    const band = await make({ worker: { drainTimeoutMs: 50 } }).ready();
    const running = band.ask('[[slow:20]][[tokens:900]]x');
    await band.until(() => band.count('firstToken') === 1);
    expect(await band.orchestrator.unload('a')).toMatchObject({ state: 'unloaded' });
    expect((await running).error?.code).toBe('worker_crashed');
  });

  test('recycles a model: another worker, and no request fails', async () => {
    const band = await make({ slots: 2 }).ready();
    const asks = Array.from({ length: 20 }, (_, index) => band.ask(`[[tokens:9]]${index}`));
    await band.orchestrator.recycle('a');
    const after = band.ask('after');
    expect((await Promise.all([...asks, after])).map(({ error }) => error)).toEqual(
      Array(21).fill(undefined),
    );
    expect(band.pids).toHaveLength(2);
    expect(band.count('workerRestarted')).toBe(0);
  });

  test('stops a worker by id, pid or model; nothing but `load` starts it again', async () => {
    const band = await make().ready();
    for (const by of ['id', 'pid', 'model'] as const) {
      const [worker] = band.orchestrator.workers();
      expect(await band.orchestrator.stop(String(worker![by]))).toMatchObject({ state: 'stopped' });
      expect(isAlive(worker!.pid!)).toBe(false);
      const { error } = await band.ask('x');
      expect([error?.code, error?.retryable]).toEqual(['model_failed', false]);
      expect(error?.message).toContain('stopped by the operator');
      await band.orchestrator.load('a');
      expect((await band.ask('back')).text).toBe('back');
    }
    await expect(band.orchestrator.stop('nobody')).rejects.toMatchObject({
      code: 'worker_not_found',
    });
    await expect(band.orchestrator.unload('nobody')).rejects.toMatchObject({
      code: 'model_not_found',
    });
  });

  test('loads one that has failed, without waiting for its probe', async () => {
    const band = make({ models: { a: { abortOnLoad: true } }, worker: { restartMax: 0 } });
    await band.orchestrator.start();
    await band.until(() => stateOf(band) === 'failed');
    await expect(band.orchestrator.load('a')).rejects.toMatchObject({ code: 'model_failed' });
    band.write('a', {});
    await band.orchestrator.load('a');
    expect((await band.ask('well')).text).toBe('well');
  });

  test('unloads one that has failed: the next request tries it again', async () => {
    const band = make({ models: { a: { failLoad: 'teapot' } } });
    await band.orchestrator.start();
    await band.until(() => stateOf(band) === 'failed');
    expect((await band.ask('x')).error?.message).toContain('teapot');
    band.write('a', {});
    expect(await band.orchestrator.unload('a')).toMatchObject({ state: 'unloaded' });
    expect((await band.ask('well')).text).toBe('well');
  });

  test('stops one that has failed, and it stays stopped', async () => {
    const band = make({ models: { a: { failLoad: 'teapot' }, b: {} } });
    await band.orchestrator.start();
    await band.until(() => stateOf(band) === 'failed' && stateOf(band, 'b') === 'ready');
    // Without a worker there is none to stop; the others are not touched.
    await expect(band.orchestrator.stop('a')).rejects.toMatchObject({ code: 'worker_not_found' });
    expect((await band.ask('b', { model: 'b' })).text).toBe('b');
  });

  test('sees workers with what they do', async () => {
    const band = await make({ worker: { heartbeatIntervalMs: 50 } }).ready();
    await band.ask('x');
    const phase = () => band.orchestrator.workers()[0]?.heartbeat?.phase;
    await band.until(() => phase() === 'idle');
    expect(band.orchestrator.workers()).toMatchObject([
      { id: 'a-1', model: 'a', pid: band.pids[0], state: 'ready', active: 0, served: 1 },
    ]);
  });
});

/** SP-193 … SP-209: a system without file numbers left gets them back, and so does the model. */
test.skipIf(process.platform !== 'linux')(
  'a worker that the system cannot start now is started later, and nothing is held against it',
  async () => {
    const server = await startHearth({ model: {}, args: ['--admin-port', '0'] });
    try {
      expect((await server.modelSettled).event).toBe('ready');
      const limit = (files: string) =>
        execFileSync('prlimit', ['--pid', String(server.child.pid), `--nofile=${files}`]);
      const ask = (text: string) =>
        fetch(`http://127.0.0.1:${server.port}/v1/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: server.model, prompt: text }),
        });
      // Open before there are no numbers left.
      expect((await ask('one')).status).toBe(200);
      const workers = await fetch(`http://127.0.0.1:${server.adminPort}/admin/workers`);
      const { workers: list } = (await workers.json()) as { workers: { pid: number }[] };
      limit('1:');
      process.kill(list[0]!.pid, 'SIGKILL');
      await expect
        .poll(() => server.output(), { timeout: 20_000 })
        .toMatch(/cannot start a process now[\s\S]*cannot start a process now/);
      limit('1024:');
      expect((await ask('two')).status).toBe(200);
    } finally {
      await server.stop();
    }
  },
);

test('the command line does the same on a running server', async () => {
  using home = new CliHome();
  const server = await startHearth({ model: {} });
  try {
    expect((await server.modelSettled).event).toBe('ready');
    const run = async (...args: string[]) => {
      const port = ['--admin-port', String(server.adminPort)];
      const { code, stdout, stderr } = await home.run([...args, ...port]);
      return code === 0 ? stdout.trim() : stderr.trim();
    };
    expect(await run('unload', 'test-model')).toBe('test-model is unloaded');
    expect(await run('load', 'test-model', '--json')).toBe('{"name":"test-model","state":"ready"}');
    expect(await run('recycle', 'test-model')).toBe('test-model is ready');
    expect(await run('stop', 'test-model')).toBe('test-model is stopped');
    expect(await run('stop', 'test-model')).toContain('No worker is "test-model"');
    expect(await run('load', 'nobody')).toContain('"nobody" is not configured');
    expect(await run('recycle', 'nobody')).toContain('No model or worker is "nobody"');
    expect(await run('drain')).toBe('the server is draining');
    expect(await server.exited).toBe(0);
    expect(await run('drain')).toContain(`no server answers on admin port ${server.adminPort}`);
  } finally {
    await server.stop();
  }
});
