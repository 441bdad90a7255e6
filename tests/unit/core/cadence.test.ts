import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { makeRandom } from '../../../src/cli/bench/prompts.ts';
import { Cadence } from '../../../src/core/cadence.ts';

describe('Cadence', () => {
  test('a million periods, each looked at late, drift by nothing (row SP-039)', () => {
    const random = makeRandom(1);
    const cadence = new Cadence(1_000, 0);
    let nowMs = 0;
    for (let beat = 1; beat <= 1_000_000; beat++) {
      nowMs += cadence.delayMs(nowMs) + random() * 400;
      const lateMs = nowMs - beat * 1_000;
      if (lateMs < 0 || lateMs > 400) throw new Error(`beat ${beat} is ${lateMs} ms late`);
    }
  });

  test('beats that were missed are left out, not made up for', () => {
    const cadence = new Cadence(1_000, 0);
    expect(cadence.delayMs(0)).toBe(1_000);
    expect(cadence.delayMs(61_300)).toBe(700);
  });

  test('a timer that fires a little early does not fire twice', () => {
    const cadence = new Cadence(100, 0);
    expect(cadence.delayMs(99.4)).toBeCloseTo(100.6);
  });

  test('the next beat is always ahead, by less than a period and a quarter', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 1e5, noNaN: true }),
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        (periodMs, startMs, afterMs) => {
          const delayMs = new Cadence(periodMs, startMs).delayMs(startMs + afterMs);
          expect(delayMs).toBeGreaterThan(0.249 * periodMs - 1e-3);
          expect(delayMs).toBeLessThan(1.251 * periodMs + 1e-3);
        },
      ),
    );
  });
});
