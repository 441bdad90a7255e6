import { describe, expect, test } from 'vitest';

import { ParentSilence } from '../../../src/worker/parent-silence.ts';

const SETTINGS = { intervalMs: 1_000, misses: 3, silenceLimitMs: 30_000, dependent: true };

describe('ParentSilence', () => {
  test('a million periods with a tick in each end nothing (row SP-039)', () => {
    const silence = new ParentSilence(SETTINGS, 0);
    for (let second = 1; second <= 1_000_000; second++) {
      silence.heard(second * 1_000 - 300);
      if (silence.look(second * 1_000) !== undefined) throw new Error(`ended at ${second} s`);
    }
  });

  test('the limit is met, and one more is too many', () => {
    const silence = new ParentSilence(SETTINGS, 0);
    for (let second = 1; second <= 30; second++)
      expect(silence.look(second * 1_000)).toBeUndefined();
    expect(silence.look(31_000)).toBe('end');
  });

  test('a look that comes late counts for nobody: the machine slept', () => {
    const silence = new ParentSilence(SETTINGS, 0);
    silence.look(1_000);
    expect(silence.look(3_600_000)).toBeUndefined();
    for (let second = 1; second <= 30; second++) silence.look(3_600_000 + second * 1_000);
    expect(silence.look(3_631_000)).toBe('end');
  });

  test('an independent one is told once for each silence (row SP-028)', () => {
    const silence = new ParentSilence({ ...SETTINGS, dependent: false }, 0);
    const verdicts = (fromS: number, toS: number) =>
      Array.from({ length: toS - fromS }, (_, index) => silence.look((fromS + index + 1) * 1_000));
    expect(verdicts(0, 100).filter((verdict) => verdict === 'warn')).toHaveLength(1);
    silence.heard(100_000);
    expect(verdicts(100, 140).filter((verdict) => verdict === 'warn')).toHaveLength(1);
  });
});
