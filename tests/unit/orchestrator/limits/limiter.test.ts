/** Limits are exact: no window over its limit, and a retry at the time that was said is let in. MX-010…017. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Limiter } from '../../../../src/orchestrator/limits/limiter.ts';
import { SlidingWindow } from '../../../../src/orchestrator/limits/sliding-window.ts';

interface Try {
  readonly afterMs: number;
  readonly amount: number;
}

const tries = fc.array(fc.record({ afterMs: fc.nat(40), amount: fc.integer({ min: 1, max: 5 }) }), {
  maxLength: 60,
});

/** What is let in, and when. */
function run(window: SlidingWindow, schedule: readonly Try[]): { atMs: number; amount: number }[] {
  const passed: { atMs: number; amount: number }[] = [];
  let nowMs = 0;
  for (const { afterMs, amount } of schedule) {
    nowMs += afterMs;
    if (window.delayMs(amount, nowMs) > 0) continue;
    window.spend(amount, nowMs);
    passed.push({ atMs: nowMs, amount });
  }
  return passed;
}

describe('SlidingWindow', () => {
  test('no window at any instant holds more than the limit', () => {
    fc.assert(
      fc.property(
        tries,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 100 }),
        (schedule, limit, windowMs) => {
          const passed = run(new SlidingWindow(limit, windowMs), schedule);
          for (const { atMs: end } of passed) {
            const inside = passed.filter(({ atMs }) => atMs <= end && atMs > end - windowMs);
            expect(inside.reduce((sum, { amount }) => sum + amount, 0)).toBeLessThanOrEqual(limit);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('what is said to be the first instant is: then it is let in, a millisecond before it is not', () => {
    fc.assert(
      fc.property(tries, fc.integer({ min: 1, max: 5 }), (schedule, amount) => {
        const window = new SlidingWindow(7, 50);
        run(window, schedule);
        const nowMs = schedule.reduce((sum, { afterMs }) => sum + afterMs, 0);
        const delayMs = window.delayMs(amount, nowMs);
        if (delayMs > 0) expect(window.delayMs(amount, nowMs + delayMs - 1)).toBe(1);
        expect(window.delayMs(amount, nowMs + delayMs)).toBe(0);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a refusal changes nothing', () => {
    fc.assert(
      fc.property(tries, (schedule) => {
        const [asked, silent] = [new SlidingWindow(7, 50), new SlidingWindow(7, 50)];
        let nowMs = 0;
        for (const { afterMs, amount } of schedule) {
          nowMs += afterMs;
          for (let i = 0; i < 3; i++) asked.delayMs(amount + i, nowMs);
          const delayMs = silent.delayMs(amount, nowMs);
          expect(asked.delayMs(amount, nowMs)).toBe(delayMs);
          if (delayMs > 0) continue;
          for (const window of [asked, silent]) window.spend(amount, nowMs);
        }
        expect(asked.state(nowMs)).toEqual(silent.state(nowMs));
      }),
    );
  });

  test('more than the limit never fits', () => {
    expect(new SlidingWindow(5, 50).delayMs(6, 0)).toBe(Number.POSITIVE_INFINITY);
  });

  test('settling frees what was reserved and not used, and never what has left', () => {
    const window = new SlidingWindow(10, 100);
    const first = window.spend(8, 0);
    expect(window.delayMs(5, 10)).toBe(90);
    window.settle(first, 2, 10);
    expect(window.delayMs(5, 10)).toBe(0);
    const late = window.spend(5, 10);
    window.settle(late, 1, 110);
    expect(window.state(110)).toEqual({ limit: 10, remaining: 10, resetMs: 0 });
  });
});

describe('Limiter', () => {
  const each = { requestsPerMinute: 5, burst: 2, tokensPerMinute: 100 };
  const make = (all = {}) => new Limiter({ each, all, burstWindowMs: 1_000 });
  const delayMs = (limiter: Limiter, tenant: string, tokens: number, nowMs: number) =>
    limiter.refusal(tenant, tokens, nowMs)?.delayMs ?? 0;
  const spend = (limiter: Limiter, tenant: string, tokens: number, nowMs: number) => {
    limiter.spendRequest(tenant, nowMs);
    return limiter.spendTokens(tenant, tokens, nowMs);
  };

  test('every window must have room, and the one that holds up longest is named', () => {
    const limiter = make();
    spend(limiter, 't', 1, 0);
    spend(limiter, 't', 1, 0);
    const burst = { limit: 'burst', allows: 2, delayMs: 600, of: 'tenant' };
    expect(limiter.refusal('t', 1, 400)).toEqual(burst);
    spend(limiter, 't', 1, 1_000);
    spend(limiter, 't', 1, 1_000);
    spend(limiter, 't', 1, 2_000);
    const requests = { limit: 'requestsPerMinute', allows: 5, delayMs: 58_000, of: 'tenant' };
    expect(limiter.refusal('t', 1, 2_000)).toEqual(requests);
    expect(limiter.refusal('t', 1, 60_000)).toBeUndefined();
    expect(delayMs(limiter, 't', 101, 60_000)).toBe(Number.POSITIVE_INFINITY);
  });

  test('new limits count what was spent before, but for a window of another length', () => {
    const limiter = make();
    for (const atMs of [0, 0]) spend(limiter, 't', 30, atMs);
    const less = { each: { requestsPerMinute: 3, burst: 2, tokensPerMinute: 70 }, all: {} };
    limiter.setLimits({ ...less, burstWindowMs: 1_000 });
    limiter.fit('t', {});
    expect(limiter.refusal('t', 20, 500)).toMatchObject({ limit: 'tokensPerMinute', allows: 70 });
    expect(limiter.refusal('t', 10, 500)).toMatchObject({ limit: 'burst', delayMs: 500 });
    limiter.setLimits({ ...less, burstWindowMs: 2_000 });
    limiter.fit('t', {});
    expect(limiter.refusal('t', 10, 500)).toBeUndefined();
    spend(limiter, 't', 10, 500);
    expect(limiter.refusal('t', 0, 5_000)).toMatchObject({ limit: 'requestsPerMinute' });
    limiter.setLimits({ each: {}, all: { requestsPerMinute: 1 }, burstWindowMs: 1_000 });
    limiter.fit('t', {});
    expect(limiter.refusal('t', 1e6, 5_000)).toBeUndefined();
    spend(limiter, 't', 1, 5_000);
    expect(limiter.refusal('other', 1, 5_000)).toMatchObject({ of: 'all', allows: 1 });
  });

  test('tokens are reserved, then settled; tenants do not share', () => {
    const limiter = make();
    const settle = spend(limiter, 'a', 90, 0);
    expect(delayMs(limiter, 'a', 20, 5_000)).toBe(55_000);
    expect(delayMs(limiter, 'b', 20, 5_000)).toBe(0);
    settle(30, 5_000);
    expect(delayMs(limiter, 'a', 20, 5_000)).toBe(0);
    expect(limiter.state('a', 5_000)).toEqual({
      requests: { limit: 5, remaining: 4, resetMs: 55_000 },
      tokens: { limit: 100, remaining: 70, resetMs: 55_000 },
    });
  });

  test('all of them together have a limit beside their own, and the tighter one is reported', () => {
    const limiter = make({ requestsPerMinute: 3, tokensPerMinute: 120 });
    for (const tenant of ['a', 'b', 'c']) spend(limiter, tenant, 10, 0);
    expect(limiter.refusal('d', 10, 1_000)).toEqual({
      limit: 'requestsPerMinute',
      allows: 3,
      delayMs: 59_000,
      of: 'all',
    });
    expect(limiter.state('d', 1_000)).toEqual({
      requests: { limit: 3, remaining: 0, resetMs: 59_000 },
      tokens: { limit: 120, remaining: 90, resetMs: 59_000 },
    });
  });

  test("a tenant's own limits go over those of everybody, and may change while it is at work", () => {
    const limiter = make();
    limiter.fit('t', { requestsPerMinute: 100, burst: 100 });
    for (let i = 0; i < 50; i++) spend(limiter, 't', 1, 0);
    expect(limiter.refusal('t', 1, 1)).toBeUndefined();
    limiter.fit('t', { requestsPerMinute: 40, burst: 100 });
    expect(limiter.refusal('t', 1, 1)).toMatchObject({
      limit: 'requestsPerMinute',
      delayMs: 59_999,
    });
    limiter.fit('t', {});
    expect(limiter.state('t', 1)?.requests).toEqual({ limit: 5, remaining: 0, resetMs: 59_999 });
  });

  test('where nothing is limited nothing is refused and nothing is said', () => {
    const limiter = new Limiter({ each: {}, all: {}, burstWindowMs: 1_000 });
    for (let i = 0; i < 1_000; i++) spend(limiter, 't', 1_000_000, 0);
    expect(limiter.refusal('t', 1_000_000, 0)).toBeUndefined();
    expect(limiter.state('t', 0)).toBeUndefined();
  });

  test('a program that obeys what it is told is let in each time', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 40 }), (asks) => {
        const limiter = make({ tokensPerMinute: 150 });
        let nowMs = 0;
        for (const tokens of asks) {
          nowMs += delayMs(limiter, 't', tokens, nowMs);
          expect(delayMs(limiter, 't', tokens, nowMs)).toBe(0);
          spend(limiter, 't', tokens, nowMs);
        }
      }),
    );
  });
});
