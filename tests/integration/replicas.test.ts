/**
 * Several workers of one model, and workers that are replaced by new ones: requests are spread, and none
 * fails because a worker goes. Rows SP-112 … SP-156.
 */
import { afterEach, describe, expect, test } from 'vitest';

import type { ModelSpec } from '../../src/models/spec.ts';
import { isAlive, Orchestra, type Setup } from '../support/orchestra.ts';

const FAST = { heartbeatIntervalMs: 50 };
const GB = 1_000_000_000;

let orchestra: Orchestra | undefined;

function make(setup?: Setup): Orchestra {
  orchestra = new Orchestra({ worker: FAST, ...setup });
  return orchestra;
}

afterEach(async () => {
  const left = await orchestra?.end();
  orchestra = undefined;
  expect(left ?? []).toEqual([]);
});

function stateOf(band: Orchestra): string {
  return band.orchestrator.models()[0]!.state;
}

function serving(band: Orchestra): readonly string[] {
  return band.orchestrator.workers().flatMap(({ id, state }) => (state === 'ready' ? [id] : []));
}

async function allServing(count: number, setup: Setup): Promise<Orchestra> {
  const band = await make(setup).ready();
  await band.until(() => serving(band).length === count);
  return band;
}

describe('replicas', () => {
  test('start together and share what comes, the one with the most room first', async () => {
    const band = await allServing(3, { replicas: 3, slots: 1 });
    const asks = [1, 2, 3].map((n) => band.ask(`[[slow:5]][[tokens:40]]${n}`));
    await band.until(() => band.count('firstToken') === 3);
    expect(band.orchestrator.workers().map(({ active }) => active)).toEqual([1, 1, 1]);
    expect((await Promise.all(asks)).map(({ error }) => error)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(band.orchestrator.models()[0]).toMatchObject({ slots: 3 });
  });

  test('the next turn of a conversation goes to where the last one was read (row SP-326)', async () => {
    const band = await allServing(3, { replicas: 3, slots: 2 });
    const turn = 'once upon a time '.repeat(200);
    const leaves = new AbortController();
    const { signal } = leaves;
    const beside = [1, 2].map((n) => band.ask(`[[slow:50]][[tokens:900]]${n}`, { signal }));
    await band.until(() => band.count('firstToken') === 2);
    await band.ask(`[[tokens:3]]${turn}`);
    const reader = band.orchestrator.workers().findIndex(({ served }) => served === 1);
    leaves.abort();
    await Promise.all(beside);
    await band.until(() => band.orchestrator.workers().every(({ active }) => active === 0));
    for (let round = 0; round < 5; round++) await band.ask(`[[tokens:3]]${turn} and ${round}`);
    const served = band.orchestrator.workers().map((worker) => worker.served);
    expect(served).toEqual([1, 1, 1].with(reader, 6));
  });

  test('requests with one prompt_cache_key go to one worker, whatever they ask', async () => {
    const band = await allServing(3, { replicas: 3, slots: 2 });
    const served = () => band.orchestrator.workers().map((worker) => worker.served);
    const leaves = new AbortController();
    const { signal } = leaves;
    const beside = [1, 2].map((n) => band.ask(`[[slow:50]][[tokens:900]]${n}`, { signal }));
    await band.until(() => band.count('firstToken') === 2);
    await band.ask('first', { affinity: 'conversation' });
    const reader = served().indexOf(1);
    for (const text of ['second', 'third']) await band.ask(text, { affinity: 'conversation' });
    expect(served()[reader]).toBe(3);
    await band.ask('else', { affinity: 'another' });
    leaves.abort();
    await Promise.all(beside);
    for (const text of ['fourth', 'fifth']) await band.ask(text, { affinity: 'conversation' });
    expect(served()[reader]).toBeGreaterThanOrEqual(5);
  });

  test('one dies: its streams end, the others go on, and it is replaced', async () => {
    const band = await allServing(3, { replicas: 3, slots: 1 });
    const asks = [1, 2, 3].map((n) => band.ask(`[[slow:10]][[tokens:60]]${n}`));
    await band.until(() => band.count('firstToken') === 3);
    process.kill(band.pids[1]!, 'SIGKILL');
    await band.until(() => band.count('workerRestarted') === 1);
    expect(stateOf(band)).toBe('ready');
    const codes = (await Promise.all(asks)).map(({ error }) => error?.code);
    expect(codes.filter((code) => code === undefined)).toHaveLength(2);
    expect(codes).toContain('worker_crashed');
    await band.until(() => serving(band).length === 3);
    expect(band.pids).toHaveLength(4);
  });

  test('one that dies too often is left away while the others serve, and comes back with the probe', async () => {
    const worker = { ...FAST, restartMax: 0, probeAfterMs: 400 };
    const band = await allServing(2, { replicas: 2, worker });
    process.kill(band.pids[0]!, 'SIGKILL');
    await band.until(() => band.lines.some(({ message }) => message === 'model failed'));
    expect(stateOf(band)).toBe('ready');
    expect((await band.ask('still here')).text).toBe('still here');
    await band.until(() => serving(band).length === 2);
    expect(band.count('rejected')).toBe(0);
  });

  test('all die too often: failed, and back with the probe, one first', async () => {
    const worker = { ...FAST, restartMax: 0, probeAfterMs: 300 };
    const band = await allServing(2, { replicas: 2, worker });
    for (const pid of band.pids) process.kill(pid, 'SIGKILL');
    await band.until(() => stateOf(band) === 'failed');
    expect((await band.ask('x')).error?.code).toBe('model_failed');
    await band.until(() => serving(band).length === 2);
    expect((await band.ask('well')).text).toBe('well');
  });

  test('one is stopped by id: the others serve, nothing brings it back but load (row SP-018)', async () => {
    const band = await allServing(3, { replicas: 3 });
    await band.orchestrator.stop('a-2');
    expect(serving(band)).toEqual(['a-1', 'a-3']);
    process.kill(band.orchestrator.workers()[0]!.pid!, 'SIGKILL');
    await band.until(() => serving(band).join() === 'a-3,a-4');
    // Also not a request after an unload.
    await band.orchestrator.unload('a');
    await band.ask('wake up');
    await band.until(() => serving(band).length === 2);
    expect(band.orchestrator.workers()).toHaveLength(2);
    await band.orchestrator.load('a');
    await band.until(() => serving(band).length === 3);
    for (const id of serving(band)) await band.orchestrator.stop(id);
    expect(stateOf(band)).toBe('stopped');
    expect((await band.ask('x')).error?.message).toContain('stopped by the operator');
  });

  test('there is memory for two of three: two serve', async () => {
    const models = { a: { memoryBytes: GB } };
    const band = await allServing(2, { replicas: 3, models, memoryBudgetBytes: 2.5 * GB });
    await band.until(() => band.lines.some(({ message }) => message === 'no memory for a model'));
    expect(stateOf(band)).toBe('ready');
    process.kill(band.orchestrator.workers()[0]!.pid!, 'SIGKILL');
    await band.until(() => serving(band).length === 1);
    await band.until(() => serving(band).length === 2);
    expect(band.pids).toHaveLength(4);
    expect((await band.ask('hello')).text).toBe('hello');
  });
});

describe('a worker is replaced', () => {
  test('after its requests, while requests come: none fails, none is late for it (row SP-133)', async () => {
    const band = await make({ slots: 2, recycle: { afterRequests: 20 } }).ready();
    const asks: ReturnType<Orchestra['ask']>[] = [];
    const recycled = () => band.count('workerRecycled', ([, reason]) => reason === 'max_requests');
    while (recycled() < 3) {
      const ask = band.ask(`[[tokens:5]]${asks.length}`);
      asks.push(ask);
      await ask;
    }
    const heard = await Promise.all(asks);
    expect(heard.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(heard.filter(({ text }, index) => !text.startsWith(String(index).slice(0, 5)))).toEqual(
      [],
    );
    expect(band.count('workerRestarted')).toBe(0);
    // The first token of each came from a worker that was there.
    const whys = heard.flatMap(({ events }) =>
      events.map((event) => event.type === 'waiting' && event.why),
    );
    expect(whys).not.toContain('loading');
  });

  test('by its age, and what runs on it ends there', async () => {
    const band = await make({ slots: 1, recycle: { afterMs: 700 } }).ready();
    const [first] = band.pids;
    const long = band.ask('[[slow:20]][[tokens:80]]x');
    await band.until(
      () => band.count('workerRecycled', ([, reason]) => reason === 'ttl_expired') > 0,
    );
    expect(isAlive(first!)).toBe(true);
    // There is only one slot, and it is that of the new one.
    expect((await band.ask('beside')).text).toBe('beside');
    const { error, events } = await long;
    expect([error, events.at(-1)?.type]).toEqual([undefined, 'done']);
    await expect.poll(() => isAlive(first!)).toBe(false);
  });

  test('by the memory that it takes', async () => {
    const band = await make({ recycle: { aboveBytes: 1 } }).ready();
    await band.until(
      () => band.count('workerRecycled', ([, reason]) => reason === 'memory_threshold') > 0,
    );
    expect((await band.ask('x')).text).toBe('x');
  });

  test('where there is memory for one: what runs ends first, what comes waits', async () => {
    const models = { a: { memoryBytes: GB } };
    const band = await make({ slots: 1, models, memoryBudgetBytes: 1.6 * GB }).ready();
    const running = band.ask('[[slow:10]][[tokens:40]]x');
    await band.until(() => band.count('firstToken') === 1);
    const recycling = band.orchestrator.recycle('a');
    await band.until(() => stateOf(band) === 'draining');
    const waiting = band.ask('after');
    expect((await running).error).toBeUndefined();
    expect((await waiting).text).toBe('after');
    expect(await recycling).toMatchObject({ state: 'ready' });
    expect(band.pids.filter(isAlive)).toHaveLength(1);
    expect(band.count('workerRestarted')).toBe(0);
  });

  test('and is unloaded while what runs on it ends: cut in time, and replaced again later', async () => {
    const models = { a: { memoryBytes: GB } };
    const worker = { ...FAST, drainTimeoutMs: 50 };
    const band = await make({ slots: 1, models, worker, memoryBudgetBytes: 1.6 * GB }).ready();
    const running = band.ask('[[slow:50]][[tokens:900]]x');
    await band.until(() => band.count('firstToken') === 1);
    const recycling = band.orchestrator.recycle('a');
    await band.until(() => stateOf(band) === 'draining');
    await band.orchestrator.unload('a');
    expect((await running).error?.code).toBe('worker_crashed');
    await recycling;
    await band.orchestrator.load('a');
    await band.orchestrator.recycle('a');
    expect((await band.ask('well')).text).toBe('well');
  });

  test('by the operator, one of three, by its pid (row SP-141)', async () => {
    const band = await allServing(3, { replicas: 3 });
    await band.orchestrator.recycle(String(band.pids[1]));
    expect(serving(band)).toEqual(['a-1', 'a-3', 'a-4']);
    await band.orchestrator.recycle('a');
    expect(serving(band)).toEqual(['a-5', 'a-6', 'a-7']);
    expect(band.count('workerRecycled')).toBe(4);
  });

  test('not when the new one cannot load: the old one goes on', async () => {
    const band = await make({ worker: { ...FAST, restartMax: 5 } }).ready();
    band.write('a', { failLoad: 'teapot' });
    await expect(band.orchestrator.recycle('a')).rejects.toMatchObject({ code: 'model_failed' });
    expect(serving(band)).toEqual(['a-1']);
    expect((await band.ask('still here')).text).toBe('still here');
  });

  test('and the model is unloaded meanwhile: both are gone', async () => {
    const band = await make({ models: { a: { loadMs: 300 } } }).ready();
    const recycling = band.orchestrator.recycle('a').catch(() => {});
    await band.until(() => band.pids.length === 2);
    await band.orchestrator.unload('a');
    await recycling;
    expect(band.count('workerRecycled')).toBe(0);
    expect(stateOf(band)).toBe('unloaded');
    expect(band.pids.filter(isAlive)).toEqual([]);
  });
});

describe('the threads of the machine', () => {
  const threadsOf = (band: Orchestra) =>
    band.orchestrator.workers().map(({ heartbeat }) => heartbeat?.threads);

  test('are shared by the workers that there are, anew when one comes or goes', async () => {
    const band = make({ models: { a: {}, b: {} }, preload: false, threads: 'auto', cores: 7 });
    await band.orchestrator.start();
    await band.orchestrator.load('a');
    await band.until(() => threadsOf(band).join() === '7');
    await band.orchestrator.load('b');
    await band.until(() => threadsOf(band).join() === '4,3');
    await band.orchestrator.unload('a');
    await band.until(() => threadsOf(band).join() === '7');
  });
});

/** Fault 28. */
describe('another table of models', () => {
  const spec = (band: Orchestra, name: string, more: Partial<ModelSpec> = {}): ModelSpec => ({
    ...band.specs.find((one) => one.name === 'a')!,
    name,
    ...more,
  });

  test('a new one is loaded, a removed one ends what it does, and the order is that of the table', async () => {
    const band = await make({ slots: 1 }).ready();
    const running = band.ask('[[slow:10]][[tokens:40]]x');
    await band.until(() => band.count('firstToken') === 1);
    const waiting = band.ask('behind it');
    band.write('b', {});
    band.orchestrator.setModels([spec(band, 'b', { path: band.path('b') })]);
    expect(band.orchestrator.models().map(({ name }) => name)).toEqual(['b']);
    expect((await band.ask('late')).error?.code).toBe('model_not_found');
    expect((await band.ask('there', { model: 'b' })).text).toBe('there');
    expect((await running).error).toBeUndefined();
    expect((await waiting).text).toBe('behind it');
    await band.until(() => band.count('modelRemoved') === 1);
    expect(isAlive(band.pids[0]!)).toBe(false);
    band.orchestrator.setModels([spec(band, 'a'), spec(band, 'b', { path: band.path('b') })]);
    expect((await band.ask('back')).text).toBe('back');
  });

  test('a changed one is replaced by the new one, and no request fails', async () => {
    const band = await make({ slots: 2 }).ready();
    const asks = Array.from({ length: 20 }, (_, index) => band.ask(`[[tokens:9]]${index}`));
    band.write('other', { reply: { kind: 'count', to: 3 } });
    band.orchestrator.setModels([spec(band, 'a', { path: band.path('other'), slots: 3 })]);
    expect((await Promise.all(asks)).map(({ error }) => error)).toEqual(Array(20).fill(undefined));
    await band.until(
      () => band.count('workerRecycled', ([, reason]) => reason === 'configuration') === 1,
    );
    await band.until(() => serving(band).join() === 'a-2');
    expect((await band.ask('x')).text).toMatch(/1.*2.*3/);
    expect(band.orchestrator.models()[0]).toMatchObject({ slots: 3 });
  });

  test('more and fewer replicas of one', async () => {
    const band = await make({ replicas: 1 }).ready();
    band.orchestrator.setModels([spec(band, 'a', { replicas: 3 })]);
    await band.until(() => serving(band).length === 3);
    band.orchestrator.setModels([spec(band, 'a', { replicas: 1 })]);
    await band.until(() => band.orchestrator.workers().length === 1);
    expect(serving(band)).toEqual(['a-1']);
    expect(band.count('workerRecycled')).toBe(0);
  });

  test('one that has failed is tried with the new description', async () => {
    const band = make({ models: { a: { failLoad: 'teapot' } } });
    await band.orchestrator.start();
    await band.until(() => stateOf(band) === 'failed');
    band.write('good', {});
    band.orchestrator.setModels([spec(band, 'a', { path: band.path('good') })]);
    expect((await band.ask('well')).text).toBe('well');
  });
});
