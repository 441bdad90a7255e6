import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { ProtocolError } from '../../../src/ipc/codec.ts';
import { type FromWorkerMessage, type LoadMessage, VERSION } from '../../../src/ipc/protocol.ts';
import {
  type Backend,
  type GenerateJob,
  LoadError,
  type Loaded,
  type Sink,
} from '../../../src/worker/backend.ts';
import { EXIT_PROTOCOL, Session } from '../../../src/worker/session.ts';
import { generateMessage } from './generate-message.ts';

const loaded: Loaded = {
  contextTokens: 100,
  slots: 2,
  loadMs: { file: 1 },
  facts: {
    architecture: 'test',
    parameters: 1,
    fileBytes: 2,
    trainedContextTokens: 100,
    vocabularySize: 3,
    chat: true,
    device: 'cpu',
  },
};
const welcome = { type: 'welcome', version: VERSION, heartbeatIntervalMs: 1000 } as const;
const load: LoadMessage = {
  type: 'load',
  path: '/m',
  contextTokens: 100,
  slots: 2,
  threads: 1,
  gpu: 'off',
};

/** A backend that does what the test says, when the test says it. */
class ManualBackend implements Backend {
  readonly build = 'manual';
  readonly loading = Promise.withResolvers<Loaded>();
  readonly closed = Promise.withResolvers<void>();
  readonly jobs: GenerateJob[] = [];
  readonly told: string[] = [];
  sink!: Sink;
  readonly estimating = Promise.withResolvers<number>();
  estimate(): Promise<number> {
    return this.estimating.promise;
  }
  load(): Promise<Loaded> {
    return this.loading.promise;
  }
  generate(job: GenerateJob): void {
    this.jobs.push(job);
  }
  credit(call: number, tokens: number): void {
    this.told.push(`credit ${call} ${tokens}`);
  }
  cancel(call: number): void {
    this.told.push(`cancel ${call}`);
  }
  stats() {
    return {
      phase: 'decode' as const,
      steps: 7,
      stepMs: 1,
      active: 1,
      waiting: 0,
      gpuBytes: 0,
      kvUsedTokens: 5,
    };
  }
  close(): Promise<void> {
    this.told.push('close');
    return this.closed.promise;
  }
  finish(call: number): void {
    const counts = { promptTokens: 1, cachedTokens: 0, generatedTokens: 1 };
    this.sink.finished({ call, reason: 'stop', ...counts });
  }
}

function start() {
  const sent: FromWorkerMessage[] = [];
  const ends: (number | 'orphan')[] = [];
  const backend = new ManualBackend();
  const session = new Session({
    importBackend: async () => (sink) => {
      backend.sink = sink;
      return backend;
    },
    rssBytes: () => 123,
    send: (message) => sent.push(message),
    exit: (code) => ends.push(code),
    orphan: () => ends.push('orphan'),
  });
  const types = () => sent.map(({ type }) => type).filter((type) => type !== 'heartbeat');
  return { session, backend, sent, ends, types };
}

