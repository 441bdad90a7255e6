import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';

import type { GenerationEvent } from '../../../src/core/engine.ts';
import { RequestError, WorkerError } from '../../../src/core/errors.ts';
import { type Observer, silentObserver } from '../../../src/core/observer.ts';
import { Answer } from '../../../src/orchestrator/answer.ts';

const USAGE = { promptTokens: 3, cachedTokens: 1, generatedTokens: 4 };

let told: unknown[];
let left: number;
let answer: Answer;

function make(): Answer {
  told = [];
  left = 0;
  const tell = (name: string) => (argument: unknown) => void told.push([name, argument]);
  const observer: Observer = {
    ...silentObserver,
    firstToken: tell('firstToken'),
    tokenGap: tell('tokenGap'),
    ended: tell('ended'),
  };
  return new Answer({
    model: 'a',
    priority: 'high',
    arrivedMs: 100,
    observer,
    onLeave: () => {
      left += 1;
    },
  });
}

beforeEach(() => {
  answer = make();
});

async function readAll(): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of answer) events.push(event);
  return events;
}

function pull() {
  const iterator = answer[Symbol.asyncIterator]();
  return { next: () => iterator.next(), leave: () => iterator.return!() };
}

describe('Answer', () => {
  test('hands out events in order, with usage, timings and latency', async () => {
    answer.waiting('queue', 2);
    answer.granted(110, () => {});
    answer.accepted({ promptTokens: 3, cachedTokens: 1 });
    answer.tokens([1], 'a', 130);
    answer.tokens([2, 3, 4], 'bc', 150);
    answer.finished({ reason: 'stop', stop: '.', usage: USAGE });
    expect(await readAll()).toEqual([
      { type: 'started', promptTokens: 3, cachedTokens: 1, promptText: undefined },
      { type: 'delta', choice: 0, text: 'abc', ids: [1, 2, 3, 4] },
      { type: 'finished', choice: 0, reason: 'stop', stop: '.' },
      { type: 'done', usage: USAGE, timings: { queueMs: 10, prefillMs: 20, decodeMs: 20 } },
    ]);
    expect(told).toEqual([
      ['firstToken', { model: 'a', priority: 'high', ttftMs: 30 }],
      ['tokenGap', 20],
      [
        'ended',
        {
          model: 'a',
          priority: 'high',
          outcome: 'stop',
          usage: USAGE,
          latency: { ttftMs: 30, tpotMs: 20 / 3, maxItlMs: 20, e2eMs: 50 },
        },
      ],
    ]);
  });

  test('only the newest position is told, and none twice', async () => {
    const { next } = pull();
    answer.waiting('loading', 5);
    answer.waiting('queue', 4);
    expect((await next()).value).toEqual({ type: 'waiting', why: 'queue', position: 4 });
    answer.waiting('queue', 4);
    answer.waiting('queue', 3);
    expect((await next()).value).toEqual({ type: 'waiting', why: 'queue', position: 3 });
  });

  test('deltas that nobody has taken are joined; taking gives their credit back', async () => {
    const credit: number[] = [];
    answer.granted(100, (tokens) => credit.push(tokens));
    answer.accepted({ promptTokens: 1, cachedTokens: 0 });
    const { next } = pull();
    await next();
    for (let id = 0; id < 100; id++) answer.tokens([id], 'x', 100 + id);
    expect(credit).toEqual([]);
    expect((await next()).value).toMatchObject({ type: 'delta', text: 'x'.repeat(100) });
    expect(credit).toEqual([100]);
  });

  test('a failure comes after what was made before it, once, and ends the iteration', async () => {
    answer.accepted({ promptTokens: 1, cachedTokens: 0 });
    answer.tokens([1], 'a', 120);
    answer.fail(new WorkerError('worker_crashed', 'gone'));
    answer.fail(new WorkerError('worker_hung', 'late'));
    const { next } = pull();
    expect((await next()).value).toMatchObject({ type: 'started' });
    expect((await next()).value).toMatchObject({ type: 'delta', text: 'a' });
    await expect(next()).rejects.toMatchObject({ code: 'worker_crashed' });
    expect(await next()).toEqual({ done: true, value: undefined });
    expect(told.filter((line) => Array.isArray(line) && line[0] === 'ended')).toHaveLength(1);
  });

  test('a failure reaches a reader that waits', async () => {
    const { next } = pull();
    const waiting = next();
    answer.fail(new WorkerError('worker_crashed', 'gone'));
    await expect(waiting).rejects.toMatchObject({ code: 'worker_crashed' });
  });

  test('abandoned: what was not read is dropped, later words are ignored', async () => {
    answer.accepted({ promptTokens: 1, cachedTokens: 0 });
    answer.tokens([1], 'a', 120);
    answer.abandon(new RequestError('client_closed_request', 'left'));
    answer.tokens([2], 'b', 130);
    answer.finished({ reason: 'stop', usage: USAGE });
    await expect(readAll()).rejects.toMatchObject({ code: 'client_closed_request' });
    expect(told.at(-1)).toMatchObject(['ended', { outcome: 'cancelled' }]);
  });

  test('leaving the loop is told once, and not after the end', async () => {
    const { next, leave } = pull();
    answer.accepted({ promptTokens: 1, cachedTokens: 0 });
    await next();
    await leave();
    expect(left).toBe(1);

    answer = make();
    answer.finished({ reason: 'length', usage: USAGE });
    await pull().leave();
    expect(left).toBe(0);
  });

  test('a second worker does not start it twice, and its counts are the ones that hold', async () => {
    answer.granted(110, () => {});
    answer.accepted({ promptTokens: 3, cachedTokens: 3 });
    expect(answer.isUntouched).toBe(true);
    answer.waiting('loading', 0);
    answer.granted(200, () => {});
    answer.accepted({ promptTokens: 3, cachedTokens: 0 });
    answer.tokens([1], 'a', 210);
    expect(answer.isUntouched).toBe(false);
    answer.finished({ reason: 'stop', usage: USAGE });
    const events = await readAll();
    expect(events.map(({ type }) => type)).toEqual(['started', 'delta', 'finished', 'done']);
    expect(events.at(-1)).toMatchObject({ timings: { queueMs: 100, prefillMs: 10 } });
  });

  test('an answer of no token has no prefill time and no latency', async () => {
    answer.granted(100, () => {});
    answer.finished({ reason: 'length', usage: { ...USAGE, generatedTokens: 0 } });
    const events = await readAll();
    expect(events.map(({ type }) => type)).toEqual(['started', 'finished', 'done']);
    expect(events.at(-1)).toMatchObject({ timings: { prefillMs: undefined, decodeMs: 0 } });
    expect(told).toMatchObject([['ended', { latency: undefined }]]);
  });

  test('refuses two iterations and two pulls at a time as faults of the caller', async () => {
    const { next } = pull();
    expect(() => answer[Symbol.asyncIterator]()).toThrow('iterated twice');
    void next();
    await expect(next()).rejects.toThrow('pulled twice');
  });

  test('whenever the reader pulls: no token is lost, doubled or out of order', async () => {
    const steps = fc.array(fc.record({ ids: fc.nat(4), pulls: fc.nat(3) }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(steps, async (moves) => {
        answer = make();
        let consumed = 0;
        answer.granted(100, (tokens) => {
          consumed += tokens;
        });
        const heard: GenerationEvent[] = [];
        const { next } = pull();
        let isWaiting = false;
        const take = async () => {
          if (isWaiting) return;
          isWaiting = true;
          const { value } = await next();
          isWaiting = false;
          if (value !== undefined) heard.push(value);
        };
        answer.accepted({ promptTokens: 1, cachedTokens: 0 });
        let made = 0;
        for (const { ids, pulls } of moves) {
          for (let index = 0; index < pulls; index++) {
            void take();
            await Promise.resolve();
          }
          const fresh = Array.from({ length: ids }, () => made++);
          answer.tokens(fresh, fresh.map((id) => `${id} `).join(''), 100 + made);
        }
        answer.finished({ reason: 'stop', usage: USAGE });
        while (heard.at(-1)?.type !== 'done') {
          await take();
          await Promise.resolve();
        }
        const deltas = heard.flatMap((event) => (event.type === 'delta' ? [event] : []));
        expect(deltas.flatMap(({ ids }) => ids)).toEqual(
          Array.from({ length: made }, (_, id) => id),
        );
        expect(deltas.map(({ text }) => text).join('')).toBe(
          Array.from({ length: made }, (_, id) => `${id} `).join(''),
        );
        expect(consumed).toBeLessThanOrEqual(made);
        expect(heard.map(({ type }) => type).slice(-2)).toEqual(['finished', 'done']);
      }),
      { numRuns: 200 },
    );
  });
});
