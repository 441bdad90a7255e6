import { expect, test } from 'vitest';

import { Restarts } from '../../../src/orchestrator/restarts.ts';

const LIMITS = { restartMax: 3, restartPeriodMs: 60_000 };

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
  const restarts = new Restarts({ restartMax: 50, restartPeriodMs: 1e9 });
  let longest = 0;
  for (let death = 0; death < 50; death++) {
    longest = Math.max(longest, restarts.died({ hadLoaded: true, nowMs: death }) ?? Infinity);
  }
  expect(longest).toBe(2_000);
  expect(restarts.died({ hadLoaded: true, nowMs: 51 })).toBeUndefined();
  restarts.forget();
  expect(restarts.died({ hadLoaded: true, nowMs: 52 })).toBe(0);
});
