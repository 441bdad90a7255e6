/** Who goes when another model needs the memory: the least recently used, and no more than it takes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { MemoryBudget } from '../../../../src/orchestrator/memory/memory-budget.ts';

const amount = fc.integer({ min: 1, max: 50 });
const IDLE = { model: 'a', usedMs: 0, isIdle: true };
const residents = fc.uniqueArray(
  fc.record({
    model: fc.integer({ min: 0, max: 20 }).map(String),
    bytes: amount,
    usedMs: fc.nat(),
    isIdle: fc.boolean(),
  }),
  { selector: ({ model }) => model, maxLength: 10 },
);

test('what is left after the evictions is enough, and without the last of them it would not be', () => {
  fc.assert(
    fc.property(residents, amount, (loaded, need) => {
      const budget = new MemoryBudget(100);
      for (const { model, bytes } of loaded) budget.reserve(`${model}-1`, model, bytes);
      const free = budget.freeBytes;
      const models = budget.evictionsFor(need, loaded)?.map(({ model }) => model);
      if (models === undefined) {
        for (const { model } of loaded) budget.release(`${model}-1`);
        expect(budget.freeBytes).toBeLessThan(need);
        return;
      }
      const gone = models.map((name) => loaded.find(({ model }) => model === name)!);
      const order = gone.toSorted(
        (a, b) => Number(b.isIdle) - Number(a.isIdle) || a.usedMs - b.usedMs,
      );
      expect(gone).toEqual(order);
      const [last, ...others] = models.toReversed();
      for (const model of others) budget.release(`${model}-1`);
      if (last !== undefined) expect(budget.freeBytes).toBeLessThan(need);
      else expect(free).toBeGreaterThanOrEqual(need);
    }),
  );
});

test('nothing is evicted while there is room, and nobody who may not be', () => {
  const budget = new MemoryBudget(100);
  budget.reserve('a-1', 'a', 60);
  expect(budget.evictionsFor(40, [IDLE])).toEqual([]);
  expect(budget.evictionsFor(41, [IDLE])).toEqual([IDLE]);
  expect(budget.evictionsFor(41, [])).toBeUndefined();
  expect(budget.evictionsFor(101, [IDLE])).toBeUndefined();
});

test('a model with two workers frees what both hold', () => {
  const budget = new MemoryBudget(100);
  budget.reserve('a-1', 'a', 30);
  budget.reserve('a-2', 'a', 30);
  budget.reserve('b-1', 'b', 30);
  const [a, b] = ['a', 'b'].map((model, usedMs) => ({ model, usedMs, isIdle: true }));
  expect(budget.evictionsFor(70, [a!, b!])).toEqual([a]);
  expect(budget.evictionsFor(71, [a!, b!])).toEqual([a, b]);
  // An idle one goes before a busy one that was used longer ago.
  expect(budget.evictionsFor(40, [{ ...a!, isIdle: false }, b!])).toEqual([b]);
});

test('a model that takes more than was thought leaves nothing, and never less than nothing', () => {
  const budget = new MemoryBudget(100);
  budget.reserve('a-1', 'a', 60);
  budget.reserve('a-1', 'a', 130);
  expect([budget.freeBytes, budget.isEmpty, budget.has('a-1')]).toEqual([0, false, true]);
  budget.release('a-1');
  expect([budget.freeBytes, budget.isEmpty, budget.has('a-1')]).toEqual([100, true, false]);
});
