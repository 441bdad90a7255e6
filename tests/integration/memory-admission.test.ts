/**
 * A model is loaded only if it fits: unused ones go for it, busy and pinned ones never, and what does not
 * fit is refused with both numbers. The models are fake and say that they take a gigabyte of a GPU.
 */
import { afterEach, describe, expect, test } from 'vitest';

import { isAlive, Orchestra, type Setup } from '../support/orchestra.ts';

const GB = 1_000_000_000;
const TWO = { a: { memoryBytes: GB }, b: { memoryBytes: GB } };
const FAST = { heartbeatIntervalMs: 50 };

let orchestra: Orchestra | undefined;

function make(setup: Setup): Orchestra {
  orchestra = new Orchestra({
    preload: false,
    memoryBudgetBytes: 1.6 * GB,
    worker: FAST,
    ...setup,
  });
  return orchestra;
}

afterEach(async () => {
  const left = await orchestra?.end();
  orchestra = undefined;
  expect(left ?? []).toEqual([]);
});

function leaving(): { readonly signal: AbortSignal; readonly leave: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, leave: () => controller.abort() };
}

function states(band: Orchestra): readonly string[] {
  return band.orchestrator.models().map(({ state }) => state);
}

/** It was measured: until then a guess is reserved. */
async function load(band: Orchestra, model: string): Promise<void> {
  expect((await band.ask('x', { model })).error).toBeUndefined();
  const before = band.count('workerVitals', ([name]) => name === model);
  await band.until(() => band.count('workerVitals', ([name]) => name === model) > before);
}

