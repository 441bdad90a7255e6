/** How worker processes end, and programs that are bad workers. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { VERSION } from '../../src/ipc/version.ts';
import { HEARTBEAT } from '../support/heartbeat.ts';
import { TestWorker } from './worker-process.ts';

const fixture = (name: string) => [
  fileURLToPath(new URL(`../fixtures/workers/${name}.ts`, import.meta.url)),
  'worker',
  '--run-id=r-1',
  '--backend=fake',
];

async function startLoaded(script: object = {}) {
  const worker = new TestWorker();
  await worker.load(script);
  await worker.next('loaded');
  return worker;
}

describe('a worker ends', () => {
  it('with its group, by SIGKILL, when the channel does', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '[[slow:5]][[tokens:100000]]');
    await worker.next('step');
    worker.channel.destroy();
    expect(await worker.exited).toBe('signal SIGKILL');
  });

  it('on SIGTERM after what runs, and not on SIGINT', async () => {
    await using worker = await startLoaded();
    worker.generate(1, 'x [[slow:2]][[tokens:30]]');
    await worker.next('step');
    worker.child.kill('SIGINT');
    worker.child.kill('SIGTERM');
    expect((await worker.answer(1)).ids).toHaveLength(30);
    await worker.next('drained');
    expect(await worker.exited).toBe('code 0');
  });

  it('on shutdown, telling the end of every call', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '[[slow:5]][[tokens:100000]]');
    await worker.next('step');
    worker.channel.send({ type: 'shutdown' });
    expect((await worker.answer(1)).end).toMatchObject({ reason: 'cancelled' });
    expect(await worker.exited).toBe('code 0');
  });

  it('when the orchestrator breaks the protocol, with a log line', async () => {
    await using worker = new TestWorker();
    await worker.next('hello');
    worker.channel.send({
      type: 'load',
      path: '',
      contextTokens: 1,
      slots: 1,
      threads: 1,
      gpu: 'off',
    });
    expect((await worker.next('log')).message).toContain('"load" while the worker is greeting');
    expect(await worker.exited).toBe('code 76');
  });

  it('with 64 and a line on stderr when its arguments are wrong', async () => {
    const main = fileURLToPath(new URL('../../src/worker/main.ts', import.meta.url));
    await using worker = new TestWorker([main, 'worker', '--backend=none', '--run-id=1']);
    let stderr = '';
    worker.child.stderr?.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    expect(await worker.exited).toBe('code 64');
    await worker.closed;
    expect(stderr).toContain('expected: worker --run-id=');
  });

  it('by the command of a prompt, after the tokens that were asked for', async () => {
    await using worker = await startLoaded();
    worker.generate(1, 'x [[die-after:1]][[tokens:50]]');
    await worker.next('step');
    expect(await worker.exited).toBe('signal SIGKILL');
  });

  it('with 70 and a log message on an exception that nobody caught', async () => {
    await using worker = await startLoaded();
    worker.generate(1, 'x [[throw-after:1]][[tokens:5]]');
    expect((await worker.next('log', ({ level }) => level === 'error')).message).toContain(
      'The worker failed: Error: The fake model was told to throw.',
    );
    expect(await worker.exited).toBe('code 70');
  });

  it('once only, for one number of die-once', async () => {
    await using worker = await startLoaded();
    worker.generate(1, 'x [[die-once:1]]');
    expect(await worker.exited).toBe('signal SIGKILL');
    expect(existsSync(`${worker.scriptPath}.died-1`)).toBe(true);
    await using next = new TestWorker();
    await next.next('hello');
    next.channel.send({ type: 'welcome', version: VERSION, heartbeat: HEARTBEAT });
    next.channel.send({
      type: 'load',
      path: worker.scriptPath,
      contextTokens: 100,
      slots: 1,
      threads: 1,
      gpu: 'off',
    });
    await next.next('loaded');
    next.generate(1, 'x [[die-once:1]]');
    expect((await next.answer(1)).end).toMatchObject({ type: 'finished', reason: 'stop' });
  });

  it('by abort while loading', async () => {
    await using worker = new TestWorker();
    await worker.load({ abortOnLoad: true });
    expect(await worker.exited).toBe('signal SIGABRT');
  });

  it('hangs on command: heartbeats go on, the step counter stands still', async () => {
    await using worker = await startLoaded();
    worker.generate(1, 'x [[hang-after:2]][[tokens:50]]');
    const first = await worker.next('heartbeat', ({ stepMs }) => stepMs > 0);
    const later = await worker.next('heartbeat', ({ stepMs }) => stepMs > first.stepMs + 50);
    expect(later).toMatchObject({ steps: first.steps, active: 1, phase: 'decode' });
  });
});

describe('the watchdog', () => {
  it('ends a worker that stands still when its parent is killed', async () => {
    const parent = fileURLToPath(
      new URL('../fixtures/workers/parent-of-frozen.ts', import.meta.url),
    );
    await using orchestrator = new TestWorker([parent, 'worker', '--run-id=p']);
    const { fields } = await orchestrator.next('log', ({ message }) => message === 'frozen');
    const pid = Number(fields?.pid);
    try {
      expect(isRunning(pid)).toBe(true);
      orchestrator.child.kill('SIGKILL');
      await orchestrator.exited;
      await expect.poll(() => isRunning(pid), { timeout: 5_000 }).toBe(false);
    } finally {
      if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    }
  });
});

describe('bad workers', () => {
  it.each([
    ['noise', 'length'],
    ['noise-mid-stream', 'length'],
  ])('%s is a protocol error', async (name, fault) => {
    await using worker = new TestWorker(fixture(name));
    if (name === 'noise-mid-stream') {
      await worker.load();
      await worker.next('loaded');
      worker.generate(1, 'x');
    }
    expect(await worker.closed).toMatchObject({ name: 'ProtocolError', fault });
  });

  it('wrong-version says so in its hello', async () => {
    await using worker = new TestWorker(fixture('wrong-version'));
    expect((await worker.next('hello')).version).toBe(999);
  });

  it('exits-at-start, exits-mid-stream and exits-at-load exit as they should', async () => {
    await using first = new TestWorker(fixture('exits-at-start'));
    expect(await first.exited).toBe('code 3');
    await using second = new TestWorker(fixture('exits-mid-stream'));
    await second.load();
    await second.next('loaded');
    second.generate(1, 'x');
    expect(await second.exited).toBe('code 1');
    expect(second.messages.at(-1)?.type).toBe('step');
    await using third = new TestWorker(fixture('exits-at-load'));
    await third.load();
    expect(await third.exited).toBe('signal SIGABRT');
  });

  it('leaves-grandchild leaves one in its group', async () => {
    await using worker = new TestWorker(fixture('leaves-grandchild'));
    const { fields } = await worker.next('log');
    await worker.load();
    await worker.next('loaded');
    worker.channel.send({ type: 'shutdown' });
    expect(await worker.exited).toBe('code 0');
    expect(isRunning(Number(fields?.pid))).toBe(true);
    // The grandchild does not hold the channel: it has ended with the worker.
    expect(await worker.closed).toBeUndefined();
    process.kill(-worker.child.pid!, 'SIGKILL');
    await expect.poll(() => isRunning(Number(fields?.pid))).toBe(false);
  });

  it('answers-twice does', async () => {
    await using worker = new TestWorker(fixture('answers-twice'));
    await worker.load();
    await worker.next('loaded');
    worker.generate(1, 'x');
    await worker.next('finished');
    const count = () => worker.messages.filter(({ type }) => type === 'finished').length;
    await worker.next('finished', () => count() === 2);
  });

  it('stops-reading fills the channel up to its limit', async () => {
    await using worker = new TestWorker(fixture('stops-reading'));
    await worker.load();
    await worker.next('loaded');
    // Not so large that they would wait beside the channel.
    const text = 'x'.repeat(200 * 1024);
    for (let sent = 0; sent < 320 && worker.channel.isOpen; sent++) worker.generate(sent + 1, text);
    expect(await worker.closed).toMatchObject({ name: 'BacklogError' });
  });

  it('ignores-sigterm has to be killed', async () => {
    await using worker = new TestWorker(fixture('ignores-sigterm'));
    await worker.load();
    await worker.next('loaded');
    worker.child.kill('SIGTERM');
    worker.generate(1, 'x');
    expect((await worker.answer(1)).text).toBe('hi');
  });
});

/** A zombie has ended, where that can be seen: nobody may have asked for its exit code yet. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // ESRCH or ENOENT: it is gone.
    return false;
  }
}
