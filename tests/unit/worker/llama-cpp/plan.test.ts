import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { planStep, type SequenceView } from '../../../../src/worker/backends/llama-cpp/plan.ts';

function sequence(slot: number, overrides: Partial<SequenceView> = {}): SequenceView {
  return {
    slot,
    priority: 'normal',
    order: slot,
    promptLeft: 0,
    paused: false,
    lastStep: 0,
    ...overrides,
  };
}

const together = (decoding: number) => decoding;
const quick = { batchTokens: 512, prefillTokensPerMs: 100, decodeRows: together, satOutMs: 0 };

describe('planStep', () => {
  test('a prompt alone fills the batch', () => {
    expect(planStep([sequence(0, { promptLeft: 2000 })], quick)).toEqual([
      { slot: 0, tokens: 512 },
    ]);
  });

  test.each([
    ['150 ms at the measured rate', 2, 300],
    ['longer on a slower machine, to be full', 0.5, 128],
    ['no more than 450 ms for that', 0.1, 45],
  ])('beside a running stream a chunk takes %s', (_why, prefillTokensPerMs, tokens) => {
    const budget = { ...quick, prefillTokensPerMs };
    expect(planStep([sequence(0), sequence(1, { promptLeft: 2000 })], budget)).toEqual([
      { slot: 0, tokens: 1 },
      { slot: 1, tokens },
    ]);
  });

  test('a chunk never shrinks below 16 tokens, or a slow machine would never finish a prompt', () => {
    const crawling = {
      batchTokens: 512,
      prefillTokensPerMs: 0.001,
      decodeRows: together,
      satOutMs: 0,
    };
    const plan = planStep([sequence(0), sequence(1, { promptLeft: 2000 })], crawling);
    expect(plan[1]).toEqual({ slot: 1, tokens: 16 });
  });

  test('before the first measurement a chunk is small', () => {
    const unknown = {
      batchTokens: 512,
      prefillTokensPerMs: undefined,
      decodeRows: together,
      satOutMs: 0,
    };
    const plan = planStep([sequence(0), sequence(1, { promptLeft: 2000 })], unknown);
    expect(plan[1]).toEqual({ slot: 1, tokens: 64 });
  });

  test('the higher class reads first, then the older request', () => {
    const plan = planStep(
      [
        sequence(0, { promptLeft: 40, priority: 'low', order: 1 }),
        sequence(1, { promptLeft: 400, order: 3 }),
        sequence(2, { promptLeft: 100, order: 2 }),
      ],
      quick,
    );
    expect(plan).toEqual([
      { slot: 1, tokens: 400 },
      { slot: 2, tokens: 100 },
    ]);
  });

  test('prompts are read one after the other, short ones together', () => {
    const long = [0, 1, 2].map((slot) => sequence(slot, { promptLeft: 200 }));
    expect(planStep(long, quick)).toEqual([{ slot: 0, tokens: 200 }]);
    const short = [0, 1, 2, 3].map((slot) => sequence(slot, { promptLeft: 50 }));
    expect(planStep(short, quick).map(({ slot }) => slot)).toEqual([0, 1, 2]);
  });

  test('low streams sit out while a high prompt is read, for half a second in a row', () => {
    const sequences = [
      sequence(0, { priority: 'low' }),
      sequence(1),
      sequence(2, { priority: 'high', promptLeft: 100 }),
    ];
    const slotsOf = (satOutMs: number) =>
      planStep(sequences, { ...quick, satOutMs }).map(({ slot }) => slot);
    expect(slotsOf(0)).toEqual([1, 2]);
    expect(slotsOf(499)).toEqual([1, 2]);
    expect(slotsOf(500)).toEqual([0, 1, 2]);
    // Who sits out is waiting all the same: the chunk stays bounded.
    const alone = [
      sequence(0, { priority: 'low' }),
      sequence(2, { priority: 'high', promptLeft: 900 }),
    ];
    expect(planStep(alone, { ...quick, prefillTokensPerMs: 1 })).toEqual([
      { slot: 2, tokens: 150 },
    ]);
    sequences[2] = sequence(2, { promptLeft: 100 });
    expect(slotsOf(0)).toEqual([0, 1, 2]);
  });

  test('a low prompt holds a running stream up for a third of the time', () => {
    const beside = (priority: 'normal' | 'low', prefillTokensPerMs: number) =>
      planStep([sequence(0), sequence(1, { priority, promptLeft: 900 })], {
        ...quick,
        prefillTokensPerMs,
      })[1]?.tokens;
    expect([beside('normal', 3), beside('low', 3)]).toEqual([450, 150]);
    expect([beside('normal', 0.2), beside('low', 0.2)]).toEqual([90, 30]);
  });

  test('where rows one by one are cheaper, streams take turns', () => {
    const budget = { ...quick, decodeRows: () => 1 };
    const streams = [sequence(0, { lastStep: 9 }), sequence(1, { lastStep: 8 })];
    expect(planStep(streams, budget)).toEqual([{ slot: 1, tokens: 1 }]);
    // A step with a prompt in it is long: nobody waits for the next one.
    expect(planStep([...streams, sequence(2, { promptLeft: 30 })], budget)).toHaveLength(3);
  });

  test('a stream whose reader is behind sits the step out', () => {
    expect(planStep([sequence(0, { paused: true }), sequence(1)], quick)).toEqual([
      { slot: 1, tokens: 1 },
    ]);
  });

  test('nothing to run is an empty plan', () => {
    expect(planStep([sequence(0, { paused: true })], quick)).toEqual([]);
  });

  test('every plan fits the batch, ascends, and decodes for everybody who can', () => {
    const views = fc.array(
      fc.record({
        priority: fc.constantFrom('high' as const, 'normal' as const, 'low' as const),
        promptLeft: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3000 })),
        paused: fc.boolean(),
        order: fc.nat(50),
        lastStep: fc.nat(50),
      }),
      { maxLength: 16 },
    );
    const rate = fc.option(fc.double({ min: 0.001, max: 50, noNaN: true }), { nil: undefined });
    fc.assert(
      fc.property(views, rate, (parts, prefillTokensPerMs) => {
        const sequences = parts.map((part, slot) => ({ slot, ...part }));
        const plan = planStep(sequences, {
          batchTokens: 512,
          prefillTokensPerMs,
          decodeRows: together,
          satOutMs: 500,
        });
        const slots = plan.map(({ slot }) => slot);
        expect(slots).toEqual([...new Set(slots)].sort((a, b) => a - b));
        expect(plan.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(512);
        for (const { slot, promptLeft, paused } of sequences) {
          const item = plan.find((entry) => entry.slot === slot);
          if (promptLeft === 0) expect(item?.tokens ?? 0).toBe(paused ? 0 : 1);
          else if (item !== undefined) expect(item.tokens).toBeLessThanOrEqual(promptLeft);
        }
        if (sequences.some(({ promptLeft, paused }) => promptLeft > 0 || !paused)) {
          expect(plan.length).toBeGreaterThan(0);
        }
      }),
    );
  });
});
