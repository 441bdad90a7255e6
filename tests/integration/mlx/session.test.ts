/**
 * The conversation of the worker that is written in Python, as a real process. Its engine is scripted
 * (`tests/mlx/scripted_worker.py` says what prompts can ask of it), so that no library is needed.
 *
 * Long, because it asks of one conversation all that `worker-ends`, `worker-fake` and `worker-payloads` ask of the Node
 * worker, with the same helpers.
 */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { ChannelOptions } from '../../../src/ipc/channel.ts';
import { encodeBinaryFrame, encodeFrame } from '../../../src/ipc/codec.ts';
import type { Fallback } from '../../../src/ipc/outbox.ts';
import type { LoadMessage } from '../../../src/ipc/protocol.ts';
import { VERSION } from '../../../src/ipc/version.ts';
import { ArenaFile } from '../../support/arena-file.ts';
import { HEARTBEAT } from '../../support/heartbeat.ts';
import { plainPython } from '../../support/plain-python.ts';
import { generateMessage } from '../../unit/worker/generate-message.ts';
import { TestWorker } from '../worker-process.ts';

const MIB = 1024 * 1024;
const scripted = fileURLToPath(new URL('../../mlx/scripted_worker.py', import.meta.url));
const python = plainPython('mlx/session.test.ts');
const welcome = { type: 'welcome', version: VERSION, heartbeat: HEARTBEAT } as const;
const load: LoadMessage = {
  type: 'load',
  path: '',
  contextTokens: 4096,
  slots: 4,
  threads: 2,
  gpu: 'off',
};
/** Before the `#` that the commands follow: read by nobody. */
const filler = (bytes: number) => `${'x'.repeat(bytes)}#`;

function start({ runId = 'r-1', ...options }: ChannelOptions & { runId?: string } = {}) {
  const command = [scripted, 'worker', `--run-id=${runId}`, '--backend=mlx'];
  return new TestWorker(command, { program: python!, ...options });
}

async function startGreeted(options?: ChannelOptions) {
  const worker = start(options);
  await worker.next('hello');
  worker.channel.send(welcome);
  return worker;
}

async function startLoaded(options?: ChannelOptions) {
  const worker = await startGreeted(options);
  worker.channel.send(load);
  await worker.next('loaded');
  return worker;
}

/** After as many heartbeats as there may be before what was asked for earlier must have shown. */
async function beats(worker: TestWorker, wanted: number): Promise<void> {
  const count = () => worker.messages.filter(({ type }) => type === 'heartbeat').length;
  const before = count();
  await worker.next('heartbeat', () => count() >= before + wanted);
}

function tokensOf(worker: TestWorker, call: number): number[] {
  return worker.messages
    .flatMap((message) => (message.type === 'step' ? message.sequences : []))
    .filter((sequence) => sequence.call === call)
    .flatMap(({ ids }) => ids);
}

