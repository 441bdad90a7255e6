import { utimesSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';

import { VERSION } from '../../src/ipc/version.ts';
import { isAlive, Orchestra, type Setup } from '../support/orchestra.ts';

let orchestra: Orchestra | undefined;

function make(setup?: Setup): Orchestra {
  orchestra = new Orchestra(setup);
  return orchestra;
}

function start(setup?: Setup): Promise<Orchestra> {
  return make(setup).ready();
}

afterEach(async () => {
  const left = await orchestra?.end();
  orchestra = undefined;
  expect(left ?? []).toEqual([]);
});

/** Long enough not to end before its worker is killed; short enough not to hold up a failing test. */
const STREAM = '[[slow:20]][[tokens:900]]x';

describe('a worker that dies', () => {
  test('while it streams: exactly that error, and the restarted worker serves who waits', async () => {
    const band = await start({ slots: 1 });
    const streaming = band.ask(STREAM);
    await band.until(() => band.count('tokenGap') > 2);
    const waiting = [band.ask('two'), band.ask('three')];
    process.kill(band.pids[0]!, 'SIGKILL');
    const { error, text, events } = await streaming;
    expect(error?.code).toBe('worker_crashed');
    expect(error?.message).toContain('was ended by SIGKILL');
    expect(text).not.toBe('');
    expect(events.some(({ type }) => type === 'done')).toBe(false);
    expect((await Promise.all(waiting)).map((heard) => heard.text)).toEqual(['two', 'three']);
    expect(band.pids).toHaveLength(2);
    expect(band.count('workerRestarted')).toBe(1);
    expect(band.count('ended')).toBe(3);
    expect(band.count('queued')).toBe(band.count('dequeued'));
  });

  test('before the first token: the request is answered once, by the next worker', async () => {
    const band = await start({ slots: 2 });
    const heard = await band.ask('[[die-once:1]]hello again');
    expect(heard.error).toBeUndefined();
    expect(heard.text).toBe('hello again');
    expect(heard.events.filter(({ type }) => type === 'started')).toHaveLength(1);
    expect(heard.events.filter(({ type }) => type === 'done')).toHaveLength(1);
    expect(band.pids).toHaveLength(2);
  });

  test('with the same request twice: it is poison, the others are served', async () => {
    const band = await start({ slots: 1 });
    const poison = band.ask('[[die]]x');
    const other = band.ask('fine');
    const { error } = await poison;
    expect(error?.code).toBe('worker_crashed');
    expect(error?.message).toContain('Two workers died with this request');
    expect((await other).text).toBe('fine');
    expect(band.pids).toHaveLength(3);
    // Sent again it reaches no worker.
    const again = await band.ask('[[die]]x');
    expect(again.error?.message).toMatch(/died with this very prompt; it is refused for \d+ s/);
    expect(again.error?.retryable).toBe(false);
    expect((await band.ask('[[tokens:1]]x')).error).toBeUndefined();
    expect(band.pids).toHaveLength(3);
  });

  test('again and again after its first token: a client that tries again kills two, not all', async () => {
    const band = await start({ slots: 1 });
    const first = await band.ask('[[die-after:2]][[tokens:9]]x');
    expect(first.error?.message).toContain('was ended by');
    const second = await band.ask('[[die-after:2]][[tokens:9]]x');
    expect(second.error?.message).toContain('Two workers died with this request');
    const third = await band.ask('[[die-after:2]][[tokens:9]]x');
    expect(third.error?.message).toContain('it is refused for');
    await band.until(() => band.orchestrator.models()[0]!.state === 'ready');
    expect(band.pids).toHaveLength(3);
  });

  test('again and again while serving: the model fails, and says so at once', async () => {
    const band = await start({ slots: 1, worker: { restartMax: 2 } });
    for (let death = 0; death < 3; death++) {
      const { error } = await band.ask(`[[die-after:2]][[tokens:9]]${death}`);
      expect(error?.code).toBe('worker_crashed');
    }
    await band.until(() => band.orchestrator.models()[0]!.state === 'failed');
    const { error } = await band.ask('x');
    expect(error?.code).toBe('model_failed');
    // By then it is tried again.
    const { retryAfterMs } = error!.toJSON() as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(band.pids).toHaveLength(3);
  });

  test('too often, and is well again: one worker is tried, and opens the model when it has loaded', async () => {
    const setup = { models: { a: { abortOnLoad: true } } };
    const band = make({ ...setup, worker: { restartMax: 1, probeAfterMs: 300 } });
    await band.orchestrator.start();
    await band.until(() => band.count('workerState', ([, state]) => state === 'failed') === 1);
    expect(band.pids).toHaveLength(2);
    // The first probe finds it as it was: one worker, no more.
    await band.until(() => band.count('workerState', ([, state]) => state === 'failed') === 2);
    expect(band.pids).toHaveLength(3);
    const { error } = await band.ask('x');
    expect([error?.code, error?.retryable]).toEqual(['model_failed', true]);
    band.write('a', {});
    await band.until(() => band.orchestrator.models()[0]!.state === 'ready');
    expect(band.orchestrator.models()[0]!.reason).toBeUndefined();
    expect((await band.ask('well again')).text).toBe('well again');
  });

  test.each([
    ['at start', 'exits-at-start', /The worker of a exited with code/],
    ['at load', 'exits-at-load', /The worker of a was ended by SIGABRT/],
  ])('%s: tried as often as allowed, then failed with the reason', async (_when, fixture, why) => {
    const band = make({ fixture, worker: { restartMax: 1 } });
    await band.orchestrator.start();
    const asked = band.ask('x');
    expect((await asked).error?.code).toBe('model_failed');
    expect((await asked).error?.message).toMatch(why);
    expect(band.orchestrator.models()[0]).toMatchObject({ state: 'failed' });
    expect(band.orchestrator.models()[0]!.reason).toMatch(why);
    expect(band.pids).toHaveLength(2);
  });

  test('in a native abort while loading counts as a load that failed', async () => {
    const band = make({ models: { a: { abortOnLoad: true } }, worker: { restartMax: 1 } });
    await band.orchestrator.start();
    const { error } = await band.ask('x');
    expect(error?.code).toBe('model_failed');
    expect(error?.message).toContain('was ended by SIGABRT');
    expect(band.pids).toHaveLength(2);
  });

  test('because it has no memory left: that is the reason that is told', async () => {
    const band = await start({ worker: { nodeArgs: ['--max-old-space-size=32'] } });
    const { error } = await band.ask('y '.repeat(7_000_000));
    expect(error?.code).toBe('worker_crashed');
    expect(error?.message).toMatch(/was ended by SIG\w+: out of memory/);
    expect((await band.ask('x')).text).toBe('x');
    expect(band.pids).toHaveLength(3);
  });

  test('and leaves a grandchild that holds its pipes: that is gone too', async () => {
    const band = await start({ fixture: 'leaves-grandchild' });
    const grandchild = band.lines.find(({ message }) => message === 'grandchild')!.fields.pid;
    process.kill(band.pids[0]!, 'SIGKILL');
    await band.until(() => band.pids.length === 2);
    await expect.poll(() => isAlive(grandchild as number)).toBe(false);
  });
});

describe('a model that cannot be loaded', () => {
  test('is failed with the reason that its worker gave, and not tried again', async () => {
    const band = make({ models: { a: { failLoad: 'the file is a teapot' }, b: {} } });
    await band.orchestrator.start();
    const { error } = await band.ask('x');
    expect(error?.code).toBe('model_failed');
    expect(error?.message).toContain('the file is a teapot');
    expect(band.pids).toHaveLength(2);
    expect((await band.ask('b lives', { model: 'b' })).text).toBe('b lives');
  });

  test('comes back by itself when its file is mended', async () => {
    const band = make({ models: { a: { failLoad: 'broken' } } });
    await band.orchestrator.start();
    expect((await band.ask('x')).error?.code).toBe('model_failed');
    band.write('a', {});
    utimesSync(band.path('a'), 1, 1);
    await band.until(() => band.orchestrator.models()[0]!.state === 'ready');
    expect((await band.ask('mended')).text).toBe('mended');
  });

  test('is not waited for longer than allowed', async () => {
    const worker = { loadTimeoutMs: 100, restartMax: 0 };
    const band = make({ models: { a: { loadMs: 60_000 } }, worker });
    await band.orchestrator.start();
    const { error } = await band.ask('x');
    expect(error?.code).toBe('model_failed');
    expect(error?.message).toContain('did not load the model within 100 ms');
  });
});

describe('a worker that does not speak the protocol', () => {
  test('never says hello: failed in bounded time', async () => {
    const worker = { startTimeoutMs: 300, restartMax: 0 };
    const band = make({ fixture: 'never-says-hello', worker });
    await band.orchestrator.start();
    const { error } = await band.ask('x');
    expect(error?.code).toBe('model_failed');
    expect(error?.message).toContain('said no hello within 300 ms');
  });

  test('has another version: failed at once, naming both', async () => {
    const band = make({ fixture: 'wrong-version' });
    await band.orchestrator.start();
    const { error } = await band.ask('x');
    expect(error?.code).toBe('model_failed');
    const versions = `speaks version 999 of the protocol and the server version ${VERSION}`;
    expect(error?.message).toContain(versions);
    expect(band.pids).toHaveLength(1);
  });

  test('sends noise at start: killed, and failed after its restarts', async () => {
    const band = make({ fixture: 'noise', worker: { restartMax: 1 } });
    await band.orchestrator.start();
    const { error } = await band.ask('x');
    expect(error?.code).toBe('model_failed');
    expect(error?.message).toContain('broke the protocol');
    const codes = band.seen.flatMap(([name, , code]) => (name === 'workerRestarted' ? [code] : []));
    expect(codes).toEqual(['worker_protocol']);
  });

  test('answers what it was not asked: failed, and not waited for without a deadline', async () => {
    const band = make({ fixture: 'estimates-unasked', worker: { restartMax: 0 } });
    await band.orchestrator.start();
    const { error } = await band.ask('x');
    expect(error?.code).toBe('model_failed');
    expect(error?.message).toContain('said estimated where it was not asked');
  });

  test('sends noise in a stream: that stream fails with worker_protocol', async () => {
    const band = await start({ fixture: 'noise-mid-stream', worker: { restartMax: 1 } });
    const { error, text } = await band.ask('x');
    expect(error?.code).toBe('worker_protocol');
    expect(text).toBe('hi');
  });

  test('exits in a stream: that stream fails with worker_crashed', async () => {
    const band = await start({ fixture: 'exits-mid-stream' });
    const { error, text } = await band.ask('x');
    expect(error?.code).toBe('worker_crashed');
    expect(text).toBe('hi');
  });

  test('answers twice: the second is logged, and nobody hears it', async () => {
    const band = await start({ fixture: 'answers-twice' });
    const { text, events } = await band.ask('x');
    expect(text).toBe('hi');
    expect(events.filter(({ type }) => type === 'done')).toHaveLength(1);
    await band.until(() => band.lines.some(({ message }) => message.includes('that is over')));
    expect((await band.ask('x')).text).toBe('hi');
    expect(band.pids).toHaveLength(1);
  });
});

describe('a worker that hangs', () => {
  const worker = { heartbeatIntervalMs: 50, heartbeatMisses: 20, restartMax: 5 };

  test('stopped from outside: killed after its missed heartbeats, the request tried again', async () => {
    const band = await start({ slots: 1, worker });
    const first = band.ask('[[prefill:60000]]x');
    await band.until(() => band.count('dequeued') === 1);
    process.kill(band.pids[0]!, 'SIGSTOP');
    await band.until(() => band.pids.length === 2);
    expect(isAlive(band.pids[0]!)).toBe(false);
    expect(band.lines.some(({ message }) => message.includes('no sign of life'))).toBe(true);
    await band.until(() => band.count('dequeued') === 2);
    process.kill(band.pids[1]!, 'SIGSTOP');
    expect((await first).error?.code).toBe('worker_hung');
  });

  test('in its loop, with heartbeats: killed by the step clock', async () => {
    const limits = { ...worker, heartbeatMisses: 100, stepFloorMs: 300 };
    const band = await start({ slots: 2, worker: limits });
    const { error, text } = await band.ask('[[hang-after:3]][[tokens:9]]x');
    expect(error?.code).toBe('worker_hung');
    expect(error?.message).toContain('no step for');
    expect(text).not.toBe('');
    expect((await band.ask('again')).text).toBe('again');
  });

  test('and never produces a token: tried once more, then failed', async () => {
    const limits = { ...worker, heartbeatMisses: 100, stepFloorMs: 50 };
    const band = await start({ fixture: 'never-answers', worker: limits });
    const { error } = await band.ask('x');
    expect(error?.code).toBe('worker_hung');
    expect(band.pids.length).toBeGreaterThanOrEqual(2);
  });

  test('and does not read: a request to it ends all the same', async () => {
    const limits = { ...worker, heartbeatMisses: 100, stepFloorMs: 50, restartMax: 0 };
    const band = await start({ fixture: 'stops-reading', worker: limits });
    const { error } = await band.ask('x'.repeat(1_000_000));
    expect(['worker_hung', 'model_failed']).toContain(error?.code);
  });
});

test('time in which the server itself did not run counts for no worker', async () => {
  const worker = { heartbeatIntervalMs: 50, heartbeatMisses: 10 };
  const band = await start({ worker });
  const asked = band.ask('[[slow:20]][[tokens:40]]x');
  await band.until(() => band.count('firstToken') === 1);
  // As a debugger, SIGSTOP or a closed lid would: the worker goes on, or sleeps too.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  expect((await asked).error).toBeUndefined();
  expect(band.pids).toHaveLength(1);
});

describe('stopping', () => {
  test('close lets what runs and waits finish, and takes nothing new', async () => {
    const band = await start({ slots: 1 });
    const asked = ['one', 'two', 'three'].map((text) => band.ask(`[[slow:10]][[tokens:9]]${text}`));
    await band.until(() => band.count('firstToken') === 1);
    const closed = band.orchestrator.close();
    expect(band.orchestrator.close()).toBe(closed);
    expect(band.orchestrator.models()[0]!.state).toBe('draining');
    expect((await band.ask('late')).error?.code).toBe('draining');
    for (const { error } of await Promise.all(asked)) expect(error).toBeUndefined();
    await closed;
    expect(band.pids.filter(isAlive)).toEqual([]);
    expect(band.orchestrator.models()[0]!.state).toBe('stopped');
    expect(band.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('close ends at its deadline what does not end by itself', async () => {
    const band = await start({ slots: 1, worker: { drainTimeoutMs: 100 } });
    const running = band.ask(STREAM);
    const waiting = band.ask('never');
    await band.until(() => band.count('firstToken') === 1);
    await band.orchestrator.close();
    expect((await running).error?.code).toBe('draining');
    expect((await waiting).error?.code).toBe('draining');
    expect(band.pids.filter(isAlive)).toEqual([]);
  });

  test('destroy ends everything at once, also a close that is under way', async () => {
    const band = await start({ slots: 1 });
    const running = band.ask(STREAM);
    await band.until(() => band.count('firstToken') === 1);
    const closing = band.orchestrator.close();
    await band.orchestrator.destroy(new Error('asked twice'));
    await closing;
    expect((await running).error?.code).toBe('draining');
    expect(band.pids.filter(isAlive)).toEqual([]);
  });

  test('a worker that ignores shutdown and SIGTERM is killed', async () => {
    const band = await start({ fixture: 'ignores-sigterm', worker: { killTimeoutMs: 200 } });
    await band.orchestrator.close();
    expect(band.pids.filter(isAlive)).toEqual([]);
  });

  test('while it loads, and before it was started', async () => {
    const loading = make({ models: { a: { loadMs: 60_000 } }, worker: { drainTimeoutMs: 100 } });
    await loading.orchestrator.start();
    const asked = loading.ask('x');
    await loading.orchestrator.close();
    expect((await asked).error?.code).toBe('draining');
    expect(loading.pids.filter(isAlive)).toEqual([]);

    const unborn = new Orchestra();
    await unborn.orchestrator.close();
    await unborn.orchestrator.start();
    expect(await unborn.end()).toEqual([]);
    expect(unborn.pids).toEqual([]);
  });

  test('in the middle of restarts leaves nothing behind', async () => {
    const band = make({ fixture: 'exits-at-start', worker: { restartMax: 50 } });
    await band.orchestrator.start();
    await band.until(() => band.pids.length >= 3);
    await band.orchestrator.close();
    const started = band.pids.length;
    await new Promise((resolve) => setImmediate(resolve));
    expect(band.pids).toHaveLength(started);
    expect(band.pids.filter(isAlive)).toEqual([]);
  });
});

test('killed again and again under load: each request ends once, and its text is its own', async () => {
  const band = await start({ slots: 4, worker: { restartMax: 100 } });
  let asked = 0;
  const client = async (name: number) => {
    for (let round = 0; round < 6; round++) {
      const nonce = `n${name}r${round}`;
      asked += 1;
      const { text, error, events } = await band.ask(`[[slow:3]][[tokens:30]]${nonce}`);
      const echoed = new Set(text.split(' ').filter((word) => /^n\d+r\d+$/.test(word)));
      for (const word of echoed) expect(word).toBe(nonce);
      if (error === undefined) expect(events.at(-1)?.type).toBe('done');
      else expect(error.code).toBe('worker_crashed');
    }
  };
  const clients = Promise.all(Array.from({ length: 8 }, (_, name) => client(name)));
  for (let kill = 0; kill < 5; kill++) {
    const tokens = band.count('tokenGap');
    await band.until(() => band.count('tokenGap') > tokens + 20 || band.count('ended') === 48);
    const pid = band.pids.at(-1)!;
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
  await clients;
  expect(band.count('ended')).toBe(asked);
  expect(band.count('queued')).toBe(band.count('dequeued'));
  expect((await band.ask('calm')).text).toBe('calm');
});
