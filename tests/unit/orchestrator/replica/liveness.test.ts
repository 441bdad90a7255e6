import { describe, expect, test } from 'vitest';

import { Liveness, type Work } from '../../../../src/orchestrator/replica/liveness.ts';

const LIMITS = {
  heartbeatIntervalMs: 1_000,
  heartbeatMisses: 3,
  stepFloorMs: 10_000,
  startTimeoutMs: 30_000,
};
const IDLE: Work = { isLoaded: true, active: 0, promptTokens: 0 };
const DECODING: Work = { isLoaded: true, active: 2, promptTokens: 0 };
const READING: Work = { isLoaded: true, active: 1, promptTokens: 4_000 };

describe('process clock', () => {
  test.each<[string, Work, number, string | undefined]>([
    ['three periods are allowed', IDLE, 3_000, undefined],
    ['more are not', IDLE, 3_001, 'no sign of life for 3001 ms, the limit is 3000 ms'],
    ['loading may be busy importing', { ...IDLE, isLoaded: false }, 30_000, undefined],
    ['but not for ever', { ...IDLE, isLoaded: false }, 30_001, 'no sign of life for 30001 ms'],
  ])('%s', (_why, work, atMs, verdict) => {
    const liveness = new Liveness(LIMITS, 0);
    const got = liveness.silence(work, atMs);
    if (verdict === undefined) expect(got).toBeUndefined();
    else expect(got).toContain(verdict);
  });

  test('time in which this process did not run counts for nobody', () => {
    const liveness = new Liveness(LIMITS, 0);
    liveness.restart(60_000);
    expect(liveness.silence(DECODING, 63_000)).toBeUndefined();
    expect(liveness.silence(DECODING, 63_001)).toBeDefined();
  });
});

test('a million periods with a heartbeat in each, half a period late: nobody is hung (row SP-039)', () => {
  const liveness = new Liveness(LIMITS, 0);
  for (let period = 1; period <= 1_000_000; period++) {
    liveness.heard(period * 1_000 + 500);
    if (liveness.silence(IDLE, period * 1_000 + 999) !== undefined) throw new Error(`${period}`);
  }
});

describe('step clock', () => {
  function beating(untilMs: number, steps: (atMs: number) => number): Liveness {
    const liveness = new Liveness(LIMITS, 0);
    for (let atMs = 0; atMs <= untilMs; atMs += 1_000) {
      liveness.heard(atMs);
      liveness.counted(steps(atMs), atMs);
    }
    return liveness;
  }

  test('an idle worker has none', () => {
    expect(beating(3_600_000, () => 7).standstill(IDLE, 3_600_000)).toBeUndefined();
  });

  test('heartbeats alone do not save a loop that stands still: 60 s until rates are known', () => {
    expect(beating(60_000, () => 0).standstill(DECODING, 60_000)).toBeUndefined();
    expect(beating(61_000, () => 0).standstill(DECODING, 61_000)).toContain(
      'no step for 61000 ms, the limit is 60000 ms',
    );
  });

  test('with known fast steps the limit is the floor', () => {
    const liveness = beating(30_000, (atMs) => Math.min(atMs, 19_000) / 20);
    expect(liveness.stepLimitMs(DECODING)).toBe(10_000);
    expect(liveness.standstill(DECODING, 30_000)).toContain('no step for 11000 ms');
  });

  test('slow steps are allowed eight times their length', () => {
    const liveness = beating(40_000, (atMs) => Math.floor(atMs / 4_000));
    expect(liveness.stepLimitMs(DECODING)).toBe(32_000);
  });

  test('the slowest step is forgotten slowly', () => {
    const liveness = beating(10_000, (atMs) => Math.floor(atMs / 5_000));
    expect(liveness.stepLimitMs(DECODING)).toBe(40_000);
    liveness.counted(3, 11_000);
    expect(liveness.stepLimitMs(DECODING)).toBe(36_000);
  });

  test('a chunk of a long prompt is allowed what its tokens take', () => {
    const liveness = beating(30_000, (atMs) => atMs / 20);
    expect(liveness.stepLimitMs(READING)).toBe(60_000);
    liveness.prefilled(100, 10_000);
    expect(liveness.stepLimitMs(READING)).toBe(8 * 512 * 100);
    expect(liveness.stepLimitMs({ ...READING, promptTokens: 50 })).toBe(8 * 50 * 100);
  });

  test('starts when the work starts, and anew with each sign of it', () => {
    const liveness = beating(100_000, () => 0);
    liveness.began(100_000);
    liveness.heard(160_000);
    expect(liveness.standstill(DECODING, 160_000)).toBeUndefined();
    liveness.moved(160_000);
    liveness.heard(220_000);
    expect(liveness.standstill(DECODING, 220_000)).toBeUndefined();
    liveness.heard(220_001);
    expect(liveness.standstill(DECODING, 220_001)).toBeDefined();
  });
});