describe.skipIf(!python)('a worker in Python', () => {
  it('says hello, estimates, loads with progress, answers, drains and exits with 0', async () => {
    await using worker = start();
    expect(await worker.next('hello')).toMatchObject({
      version: VERSION,
      runId: 'r-1',
      backend: 'mlx',
      build: expect.stringMatching(/^(mlx \S+(, mlx-lm \S+)?)?$/),
      pid: worker.child.pid,
    });
    worker.channel.send(welcome);
    worker.channel.send({ ...load, type: 'estimate' });
    expect(await worker.next('estimated')).toEqual({ type: 'estimated', needBytes: 4711 });
    worker.channel.send(load);
    expect(await worker.next('load_progress')).toMatchObject({ fraction: 0.5 });
    expect(await worker.next('loaded')).toMatchObject({
      contextTokens: 4096,
      slots: 4,
      loadMs: { file: 1.5 },
      facts: { architecture: 'scripted', chat: true },
    });
    worker.generate(1, 'hello#tokens:3', { echo: true });
    expect(await worker.answer(1)).toMatchObject({
      text: '1 2 3 ',
      ids: [1, 2, 3],
      end: { type: 'finished', reason: 'stop', promptTokens: 14, generatedTokens: 3 },
    });
    expect(await worker.next('accepted')).toMatchObject({ promptText: 'hello#tokens:3' });
    worker.channel.send({ type: 'drain' });
    await worker.next('drained');
    worker.generate(2, 'late');
    expect((await worker.answer(2)).end).toMatchObject({ error: { code: 'draining' } });
    worker.channel.send({ type: 'shutdown' });
    expect(await worker.exited).toBe('code 0');
    expect(await worker.closed).toBeUndefined();
  });

  it('holds its channel close-on-exec, so that no grandchild keeps it open', async (context) => {
    if (process.platform !== 'linux') context.skip('reads /proc, which only Linux has');
    await using worker = start();
    await worker.next('hello');
    const info = readFileSync(`/proc/${worker.child.pid}/fdinfo/3`, 'utf8');
    const flags = Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? '', 8);
    expect(flags & 0o2000000).toBe(0o2000000);
  });

  it('sends heartbeats from welcome on, also while it loads and while a step computes', async () => {
    await using worker = await startGreeted();
    await beats(worker, 1);
    worker.channel.send({ ...load, path: 'sleep:500' });
    const phases = () =>
      worker.messages.flatMap((message) => (message.type === 'heartbeat' ? [message.phase] : []));
    await worker.next('loaded');
    expect(phases()[0]).toBe('starting');
    expect(phases().filter((phase) => phase === 'loading').length).toBeGreaterThan(5);
    for (const [call, work] of ['sleep', 'spin'].entries()) {
      const before = phases().length;
      worker.generate(call + 1, `#tokens:1 ${work}:1000`);
      await worker.answer(call + 1);
      // Each 20 ms, and the machine may be busy.
      expect(phases().slice(before).length).toBeGreaterThan(5);
    }
    expect(
      await worker.next('heartbeat', ({ phase, steps }) => phase === 'idle' && steps === 2),
    ).toMatchObject({
      stepMs: 0.5,
      threads: 2,
      rssBytes: expect.toSatisfy((bytes: number) => bytes > MIB),
    });
  });

  it('sends the first token at once and gathers later ones', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#tokens:200 sleep:1');
    const { ids, frames } = await worker.answer(1);
    expect(ids).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    expect(frames).toBeLessThan(100);
    const first = worker.messages.find((message) => message.type === 'step');
    expect(first).toMatchObject({ sequences: [{ call: 1, ids: [1] }] });
  });

  it('runs calls side by side, pauses without credit and goes on with it', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#tokens:40', { creditTokens: 10 });
    worker.generate(2, '#tokens:20 sleep:1');
    expect((await worker.answer(2)).ids).toHaveLength(20);
    await beats(worker, 3);
    expect(tokensOf(worker, 1)).toHaveLength(10);
    worker.channel.send({ type: 'credit', call: 1, tokens: 100 });
    expect((await worker.answer(1)).ids).toHaveLength(40);
  });

  it('cancels a call, and ignores what crosses the end of one', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#tokens:100000 sleep:1');
    await worker.next('step');
    worker.channel.send({ type: 'cancel', call: 1 });
    expect((await worker.answer(1)).end).toMatchObject({ type: 'finished', reason: 'cancelled' });
    worker.channel.send({ type: 'cancel', call: 1 });
    worker.channel.send({ type: 'credit', call: 1, tokens: 5 });
    worker.channel.send({ type: 'threads', threads: 7 });
    await worker.next('heartbeat', ({ threads }) => threads === 7);
    worker.generate(2, 'still there');
    expect((await worker.answer(2)).end).toMatchObject({ reason: 'stop' });
  });

  it('tells what is wrong with a call, and drops what is said of others', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#fail');
    expect((await worker.answer(1)).end).toEqual({
      type: 'failed',
      call: 1,
      error: {
        code: 'invalid_value',
        message: 'It was told to fail.',
        param: 'prompt',
        detail: { limit: 3 },
      },
    });
    worker.generate(2, '#stray tokens:2');
    expect((await worker.answer(2)).text).toBe('1 2 ');
    expect(await worker.next('log', ({ level }) => level === 'error')).toMatchObject({
      message: expect.stringContaining('"tokens" for a call that is not running'),
      fields: { call: 999 },
    });
    expect(tokensOf(worker, 999)).toEqual([]);
  });

  it.each([
    ['refuse', 'load', 'It was told to be refused.', /^the end of a log\n$/],
    ['refuse', 'estimate', 'It was told to be refused.', /^the end of a log\n$/],
    ['raise', 'load', 'ValueError: It was told to raise.', /Traceback[\s\S]*_obey_path/],
  ] as const)('says why it cannot load: %s, %s', async (path, type, reason, log) => {
    await using worker = await startGreeted();
    worker.channel.send({ ...load, type, path });
    const failed = await worker.next('load_failed');
    expect(failed).toEqual({ type: 'load_failed', reason, log: expect.stringMatching(log) });
    worker.channel.send({ type: 'shutdown' });
    expect(await worker.exited).toBe('code 0');
  });

  it('says why the engine cannot be imported', async () => {
    await using worker = start({ runId: 'import' });
    await worker.next('hello');
    worker.channel.send(welcome);
    worker.channel.send(load);
    expect(await worker.next('load_failed')).toMatchObject({
      reason: "The backend cannot be imported: ModuleNotFoundError: No module named 'of_mlx'",
      log: expect.stringContaining('Traceback'),
    });
  });

  it('leaves stdout and stderr to libraries', async () => {
    await using worker = await startGreeted();
    const printed = ['', ''];
    for (const [index, stream] of [worker.child.stdout, worker.child.stderr].entries()) {
      stream!.on('data', (bytes: Buffer) => {
        printed[index] += bytes.toString();
      });
    }
    worker.channel.send({ ...load, path: 'print' });
    await worker.next('loaded');
    worker.generate(1, 'x');
    await worker.answer(1);
    worker.channel.send({ type: 'shutdown' });
    await worker.exited;
    await worker.closed;
    await expect.poll(() => printed).toEqual(['noise of a library\n', 'more of it\n']);
  });
});