/** As far as promises go without time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

async function startLoaded() {
  const all = start();
  all.session.onMessage(welcome);
  all.session.onMessage(load);
  await settle();
  all.backend.loading.resolve(loaded);
  await settle();
  all.sent.length = 0;
  return all;
}

describe('Session', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('says nothing by itself and loads when asked to', async () => {
    const { session, backend, sent, types } = start();
    expect(sent).toEqual([]);
    session.onMessage(welcome);
    session.onMessage(load);
    await settle();
    backend.sink.loadProgress(0.5);
    backend.loading.resolve(loaded);
    await settle();
    expect(types()).toEqual(['load_progress', 'loaded']);
    expect(sent.at(-1)).toEqual({ type: 'loaded', ...loaded });
  });

  it('sends heartbeats from welcome on, also while loading', async () => {
    const { session, sent } = start();
    const phases = () => sent.flatMap((m) => (m.type === 'heartbeat' ? [m.phase] : []));
    vi.advanceTimersByTime(5000);
    expect(phases()).toEqual([]);
    session.onMessage(welcome);
    session.onMessage(load);
    vi.advanceTimersByTime(1000);
    expect(phases()).toEqual(['starting', 'loading']);
    await settle();
    vi.advanceTimersByTime(1000);
    expect(sent.at(-1)).toMatchObject({
      type: 'heartbeat',
      phase: 'decode',
      steps: 7,
      rssBytes: 123,
    });
  });

  it('says why a load failed, with the end of the native log', async () => {
    const { session, backend, sent } = start();
    session.onMessage(welcome);
    session.onMessage(load);
    await settle();
    backend.loading.reject(new LoadError('bad magic', { log: 'gguf: bad magic\n' }));
    await settle();
    expect(sent.at(-1)).toEqual({
      type: 'load_failed',
      reason: 'bad magic',
      log: 'gguf: bad magic\n',
    });
  });

  it('forwards calls, credits and cancels, and sends what the backend reports', async () => {
    const { session, backend, types, sent } = await startLoaded();
    session.onMessage(generateMessage(1, 'x'));
    session.onMessage({ type: 'credit', call: 1, tokens: 9 });
    session.onMessage({ type: 'cancel', call: 5 });
    expect(backend.jobs.map(({ call }) => call)).toEqual([1]);
    expect(backend.told).toEqual(['credit 1 9', 'cancel 5']);
    backend.sink.accepted({ call: 1, promptTokens: 3, cachedTokens: 2 });
    backend.sink.tokens([{ call: 1, ids: [1], text: 'a' }]);
    backend.sink.tokens([{ call: 1, ids: [2], text: 'b' }]);
    backend.finish(1);
    // What was gathered stands before the end of its call.
    expect(types()).toEqual(['accepted', 'step', 'step', 'finished']);
    expect(sent.filter((m) => m.type === 'step').flatMap((m) => m.sequences)).toEqual([
      { call: 1, ids: [1], text: 'a' },
      { call: 1, ids: [2], text: 'b' },
    ]);
  });

  it('lets no call end twice and reports a backend that tries', async () => {
    const { session, backend, types } = await startLoaded();
    session.onMessage(generateMessage(1, 'x'));
    backend.finish(1);
    backend.finish(1);
    backend.sink.tokens([{ call: 1, ids: [1], text: 'late' }]);
    backend.sink.failed(2, { code: 'internal', message: 'never asked for' });
    expect(types()).toEqual(['finished', 'log', 'log', 'log']);
  });

  it('drains: no new calls, the last end, then drained', async () => {
    const { session, backend, types, sent, ends } = await startLoaded();
    session.onMessage(generateMessage(1, 'x'));
    session.onMessage({ type: 'drain' });
    session.onMessage(generateMessage(2, 'y'));
    expect(sent).toMatchObject([{ type: 'failed', call: 2, error: { code: 'draining' } }]);
    backend.finish(1);
    expect(types()).toEqual(['failed', 'finished', 'drained']);
    session.onMessage({ type: 'shutdown' });
    backend.closed.resolve();
    await settle();
    expect(ends).toEqual([0]);
  });

  it('tells the ends of calls while it stops, and exits once', async () => {
    const { session, backend, types, ends } = await startLoaded();
    session.onMessage(generateMessage(1, 'x'));
    session.onMessage({ type: 'shutdown' });
    session.onMessage({ type: 'shutdown' });
    backend.finish(1);
    expect(ends).toEqual([]);
    backend.closed.resolve();
    await settle();
    expect(types()).toEqual(['finished']);
    expect(ends).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('on SIGTERM finishes what runs, then exits by itself', async () => {
    const { session, backend, types, ends } = await startLoaded();
    session.onMessage(generateMessage(1, 'x'));
    session.onTerminate();
    backend.finish(1);
    expect(types()).toEqual(['finished', 'drained']);
    backend.closed.resolve();
    await settle();
    expect(ends).toEqual([0]);
  });

  it('is an orphan when the channel ends, also while it stops', async () => {
    const first = await startLoaded();
    first.session.onClose(undefined);
    expect(first.ends).toEqual(['orphan']);
    const second = await startLoaded();
    second.session.onMessage({ type: 'shutdown' });
    second.session.onClose(new Error('EPIPE'));
    second.backend.closed.resolve();
    await settle();
    expect(second.ends).toEqual(['orphan']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['load before welcome', [load]],
    ['generate before loaded', [welcome, generateMessage(1, 'x')]],
    ['two welcomes', [welcome, welcome]],
    ['two loads', [welcome, load, load]],
  ])('ends on %s', (_, messages) => {
    const { session, sent, ends } = start();
    for (const message of messages) session.onMessage(message);
    expect(ends).toEqual([EXIT_PROTOCOL]);
    expect(sent.at(-1)).toMatchObject({ type: 'log', level: 'error' });
  });

  it('ends on a call that is running already', async () => {
    const { session, ends } = await startLoaded();
    session.onMessage(generateMessage(1, 'x'));
    session.onMessage(generateMessage(1, 'y'));
    expect(ends).toEqual([EXIT_PROTOCOL]);
  });

  it('ends on bytes that are no message; a cut frame is the death of the parent', () => {
    const first = start();
    first.session.onClose(new ProtocolError('kind', 'x'));
    expect(first.ends).toEqual([EXIT_PROTOCOL]);
    const second = start();
    second.session.onClose(new ProtocolError('truncated', 'x'));
    expect(second.ends).toEqual(['orphan']);
  });
});
