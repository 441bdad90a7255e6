import { expect, test } from 'vitest';

import { Restarts } from '../../../../src/orchestrator/pool/restarts.ts';

const LIMITS = { restartMax: 3, restartPeriodMs: 60_000, probeAfterMs: 30_000 };

test('three restarts in the period, the first at once, then none', () => {
  const restarts = new Restarts(LIMITS);
  const delays = [0, 1, 2, 3].map((nowMs) => restarts.died({ hadLoaded: true, nowMs }));
  expect(delays).toEqual([0, 100, 200, undefined]);
});

test('deaths outside the period do not count', () => {
  const restarts = new Restarts(LIMITS);
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 20_001) {
    expect(restarts.died({ hadLoaded: true, nowMs })).toBeDefined();
  }
});

test('loads that fail one after another count however long they take', () => {
  const restarts = new Restarts(LIMITS);
  const hours = [1, 2, 3, 4].map((hour) => hour * 3_600_000);
  const delays = hours.map((nowMs) => restarts.died({ hadLoaded: false, nowMs }));
  expect(delays).toEqual([0, 0, 0, undefined]);
});

test('a load that succeeds forgives the failed ones', () => {
  const restarts = new Restarts(LIMITS);
  for (let hour = 1; hour < 20; hour++) {
    expect(restarts.died({ hadLoaded: false, nowMs: hour * 3_600_000 })).toBe(0);
    if (hour % 3 === 0) restarts.loaded();
  }
});

test('no restart is allowed with a limit of 0', () => {
  const restarts = new Restarts({ ...LIMITS, restartMax: 0 });
  expect(restarts.died({ hadLoaded: true, nowMs: 0 })).toBeUndefined();
});

test('the pause is bounded, and a model that is tried anew starts anew', () => {
  const restarts = new Restarts({ ...LIMITS, restartMax: 50, restartPeriodMs: 1e9 });
  let longest = 0;
  for (let death = 0; death < 50; death++) {
    longest = Math.max(longest, restarts.died({ hadLoaded: true, nowMs: death }) ?? Infinity);
  }
  expect(longest).toBe(2_000);
  expect(restarts.died({ hadLoaded: true, nowMs: 51 })).toBeUndefined();
  restarts.forget();
  expect(restarts.died({ hadLoaded: true, nowMs: 52 })).toBe(0);
});

test('a failed model is tried again ever later, up to ten minutes', () => {
  const restarts = new Restarts(LIMITS);
  let nowMs = 0;
  const delays = Array.from({ length: 7 }, () => {
    const delayMs = restarts.failed(nowMs);
    nowMs += delayMs + 1_000;
    return delayMs / 1_000;
  });
  expect(delays).toEqual([30, 60, 120, 240, 480, 600, 600]);
});

test('one that was well for long after its probe begins anew', () => {
  const restarts = new Restarts(LIMITS);
  restarts.failed(0);
  restarts.failed(31_000);
  expect(restarts.failed(31_000 + 180_000)).toBe(30_000);
});