describe.skipIf(!python)('a worker in Python ends', () => {
  it('with its group, by SIGKILL, when the channel does', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#tokens:100000 sleep:5');
    await worker.next('step');
    worker.channel.destroy();
    expect(await worker.exited).toBe('signal SIGKILL');
  });

  it('by SIGKILL when the channel ends in a long step and in a load', async () => {
    await using stepping = await startLoaded();
    stepping.generate(1, '#sleep:60000');
    await stepping.next('accepted');
    stepping.channel.destroy();
    expect(await stepping.exited).toBe('signal SIGKILL');
    await using loading = await startGreeted();
    loading.channel.send({ ...load, path: 'sleep:60000' });
    await loading.next('load_progress');
    loading.channel.destroy();
    expect(await loading.exited).toBe('signal SIGKILL');
  });

  it('on SIGTERM after what runs, and not on SIGINT', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#tokens:30 sleep:3');
    await worker.next('step');
    worker.child.kill('SIGINT');
    worker.child.kill('SIGTERM');
    expect((await worker.answer(1)).ids).toHaveLength(30);
    await worker.next('drained');
    expect(await worker.exited).toBe('code 0');
  });

  it('on SIGTERM and on shutdown while it loads, without waiting for that', async () => {
    for (const stop of ['SIGTERM', 'shutdown'] as const) {
      await using worker = await startGreeted();
      worker.channel.send({ ...load, path: 'sleep:60000' });
      await worker.next('load_progress');
      if (stop === 'SIGTERM') worker.child.kill(stop);
      else worker.channel.send({ type: stop });
      expect(await worker.exited).toBe('code 0');
    }
  });

  it('on shutdown, telling the end of every call', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#tokens:100000 sleep:5');
    await worker.next('step');
    worker.channel.send({ type: 'shutdown' });
    const { end, ids } = await worker.answer(1);
    expect(end).toMatchObject({ reason: 'cancelled', generatedTokens: ids.length });
    expect(await worker.exited).toBe('code 0');
  });

  it('with 70 and a log message when a step raises', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#tokens:5 throw:1');
    const { message } = await worker.next('log', ({ level }) => level === 'error');
    expect(message).toMatch(
      /^The worker failed: Traceback[\s\S]*RuntimeError: The scripted engine/,
    );
    expect(await worker.exited).toBe('code 70');
  });

  it.each([
    ['another backend', ['worker', '--run-id=1', '--backend=fake'], /expected: worker --run-id=/],
    ['no run id', ['worker', '--backend=mlx'], /expected: worker --run-id=/],
    ['an unknown option', ['worker', '--run-id=1', '--backend=mlx', '--new'], /--new/],
  ])('with 64 and a line on stderr for %s', async (_, args, line) => {
    await using worker = new TestWorker([scripted, ...args], { program: python! });
    let stderr = '';
    worker.child.stderr!.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    expect(await worker.exited).toBe('code 64');
    await expect.poll(() => stderr).toMatch(line);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('when it hears nothing for too long, and the channel is still open (rows SP-034, SP-042)', async () => {
    await using worker = start();
    await worker.next('hello');
    const heartbeat = { ...HEARTBEAT, silenceLimitMs: 200 };
    worker.channel.send({ ...welcome, heartbeat });
    expect(await worker.exited).toBe('signal SIGKILL');
  });

  it('not by silence when it does not depend on its parent: it warns, once (row SP-033)', async () => {
    await using worker = start();
    await worker.next('hello');
    const heartbeat = { ...HEARTBEAT, silenceLimitMs: 100, dependent: false };
    worker.channel.send({ ...welcome, heartbeat });
    await worker.next('log', ({ level }) => level === 'warn');
    await beats(worker, 20);
    expect(
      worker.messages.filter((message) => message.type === 'log' && message.level === 'warn'),
    ).toHaveLength(1);
  });

  it('by its watchdog when its parent is killed while its main thread stands still', async () => {
    const parent = new URL('../../fixtures/workers/parent-of-python.ts', import.meta.url);
    const command = [fileURLToPath(parent), 'worker', '--run-id=p', python!, scripted];
    await using orchestrator = new TestWorker(command);
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

describe.skipIf(!python)('a breach of the protocol', () => {
  const announced = (id: number, call = 1) => {
    const { prompt: _, ...rest } = generateMessage(call, '');
    return encodeFrame({ ...rest, payload: { id, bytes: 2 * MIB } });
  };
  const part = (payload: number, offset: number, bytes: number) =>
    Buffer.concat(encodeBinaryFrame({ type: 'payload', payload, offset }, Buffer.alloc(bytes)));
  const doubled = encodeFrame({ ...generateMessage(1, ''), payload: { id: 1, bytes: 9 } });
  const block = encodeFrame({ type: 'block', payload: 1, offset: 0, generation: 1, crc: 0 });
  const frames = (...messages: object[]) =>
    Buffer.concat(messages.map((message) => encodeFrame(message)));

  it.each([
    ['a frame of length 0', Buffer.alloc(4), 'length 0'],
    ['a frame that is too long', Buffer.from('ffffffff', 'hex'), 'the limit is'],
    ['a kind that is not known', Buffer.from('0200000009ff', 'hex'), 'kind 9'],
    ['bytes that are not UTF-8', Buffer.from('0200000000ff', 'hex'), 'not UTF-8'],
    ['what is not JSON', Buffer.from('020000000078', 'hex'), 'not JSON'],
    ['no message', frames([]), 'without a type'],
    ['a type that is not known', frames({ type: 'sing' }), '"sing"'],
    ['a field that is missing', frames({ type: 'cancel' }), 'call: it is missing'],
    ['a field that is wrong', frames({ ...load, slots: 0 }), 'slots: a whole number from 1'],
    ['another version', frames({ ...welcome, version: VERSION + 1 }), '"welcome": version'],
    ['an unknown setting', frames({ ...welcome, heartbeat: { ...HEARTBEAT, x: 1 } }), 'heartbeat'],
    [
      'a body where none belongs',
      Buffer.concat(encodeBinaryFrame(load, Buffer.alloc(1))),
      'binary',
    ],
    ['a part that nobody announced', part(1, 0, 5), 'nobody announced'],
    ['a part out of its turn', Buffer.concat([announced(1), part(1, 7, 5)]), 'in its turn'],
    ['an empty part', Buffer.concat([announced(1), part(1, 0, 0)]), 'a part has 0 bytes'],
    ['a part too long', Buffer.concat([announced(1), part(1, 0, MIB + 1)]), 'a part has 1048577'],
    ['an old id', Buffer.concat([announced(2), announced(2, 2)]), 'is not new'],
    ['a block without an arena', Buffer.concat([announced(1), block]), 'that is not open'],
    ['a prompt beside its payload', Buffer.concat([doubled, part(1, 0, 9)]), 'its prompt twice'],
    ['an answer to nothing', frames({ type: 'arena_opened' }), 'answers nothing'],
    ['load before welcome', frames(load), '"load" while the worker is greeting'],
    ['two welcomes', frames(welcome, welcome), '"welcome" while the worker is idle'],
    ['two loads', frames(welcome, load, load), '"load" while the worker is loading'],
    ['threads before loaded', frames(welcome, { type: 'threads', threads: 1 }), '"threads" while'],
    ['generate before loaded', frames(welcome, generateMessage(1, '')), '"generate" while'],
  ])('ends it with 76 and a log line: %s', async (_, bytes, words) => {
    await using worker = start();
    await worker.next('hello');
    (worker.child.stdio[3] as Socket).write(bytes);
    const { message } = await worker.next('log', ({ level }) => level === 'error');
    expect(message).toContain(words);
    expect(await worker.exited).toBe('code 76');
  });

  it('ends it with 76: a call that is running already', async () => {
    await using worker = await startLoaded();
    worker.generate(1, '#tokens:100000 sleep:5');
    worker.generate(1, 'again');
    await worker.next('log', ({ message }) => message.startsWith('The orchestrator sent "gen'));
    expect(await worker.exited).toBe('code 76');
  });
});

describe.skipIf(!python)('a large prompt', () => {
  let parent: string;
  let arenaFolder: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'hearth-arena-'));
    arenaFolder = join(parent, 'arena');
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  it('of 10 MB is the same in parts and by the arena', async () => {
    const prompt = `ä😀${filler(10_000_000)}tokens:2`;
    const answers = [];
    for (const options of [{}, { arenaFolder }]) {
      const fallbacks: Fallback[] = [];
      const onFallback = (fallback: Fallback) => fallbacks.push(fallback);
      await using worker = await startLoaded({ ...options, onFallback });
      worker.generate(1, prompt);
      worker.generate(2, `${filler(300_000)}tokens:1`);
      const { text, end } = await worker.answer(1);
      expect((await worker.answer(2)).end).toMatchObject({ promptTokens: 300_009 });
      expect(fallbacks).toEqual([]);
      answers.push({ text, end });
    }
    expect(answers[0]).toMatchObject({ text: '1 2 ', end: { promptTokens: 10_000_011 } });
    expect(answers[1]).toEqual(answers[0]);
    expect(readdirSync(arenaFolder)).toEqual([]);
  });

  it('lets other calls pass, and is cancelled before it is whole', async () => {
    await using worker = await startLoaded();
    const socket = worker.child.stdio[3] as Socket;
    const before = socket.bytesWritten;
    worker.generate(1, filler(60 * MIB));
    worker.generate(2, '#tokens:1');
    expect((await worker.answer(2)).text).toBe('1 ');
    worker.channel.send({ type: 'cancel', call: 1 });
    expect((await worker.answer(1)).end).toMatchObject({
      type: 'finished',
      reason: 'cancelled',
      promptTokens: 0,
    });
    expect(socket.bytesWritten - before).toBeLessThan(60 * MIB);
    worker.generate(3, `${filler(MIB)}tokens:1`);
    expect((await worker.answer(3)).text).toBe('1 ');
  });

  it('that is damaged in the arena fails its own call', async (context) => {
    if (process.platform !== 'linux') context.skip('needs /proc, which only Linux has');
    await using worker = await startLoaded({ arenaFolder });
    worker.generate(1, `${filler(5 * MIB)}tokens:1`);
    expect((await worker.answer(1)).text).toBe('1 ');
    using file = new ArenaFile('self');
    expect(file.generation()).toBe(0);
    worker.child.kill('SIGSTOP');
    worker.generate(2, `${filler(5 * MIB)}tokens:1`);
    while (file.generation() !== 2) await new Promise(setImmediate);
    file.flip({ at: 1_234_567, bit: 3 });
    worker.child.kill('SIGCONT');
    expect((await worker.answer(2)).end).toMatchObject({
      type: 'failed',
      error: { code: 'payload_damaged', message: expect.stringContaining('checksum') },
    });
    worker.generate(3, `${filler(5 * MIB)}tokens:2`);
    expect((await worker.answer(3)).text).toBe('1 2 ');
  });
});

describe.skipIf(!python)('a parent that does not read', () => {
  it('holds up neither the engine nor what is said to it, and gets all of it later', async () => {
    await using worker = await startLoaded();
    const socket = worker.child.stdio[3] as Socket;
    socket.pause();
    // More than the socket holds, less than may wait.
    worker.generate(1, '#tokens:200 size:20000 say', { creditTokens: 1_000 });
    await once(worker.child.stderr!, 'data');
    worker.generate(2, '#tokens:1 say');
    await once(worker.child.stderr!, 'data');
    worker.child.kill('SIGTERM');
    socket.resume();
    const { ids, text } = await worker.answer(1);
    expect(ids).toHaveLength(200);
    expect(text).toHaveLength(200 * 20_000);
    expect((await worker.answer(2)).end).toMatchObject({ reason: 'stop' });
    await worker.next('drained');
    expect(await worker.exited).toBe('code 0');
  });

  it('ends it once more waits than two of the largest frames', async () => {
    await using worker = await startLoaded();
    (worker.child.stdio[3] as Socket).pause();
    for (let call = 1; call <= 40; call++) worker.generate(call, filler(MIB), { echo: true });
    expect(await worker.exited).toBe('signal SIGKILL');
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
