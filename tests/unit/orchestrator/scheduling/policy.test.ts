/** Who is next among those that wait: shares, ageing, tenants, the high lane. Rows MX-008, MX-009. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { PRIORITIES, type Priority } from '../../../../src/core/priority.ts';
import type { Effects } from '../../../../src/orchestrator/scheduling/effects.ts';
import { Scheduler } from '../../../../src/orchestrator/scheduling/scheduler.ts';

const WEIGHTS = { high: 8, normal: 3, low: 1 };
const NEVER = { high: 1e9, normal: 1e9, low: 1e9 };

interface Ask {
  readonly priority: Priority;
  readonly tenant?: string;
  readonly promptTokens?: number;
  readonly cachedTokens?: number;
  readonly maxTokens?: number;
}

/** One model and a clock; requests are ended by hand, in the order in which they were granted. */
class Desk implements Effects {
  readonly scheduler: Scheduler;
  readonly asked = new Map<number, Ask & { readonly atMs: number }>();
  readonly running: number[] = [];
  readonly granted_: number[] = [];
  readonly preempted_: number[] = [];
  readonly tokens = { high: 0, normal: 0, low: 0 };
  nowMs = 0;
  readonly #read = new Set<number>();
  #keys = 0;

  constructor({ slots = 1, spare = 0, agedAfterMs = NEVER } = {}) {
    this.scheduler = new Scheduler(
      ['m'],
      {
        queueDepthMax: 1e6,
        queueDepthHighSpare: 0,
        queueTimeoutMs: NEVER,
        weights: WEIGHTS,
        agedAfterMs,
      },
      this,
    );
    this.scheduler.handle({ type: 'ready', model: 'm', replica: 1, slots, spare }, 0);
  }

  weigh(weights: Readonly<Record<Priority, number>>): void {
    this.scheduler.setLimits({
      queueDepthMax: 1e6,
      queueDepthHighSpare: 0,
      queueTimeoutMs: NEVER,
      weights,
      agedAfterMs: NEVER,
    });
  }

  ask({
    priority,
    tenant = 't',
    promptTokens = 10,
    maxTokens = 10,
    cachedTokens = 0,
  }: Ask): number {
    const key = this.#keys++;
    this.asked.set(key, {
      priority,
      tenant,
      promptTokens,
      maxTokens,
      cachedTokens,
      atMs: this.nowMs,
    });
    const parts = { key, priority, tenant, model: 'm', units: 1 };
    this.scheduler.handle({ type: 'submitted', ...parts }, this.nowMs);
    this.#readPrompts();
    return key;
  }

  /** The oldest running request has generated all that it may. */
  end(): number {
    const key = this.running.shift()!;
    const { priority, promptTokens, maxTokens } = this.asked.get(key)!;
    this.tokens[priority] += promptTokens! + maxTokens!;
    this.touch(key, maxTokens!);
    this.scheduler.handle({ type: 'ended', key }, this.nowMs);
    this.#readPrompts();
    return key;
  }

  touch(key: number, tokens = 1): void {
    this.scheduler.handle({ type: 'generated', key, tokens }, this.nowMs);
  }

  start(slots: number): void {
    this.scheduler.handle({ type: 'ready', model: 'm', replica: 1, slots, spare: 0 }, this.nowMs);
    this.#readPrompts();
  }

  #readPrompts(): void {
    for (const key of this.running.filter((one) => !this.#read.has(one))) {
      const { promptTokens, cachedTokens = 0 } = this.asked.get(key)!;
      this.#read.add(key);
      const counts = { promptTokens: promptTokens!, cachedTokens };
      this.scheduler.handle({ type: 'accepted', key, ...counts }, this.nowMs);
    }
  }

  /** As a worker does: whoever is to make room does so before anything else happens. */
  giveAllBack(): void {
    for (let key = this.preempted_.shift(); key !== undefined; key = this.preempted_.shift()) {
      this.giveBack(key);
    }
  }

  giveBack(key: number): void {
    this.running.splice(this.running.indexOf(key), 1);
    this.#read.delete(key);
    this.scheduler.handle({ type: 'returned', key }, this.nowMs);
    this.#readPrompts();
  }

  rejected(): void {
    throw new Error('nothing is rejected here');
  }
  queued(): void {}
  dropped(): void {}
  interrupted(): void {}
  preempted(key: number): void {
    this.preempted_.push(key);
  }
  granted(key: number): void {
    this.running.push(key);
    this.granted_.push(key);
  }
}