describe('two models and memory for one', () => {
  test('are swapped as they are asked for, with right answers from both', async () => {
    const band = make({ models: TWO });
    await band.orchestrator.start();
    for (let round = 0; round < 3; round++) {
      for (const model of ['a', 'b']) {
        await load(band, model);
        const { text } = await band.ask(`${model} ${round}`, { model });
        expect(text).toBe(`${model} ${round}`);
        expect(band.pids.filter(isAlive)).toHaveLength(1);
      }
    }
    expect(band.count('evicted')).toBe(5);
    expect(band.count('workerRestarted')).toBe(0);
  });

  test('a busy one ends what it does, and goes: nobody is refused', async () => {
    const band = make({ models: TWO });
    await band.orchestrator.start();
    await load(band, 'a');
    const running = band.ask('[[slow:10]][[tokens:60]]x', { model: 'a' });
    await band.until(() => band.count('firstToken') === 2);
    const waiting = band.ask('y', { model: 'b' });
    const later = band.ask('z', { model: 'a' });
    expect((await running).error).toBeUndefined();
    expect((await waiting).text).toBe('y');
    expect((await later).text).toBe('z');
    expect(band.pids.filter(isAlive)).toHaveLength(1);
    expect(band.count('workerRestarted')).toBe(0);
  });

  test('a busy one does not go for the operator, who is told both numbers and a time', async () => {
    const band = make({ models: TWO });
    await band.orchestrator.start();
    await load(band, 'a');
    const { signal, leave } = leaving();
    const running = band.ask('[[slow:50]][[tokens:900]]x', { model: 'a', signal });
    await band.until(() => band.count('firstToken') === 2);
    const error = await band.orchestrator.load('b').catch((thrown) => thrown);
    expect([error.code, error.retryable]).toEqual(['insufficient_memory', true]);
    expect(error.message).toMatch(
      /b needs 1\.0 GB, and of the budget of 1\.6 GB only 0\.\d GB is free/,
    );
    leave();
    await running;
    await band.until(() => band.orchestrator.workers()[0]!.active === 0);
    expect(await band.orchestrator.load('b')).toMatchObject({ state: 'ready' });
  });

  test('the operator may cut what a model that goes still does', async () => {
    const band = make({ models: TWO, worker: { ...FAST, drainTimeoutMs: 50 } });
    await band.orchestrator.start();
    await load(band, 'a');
    const running = band.ask('[[slow:50]][[tokens:900]]x', { model: 'a' });
    await band.until(() => band.count('firstToken') === 2);
    const waiting = band.ask('y', { model: 'b' });
    await band.until(() => states(band)[0] === 'draining');
    await band.orchestrator.unload('a');
    expect((await running).error?.code).toBe('worker_crashed');
    expect((await waiting).text).toBe('y');
  });

  test('nobody goes for requests that have gone themselves', async () => {
    const band = make({ models: TWO });
    await band.orchestrator.start();
    await load(band, 'a');
    const run = leaving();
    const running = band.ask('[[slow:50]][[tokens:900]]x', { model: 'a', signal: run.signal });
    await band.until(() => band.count('firstToken') === 2);
    const { signal, leave } = leaving();
    const waiting = band.ask('y', { model: 'b', signal });
    await band.until(() => states(band)[1] === 'loading');
    leave();
    await waiting;
    await band.until(() => states(band)[1] === 'unloaded');
    expect(band.pids.filter(isAlive)).toHaveLength(1);
    run.leave();
    await running;
  });

  test('a small one passes one that waits', async () => {
    const band = make({ models: { ...TWO, c: { memoryBytes: GB / 5 } } });
    await band.orchestrator.start();
    await load(band, 'a');
    const { signal, leave } = leaving();
    const running = band.ask('[[slow:50]][[tokens:900]]x', { model: 'a', signal });
    await band.until(() => band.count('firstToken') === 2);
    const waiting = band.ask('y', { model: 'b' });
    await band.until(() => states(band)[1] === 'loading');
    expect((await band.ask('c', { model: 'c' })).text).toBe('c');
    leave();
    expect((await waiting).text).toBe('y');
    expect((await running).error?.code).toBe('client_closed_request');
  });

  test('the operator is told when there is no room, too', async () => {
    const band = make({ models: TWO, pinned: ['a'] });
    await band.orchestrator.start();
    await load(band, 'a');
    await expect(band.orchestrator.load('b')).rejects.toMatchObject({
      code: 'insufficient_memory',
    });
    expect(states(band)).toEqual(['ready', 'unloaded']);
  });

  test('a pinned one never goes', async () => {
    const band = make({ models: TWO, pinned: ['a'] });
    await band.orchestrator.start();
    await load(band, 'a');
    expect((await band.ask('y', { model: 'b' })).error?.code).toBe('insufficient_memory');
    expect((await band.ask('x', { model: 'a' })).text).toBe('x');
    expect(band.count('evicted')).toBe(0);
  });

  test('the start of the server throws nobody out: the second waits for its first request', async () => {
    const band = make({ models: TWO, preload: true });
    await band.orchestrator.start();
    await band.until(() => [...states(band)].sort().join() === 'ready,unloaded');
    expect(band.count('evicted')).toBe(0);
    const [away] = band.orchestrator.models().filter(({ state }) => state === 'unloaded');
    const { name } = away!;
    const before = band.count('workerVitals');
    await band.until(() => band.count('workerVitals') > before + 1);
    expect((await band.ask('hello', { model: name })).text).toBe('hello');
    expect(band.count('evicted')).toBe(1);
  });

  test('many requests for both at once are all answered, each in its turn', async () => {
    const band = make({ models: TWO });
    await band.orchestrator.start();
    const asks = Array.from({ length: 30 }, (_, index) =>
      band.ask(`[[tokens:3]]${index}`, { model: index % 2 === 0 ? 'a' : 'b' }),
    );
    const heard = await Promise.all(asks);
    expect(heard.flatMap(({ error }) => error?.code ?? [])).toEqual([]);
    expect(band.count('evicted')).toBeLessThan(10);
    expect(band.pids.filter(isAlive)).toHaveLength(1);
  });
});

test('one that never fits is refused for good, and costs the others nothing', async () => {
  const band = make({ models: { a: {}, huge: { memoryBytes: 3 * GB } } });
  await band.orchestrator.start();
  await load(band, 'a');
  const { error } = await band.ask('x', { model: 'huge' });
  expect([error?.code, error?.retryable]).toEqual(['insufficient_memory', false]);
  expect(error?.message).toContain('needs 3.0 GB');
  expect((await band.ask('still here', { model: 'a' })).text).toBe('still here');
  expect(band.pids.filter(isAlive)).toHaveLength(1);
});
