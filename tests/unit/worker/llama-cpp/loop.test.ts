/** The step loop on an executor that computes nothing: each token is the one before it plus one. */
import { describe, expect, test } from 'vitest';

import type { CallEnd, GenerateJob, SequenceTokens, Sink } from '../../../../src/worker/backend.ts';
import type { Executor, StepItem } from '../../../../src/worker/backends/llama-cpp/executor.ts';
import { Constraint } from '../../../../src/worker/backends/llama-cpp/grammar/constraint.ts';
import { Spelling } from '../../../../src/worker/backends/llama-cpp/grammar/spelling.ts';
import { StepLoop } from '../../../../src/worker/backends/llama-cpp/loop.ts';
import { noToken } from '../../../../src/worker/backends/llama-cpp/no-token.ts';
import { Sequence } from '../../../../src/worker/backends/llama-cpp/sequence.ts';
import { Vocabulary } from '../../../../src/worker/backends/llama-cpp/vocabulary.ts';
import { GREEDY } from '../../../support/greedy.ts';

const END = 0;
const VOCABULARY_SIZE = 100;

class CountingExecutor implements Executor {
  readonly batchTokens = 32;
  readonly steps: (readonly StepItem[])[] = [];
  readonly kept: [slot: number, keepTokens: number][] = [];
  disposed = 0;
  failNext = false;
  /** In this slot nothing is left to choose from, the next time. */
  noTokenIn: number | undefined;
  canForgetPart = true;
  threads = 1;
  isStepping = false;

  createSampler() {
    return {
      dispose: () => {
        this.disposed++;
      },
    };
  }

  setThreads(threads: number) {
    if (this.isStepping) throw new Error('while a native call runs');
    this.threads = threads;
  }

  async step(items: readonly StepItem[]) {
    this.isStepping = true;
    await new Promise((resolve) => setImmediate(resolve));
    this.isStepping = false;
    if (this.failNext) {
      this.failNext = false;
      throw new Error('no memory');
    }
    this.steps.push(items);
    return items.map(({ slot, tokens, sampler }) => {
      if (sampler === undefined) return undefined;
      if (slot === this.noTokenIn) {
        this.noTokenIn = undefined;
        return noToken({ logitBias: [] }, true);
      }
      return (tokens.at(-1)! + 1) % VOCABULARY_SIZE;
    });
  }

  async truncate(slot: number, keepTokens: number) {
    this.kept.push([slot, keepTokens]);
    return this.canForgetPart || keepTokens === 0;
  }

  async close() {}
}

class Recorder implements Sink {
  readonly acceptedCalls = new Map<number, { promptTokens: number; cachedTokens: number }>();
  readonly news: SequenceTokens[] = [];
  readonly ends = new Map<number, CallEnd | { code: string }>();
  readonly #waiters: { test: () => boolean; resolve: () => void }[] = [];

  loadProgress() {}
  log() {}
  accepted({ call, ...counts }: Parameters<Sink['accepted']>[0]) {
    this.acceptedCalls.set(call, counts);
    this.#look();
  }
  tokens(sequences: readonly SequenceTokens[]) {
    this.news.push(...sequences);
    this.#look();
  }
  finished(end: CallEnd) {
    expect(this.ends.has(end.call)).toBe(false);
    this.ends.set(end.call, end);
    this.#look();
  }
  failed(call: number, { code }: { code: string }) {
    expect(this.ends.has(call)).toBe(false);
    this.ends.set(call, { code });
    this.#look();
  }

  idsOf(call: number): number[] {
    return this.news.filter((entry) => entry.call === call).flatMap(({ ids }) => ids);
  }

  until(test: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push({ test, resolve });
      this.#look();
    });
  }

  #look() {
    for (const waiter of this.#waiters) if (waiter.test()) waiter.resolve();
  }
}

const vocabulary = new Vocabulary({
  kind: 'gpt2',
  tokens: Array.from({ length: VOCABULARY_SIZE }, (_, id) => String.fromCharCode(33 + (id % 90))),
  types: Array.from({ length: VOCABULARY_SIZE }, () => 1),
  isEndOfGeneration: (id) => id === END,
  detokenize: String,
});

function job(call: number, overrides: Partial<GenerateJob> = {}): GenerateJob {
  return {
    call,
    requestId: `r${call}`,
    tenant: 't',
    priority: 'normal',
    prompt: { text: '' },
    sampling: GREEDY,
    maxTokens: 4,
    stops: [],
    echo: false,
    creditTokens: 256,
    ...overrides,
  };
}

function setUp({ slots = 2 } = {}) {
  const executor = new CountingExecutor();
  const sink = new Recorder();
  const loop = new StepLoop(executor, { slots, sink });
  let order = 0;
  const add = (
    call: number,
    prompt: readonly number[],
    overrides: Partial<GenerateJob> = {},
    constraint?: Promise<Constraint>,
  ) => {
    const sequence = new Sequence({
      job: job(call, overrides),
      prompt,
      order: ++order,
      vocabulary,
      contextTokens: 64,
    });
    loop.add(sequence, constraint);
  };
  return { executor, sink, loop, add };
}