describe('classes', () => {
  test('under saturation the tokens are shared by weight, whatever a request costs', () => {
    fc.assert(
      fc.property(
        fc.record({
          high: fc.integer({ min: 1, max: 400 }),
          normal: fc.integer({ min: 1, max: 400 }),
          low: fc.integer({ min: 1, max: 400 }),
        }),
        fc.integer({ min: 1, max: 8 }),
        (cost, slots) => {
          const desk = new Desk({ slots });
          const ask = (priority: Priority) =>
            desk.ask({ priority, promptTokens: cost[priority], maxTokens: cost[priority] });
          for (let i = 0; i < 2 * slots; i++) for (const priority of PRIORITIES) ask(priority);
          for (let i = 0; i < 6_000; i++) {
            ask(desk.asked.get(desk.end())!.priority);
            desk.giveAllBack();
          }
          const total = desk.tokens.high + desk.tokens.normal + desk.tokens.low;
          // A request is not divisible: what the largest of them weigh may be missing at the end.
          const slack = (12 * (256 + slots * 2 * Math.max(...Object.values(cost)))) / total;
          for (const priority of PRIORITIES) {
            const share = desk.tokens[priority] / total;
            expect(Math.abs(share - WEIGHTS[priority] / 12)).toBeLessThan(0.05 + slack);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  test('other weights share what comes after them', () => {
    const desk = new Desk();
    desk.weigh({ high: 1, normal: 1, low: 4 });
    for (let i = 0; i < 600; i++) for (const priority of PRIORITIES) desk.ask({ priority });
    for (let i = 0; i < 600; i++) desk.end();
    // The first of all was granted before the others had come.
    expect(desk.tokens).toEqual({ high: 2020, normal: 2000, low: 7980 });
  });

  test('a class that was silent is not owed what it did not use', () => {
    const desk = new Desk();
    for (let i = 0; i < 300; i++) desk.ask({ priority: 'high' });
    for (let i = 0; i < 200; i++) desk.end();
    for (let i = 0; i < 100; i++) desk.ask({ priority: 'low' });
    for (let i = 0; i < 45; i++) desk.end();
    const recent = desk.granted_.slice(-45).map((key) => desk.asked.get(key)!.priority);
    expect(recent.filter((priority) => priority === 'low').length).toBeLessThanOrEqual(6);
  });

  test('cached prompt tokens weigh a tenth', () => {
    const desk = new Desk({ slots: 0 });
    desk.ask({ priority: 'normal', promptTokens: 990, cachedTokens: 990 });
    desk.ask({ priority: 'normal' });
    for (let i = 0; i < 9; i++) desk.ask({ priority: 'low' });
    desk.start(1);
    for (let i = 0; i < 4; i++) desk.end();
    // 99 + 10 tokens at weight 3 are worth two answers of 20 tokens at weight 1; 1,000 would be 17.
    const order = desk.granted_.map((key) => desk.asked.get(key)!.priority);
    expect(order).toEqual(['normal', 'low', 'low', 'normal', 'low']);
  });
});

describe('ageing', () => {
  const agedAfterMs = { high: 1e9, normal: 1e9, low: 100 };

  test('an aged waiter gets one grant in eight, and no more', () => {
    const desk = new Desk({ agedAfterMs });
    desk.ask({ priority: 'high' });
    // After this one the share of the class low is used up for as long as the test lasts.
    desk.ask({ priority: 'low', promptTokens: 1e6 });
    for (let i = 0; i < 200; i++) desk.ask({ priority: 'high' });
    desk.end();
    for (let i = 0; i < 200; i++) desk.ask({ priority: 'low' });
    desk.nowMs = 1_000;
    desk.granted_.length = 0;
    for (let i = 0; i < 81; i++) desk.end();
    const lows = desk.granted_
      .map((key, index) => [desk.asked.get(key)!.priority, index] as const)
      .filter(([priority]) => priority === 'low')
      .map(([, index]) => index);
    for (let i = 1; i < lows.length; i++) expect(lows[i]! - lows[i - 1]!).toBeGreaterThanOrEqual(8);
    expect(lows.length).toBeGreaterThanOrEqual(10);
  });

  test('the k-th aged waiter is granted within 8·k grants, and ageing never changes shares', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...PRIORITIES), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        (waiters, slots) => {
          const desk = new Desk({ slots, agedAfterMs: { high: 200, normal: 100, low: 100 } });
          for (let i = 0; i < slots; i++) desk.ask({ priority: 'high' });
          // Not two at once: who of them is first does not follow from their age.
          const aged = waiters.map((priority) => {
            desk.nowMs += 1;
            return desk.ask({ priority, tenant: `${priority}` });
          });
          desk.nowMs = 1_000;
          const byAge = aged.sort((a, b) => ageOf(desk, a) - ageOf(desk, b) || a - b);
          for (let i = 0; i < 500; i++) desk.ask({ priority: 'high', tenant: 'flood' });
          desk.granted_.length = 0;
          for (let i = 0; i < 8 * waiters.length; i++) desk.end();
          for (const [index, key] of byAge.entries()) {
            const grant = desk.granted_.indexOf(key);
            expect(grant).toBeGreaterThanOrEqual(0);
            expect(grant).toBeLessThan(8 * (index + 1));
          }
        },
      ),
    );
  });

  function ageOf(desk: Desk, key: number): number {
    const { priority, atMs } = desk.asked.get(key)!;
    return atMs + { high: 200, normal: 100, low: 100 }[priority];
  }
});

describe('tenants of a class', () => {
  test('share equally, whoever asks more', () => {
    const desk = new Desk({ slots: 2 });
    for (let i = 0; i < 400; i++) desk.ask({ priority: 'normal', tenant: 'greedy' });
    for (let i = 0; i < 40; i++) desk.ask({ priority: 'normal', tenant: 'modest' });
    for (let i = 0; i < 80; i++) desk.end();
    const served = desk.granted_.map((key) => desk.asked.get(key)!.tenant);
    const modest = served.slice(2).filter((tenant) => tenant === 'modest').length;
    expect(modest).toBeGreaterThanOrEqual(38);
    expect(desk.granted_.filter((key) => desk.asked.get(key)!.tenant === 'greedy')).toEqual(
      [...desk.granted_.filter((key) => desk.asked.get(key)!.tenant === 'greedy')].sort(
        (a, b) => a - b,
      ),
    );
  });

  test('a tenant that comes back is not owed what it did not use', () => {
    const desk = new Desk();
    for (let i = 0; i < 200; i++) desk.ask({ priority: 'normal', tenant: 'busy' });
    for (let i = 0; i < 100; i++) desk.end();
    for (let i = 0; i < 100; i++) desk.ask({ priority: 'normal', tenant: 'new' });
    for (let i = 0; i < 40; i++) desk.end();
    const recent = desk.granted_.slice(-40).map((key) => desk.asked.get(key)!.tenant);
    expect(recent.filter((tenant) => tenant === 'new').length).toBeLessThanOrEqual(21);
  });
});

describe('the high lane', () => {
  test('a first high request never waits, and takes no slot from the others', () => {
    const desk = new Desk({ slots: 2, spare: 1 });
    for (let i = 0; i < 6; i++) desk.ask({ priority: 'low' });
    const high = desk.ask({ priority: 'high' });
    expect(desk.running).toEqual([0, 1, high]);
    expect(desk.preempted_).toEqual([]);
    // The slot that a low one leaves makes up for the spare, which is free for the next one.
    desk.end();
    const next = desk.ask({ priority: 'high' });
    expect(desk.running).toEqual([1, high, next]);
    desk.end();
    desk.end();
    expect(desk.running).toEqual([next, 2]);
  });

  test('when the spare is taken the newest low one without a token gives its slot', () => {
    const desk = new Desk({ slots: 3, spare: 1 });
    const lows = [0, 1, 2].map(() => desk.ask({ priority: 'low' }));
    desk.touch(lows[2]!);
    const first = desk.ask({ priority: 'high' });
    const second = desk.ask({ priority: 'high' });
    const third = desk.ask({ priority: 'high' });
    expect(desk.preempted_).toEqual([lows[1]]);
    desk.giveBack(lows[1]!);
    expect(desk.running).toEqual([lows[0], lows[2], first, second]);
    // One at a time: the next one is asked when the first has given its slot.
    expect(desk.preempted_).toEqual([lows[1], lows[0]]);
    desk.giveBack(lows[0]!);
    expect(desk.running).toEqual([lows[2], first, second, third]);
    // Back in their order, before what came later.
    desk.ask({ priority: 'low' });
    for (let i = 0; i < 4; i++) desk.end();
    expect(desk.granted_.slice(-3, -1)).toEqual([lows[0], lows[1]]);
  });

  test('nobody is preempted for a high class that is far ahead of its share', () => {
    const desk = new Desk({ slots: 2 });
    desk.ask({ priority: 'low' });
    desk.ask({ priority: 'high', promptTokens: 10_000 });
    desk.ask({ priority: 'high' });
    expect(desk.preempted_).toEqual([]);
    const modest = new Desk({ slots: 2 });
    modest.ask({ priority: 'low' });
    modest.ask({ priority: 'high', promptTokens: 1_000 });
    modest.ask({ priority: 'high' });
    expect(modest.preempted_).toEqual([0]);
  });

  test('nobody is preempted for a class that is not high, nor twice for one request', () => {
    const desk = new Desk({ slots: 1 });
    desk.ask({ priority: 'low' });
    desk.ask({ priority: 'normal' });
    expect(desk.preempted_).toEqual([]);
    desk.ask({ priority: 'high' });
    desk.ask({ priority: 'high' });
    expect(desk.preempted_).toEqual([0]);
  });
});
