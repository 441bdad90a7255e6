import fc from 'fast-check';
import { expect, test } from 'vitest';

import { makeRandom, randomIds, randomWords } from '../../../../src/cli/bench/prompts.ts';

test('the same seed gives the same prompts, another seed others', () => {
  expect(randomWords(20, makeRandom(7))).toBe(randomWords(20, makeRandom(7)));
  expect(randomWords(20, makeRandom(7))).not.toBe(randomWords(20, makeRandom(8)));
});

test('ids are inside the vocabulary and clear of its ends', () => {
  fc.assert(
    fc.property(fc.integer({ min: 264, max: 300_000 }), fc.nat(), (vocabulary, seed) => {
      const ids = randomIds(50, vocabulary, makeRandom(seed));
      expect(ids).toHaveLength(50);
      expect(Math.min(...ids)).toBeGreaterThanOrEqual(Math.min(1000, Math.floor(vocabulary / 4)));
      expect(Math.max(...ids)).toBeLessThan(vocabulary - 8);
    }),
  );
});

test('random numbers fill their range', () => {
  const random = makeRandom(1);
  const values = Array.from({ length: 10_000 }, random);
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  expect(mean).toBeCloseTo(0.5, 1);
});