const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);

describe('StepLoop', () => {
  test('continues the prompt until the limit', async () => {
    const { sink, loop, add } = setUp();
    add(1, [5, 6]);
    await sink.until(() => sink.ends.has(1));
    expect(sink.idsOf(1)).toEqual([7, 8, 9, 10]);
    expect(sink.ends.get(1)).toMatchObject({
      reason: 'length',
      promptTokens: 2,
      generatedTokens: 4,
    });
    await loop.close();
  });

  test("the model's own end is a stop, and is not counted", async () => {
    const { sink, loop, add } = setUp();
    add(1, [97]);
    await sink.until(() => sink.ends.has(1));
    expect(sink.idsOf(1)).toEqual([98, 99]);
    expect(sink.ends.get(1)).toMatchObject({ reason: 'stop', generatedTokens: 2 });
    await loop.close();
  });

  test('the rest of the context is the limit where none is given', async () => {
    const { sink, loop, add } = setUp();
    add(1, range(1, 60), { maxTokens: undefined });
    await sink.until(() => sink.ends.has(1));
    expect(sink.ends.get(1)).toMatchObject({ reason: 'length', generatedTokens: 4 });
    await loop.close();
  });

  test('a call added while the loop settles its members is not slept through', async () => {
    const { sink, loop, add } = setUp({ slots: 1 });
    for (let call = 1; call <= 50; call++) {
      add(call, [5], { maxTokens: 1 });
      await sink.until(() => sink.ends.has(call));
    }
    expect(sink.ends.size).toBe(50);
    await loop.close();
  });

  test('sequences that decode share a step, in ascending slots', async () => {
    const { executor, sink, loop, add } = setUp({ slots: 5 });
    // Five: fewer may take turns, as the clock has it.
    for (const call of [1, 2, 3, 4, 5]) add(call, [5 * call], { maxTokens: 6 });
    await sink.until(() => sink.ends.size === 5);
    const shared = executor.steps.filter((items) => items.length === 5);
    expect(shared.length).toBeGreaterThan(3);
    for (const items of shared) expect(items.map(({ slot }) => slot)).toEqual([0, 1, 2, 3, 4]);
    await loop.close();
  });

  test('a long prompt is read in chunks while a stream runs on', async () => {
    const { executor, sink, loop, add } = setUp();
    add(1, [5], { maxTokens: 20 });
    await sink.until(() => sink.news.length > 0);
    add(2, range(1, 60), { maxTokens: 1 });
    await sink.until(() => sink.ends.size === 2);
    const mixed = executor.steps.filter((items) =>
      items.some(({ slot, tokens }) => slot === 1 && tokens.length > 1),
    );
    expect(mixed.length).toBeGreaterThan(1);
    for (const items of mixed) expect(items[0]).toMatchObject({ slot: 0, tokens: { length: 1 } });
    await loop.close();
  });

  test('the next turn finds its prefix, and only the rest is computed', async () => {
    const { executor, sink, loop, add } = setUp();
    add(1, range(1, 20));
    await sink.until(() => sink.ends.has(1));
    add(2, [...range(1, 24), 50]);
    await sink.until(() => sink.ends.has(2));
    // 20 of the prompt and 3 of the 4 generated: the last one was never evaluated.
    expect(sink.acceptedCalls.get(2)).toEqual({ promptTokens: 25, cachedTokens: 23 });
    const first = executor.steps.find((items) => items[0]?.tokens.includes(50));
    expect(first?.[0]).toMatchObject({ position: 23, tokens: [24, 50] });
    await loop.close();
  });

  test('a model that cannot forget a part reads its prompt anew', async () => {
    const { executor, sink, loop, add } = setUp({ slots: 1 });
    executor.canForgetPart = false;
    add(1, range(1, 20));
    await sink.until(() => sink.ends.has(1));
    add(2, [...range(1, 10), 50]);
    await sink.until(() => sink.ends.has(2));
    expect(sink.acceptedCalls.get(2)).toEqual({ promptTokens: 11, cachedTokens: 0 });
    await loop.close();
  });

  test('cancel frees the slot within a step: the waiting call gets it', async () => {
    const { executor, sink, loop, add } = setUp({ slots: 1 });
    add(1, [5], { maxTokens: 50 });
    add(2, [20]);
    await sink.until(() => sink.idsOf(1).length > 2);
    const before = executor.steps.length;
    loop.cancel(1);
    await sink.until(() => sink.ends.has(1));
    expect(executor.steps.length - before).toBeLessThanOrEqual(1);
    expect(sink.ends.get(1)).toMatchObject({ reason: 'cancelled' });
    await sink.until(() => sink.ends.has(2));
    expect(sink.ends.get(2)).toMatchObject({ reason: 'length' });
    await loop.close();
  });

  test('cancel inside a prompt stops reading it', async () => {
    const { executor, sink, loop, add } = setUp();
    add(1, range(1, 60));
    await sink.until(() => sink.acceptedCalls.has(1));
    loop.cancel(1);
    await sink.until(() => sink.ends.has(1));
    expect(executor.steps.length).toBeLessThanOrEqual(1);
    expect(sink.ends.get(1)).toMatchObject({ reason: 'cancelled', generatedTokens: 0 });
    await loop.close();
  });

  test('a call cancelled while it waits never gets a slot', async () => {
    const { sink, loop, add } = setUp({ slots: 1 });
    add(1, [5], { maxTokens: 30 });
    add(2, [20]);
    await sink.until(() => sink.acceptedCalls.has(1));
    loop.cancel(2);
    await sink.until(() => sink.ends.size === 2);
    expect(sink.acceptedCalls.has(2)).toBe(false);
    await loop.close();
  });

  test('a stream pauses when its credit is used up, and goes on with more', async () => {
    const { sink, loop, add } = setUp();
    add(1, [5], { maxTokens: 6, creditTokens: 2 });
    add(2, [20], { maxTokens: 10 });
    await sink.until(() => sink.ends.has(2));
    expect(sink.idsOf(1)).toEqual([6, 7]);
    loop.credit(1, 10);
    await sink.until(() => sink.ends.has(1));
    expect(sink.idsOf(1)).toEqual([6, 7, 8, 9, 10, 11]);
    await loop.close();
  });

  test('a failed step fails its calls, empties their slots and goes on', async () => {
    const { executor, sink, loop, add } = setUp();
    executor.failNext = true;
    add(1, [5]);
    await sink.until(() => sink.ends.has(1));
    expect(sink.ends.get(1)).toEqual({ code: 'internal' });
    expect(executor.kept).toContainEqual([0, 0]);
    add(2, [20]);
    await sink.until(() => sink.ends.has(2));
    expect(sink.ends.get(2)).toMatchObject({ reason: 'length' });
    await loop.close();
  });

  test('MX-004 a call without a token to choose fails alone, and its slot is empty', async () => {
    const { executor, sink, loop, add } = setUp();
    add(1, [5], { maxTokens: 20 });
    add(2, [20], { maxTokens: 20 });
    await sink.until(() => sink.idsOf(1).length > 1 && sink.idsOf(2).length > 1);
    executor.noTokenIn = 1;
    await sink.until(() => sink.ends.size === 2);
    expect(sink.ends.get(1)).toMatchObject({ reason: 'length', generatedTokens: 20 });
    expect(sink.ends.get(2)).toEqual({ code: 'unsupported_parameter' });
    expect(executor.kept).toContainEqual([1, 0]);
    expect(executor.disposed).toBe(2);
    await loop.close();
  });

  test('MX-004 others pass a call whose constraint is not there yet, and it can be cancelled', async () => {
    const { sink, loop, add } = setUp({ slots: 1 });
    const grammar = { hash: '0'.repeat(64), text: 'root ::= "a"' };
    const { promise, resolve } = Promise.withResolvers<Constraint>();
    add(1, [5], { grammar }, promise);
    add(2, [5], { grammar }, promise);
    add(3, [20]);
    await sink.until(() => sink.ends.has(3));
    expect(sink.acceptedCalls.has(1)).toBe(false);
    expect(loop.stats()).toMatchObject({ waiting: 2 });
    loop.cancel(2);
    await sink.until(() => sink.ends.has(2));
    expect(sink.ends.get(2)).toMatchObject({ reason: 'cancelled' });
    resolve(new Constraint(grammar, await Spelling.read(vocabulary)));
    await sink.until(() => sink.ends.has(1));
    expect(sink.ends.get(1)).toMatchObject({ reason: 'length' });
    await loop.close();
  });

  test('threads change between two steps, also with nothing to do', async () => {
    const { executor, sink, loop, add } = setUp();
    add(1, [5], { maxTokens: 20 });
    await sink.until(() => sink.news.length > 0);
    loop.setThreads(3);
    await sink.until(() => sink.ends.has(1));
    expect([executor.threads, loop.stats().threads]).toEqual([3, 3]);
    loop.setThreads(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(executor.threads).toBe(2);
    await loop.close();
  });

  test('close ends every call once and frees every sampler', async () => {
    const { executor, sink, loop, add } = setUp({ slots: 1 });
    add(1, [5], { maxTokens: 50 });
    add(2, [20]);
    await sink.until(() => sink.news.length > 0);
    await loop.close();
    expect(sink.ends.get(1)).toMatchObject({ reason: 'cancelled' });
    expect(sink.ends.get(2)).toMatchObject({ reason: 'cancelled' });
    expect(executor.disposed).toBe(1);
    expect(loop.stats()).toMatchObject({ active: 0, waiting: 0 });
  });
});
