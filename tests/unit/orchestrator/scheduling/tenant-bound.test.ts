/** How many slots a tenant may have at once: beyond it requests wait, and nobody else does. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { PRIORITIES, type Priority } from '../../../../src/core/priority.ts';
import type { Effects } from '../../../../src/orchestrator/scheduling/effects.ts';
import { Scheduler } from '../../../../src/orchestrator/scheduling/scheduler.ts';

const NEVER = { high: 1e9, normal: 1e9, low: 1e9 };

interface Ask {
  readonly tenant: string;
  readonly tenantMax?: number;
  readonly model?: string;
  readonly priority?: Priority;
}

class Desk implements Effects {
  readonly scheduler: Scheduler;
  readonly asked: Required<Ask>[] = [];
  readonly running = new Set<number>();
  readonly order: number[] = [];
  nowMs = 0;

  constructor(models: readonly string[], slots: number, agedAfterMs = NEVER) {
    const limits = {
      queueDepthMax: 1e6,
      queueDepthHighSpare: 0,
      queueTimeoutMs: NEVER,
      weights: { high: 8, normal: 3, low: 1 },
      agedAfterMs,
    };
    this.scheduler = new Scheduler(models, limits, this);
    for (const model of models) {
      this.scheduler.handle({ type: 'ready', model, replica: 1, slots, spare: 0 }, 0);
    }
  }

  ask({ tenant, tenantMax = Number.POSITIVE_INFINITY, model = 'm', priority = 'normal' }: Ask) {
    const key = this.asked.push({ tenant, tenantMax, model, priority }) - 1;
    const parts = { key, tenant, tenantMax, model, priority, units: 1 };
    this.scheduler.handle({ type: 'submitted', ...parts }, this.nowMs);
    return key;
  }

  end(key: number, tokens = 10): void {
    this.running.delete(key);
    this.scheduler.handle({ type: 'generated', key, tokens }, this.nowMs);
    this.scheduler.handle({ type: 'ended', key }, this.nowMs);
  }

  runningOf(tenant: string): number {
    return [...this.running].filter((key) => this.asked[key]!.tenant === tenant).length;
  }

  rejected(): void {
    throw new Error('nothing is rejected here');
  }
  queued(): void {}
  dropped(): void {}
  interrupted(): void {}
  preempted(): void {}
  granted(key: number): void {
    this.running.add(key);
    this.order.push(key);
  }
}

describe('a tenant that may have one slot', () => {
  test('waits for its own, and the next tenant is granted the free one', () => {
    const desk = new Desk(['m'], 2);
    const [first, second] = [0, 1].map(() => desk.ask({ tenant: 'a', tenantMax: 1 }));
    const other = desk.ask({ tenant: 'b' });
    expect(desk.order).toEqual([first, other]);
    desk.end(first!);
    expect(desk.order).toEqual([first, other, second]);
  });

  test('has it over all models together', () => {
    const desk = new Desk(['m', 'n'], 2);
    const first = desk.ask({ tenant: 'a', tenantMax: 1, model: 'm' });
    const second = desk.ask({ tenant: 'a', tenantMax: 1, model: 'n' });
    expect(desk.order).toEqual([first]);
    desk.end(first);
    expect(desk.order).toEqual([first, second]);
  });

  test('does not hold up an aged request of somebody else', () => {
    const desk = new Desk(['m'], 1, { high: 1, normal: 1, low: 1 });
    const first = desk.ask({ tenant: 'a', tenantMax: 1 });
    desk.ask({ tenant: 'a', tenantMax: 1 });
    const low = desk.ask({ tenant: 'b', priority: 'low' });
    desk.nowMs = 100;
    desk.scheduler.handle(
      { type: 'ready', model: 'm', replica: 1, slots: 2, spare: 0 },
      desk.nowMs,
    );
    expect(desk.order).toEqual([first, low]);
  });

  /** Red while a tenant that sat out was owed what others got, and newcomers were lifted to it only. */
  test('does not bring newcomers credit by what it could not use', () => {
    const desk = new Desk(['m'], 2);
    for (let i = 0; i < 200; i++) desk.ask({ tenant: 'a', tenantMax: 1 });
    for (let i = 0; i < 200; i++) desk.ask({ tenant: 'b' });
    const turn = () => {
      // The bounded one is slow: while it runs, the other has many.
      for (const key of [...desk.running]) if (desk.asked[key]!.tenant !== 'a') desk.end(key);
    };
    for (let i = 0; i < 100; i++) turn();
    for (let i = 0; i < 50; i++) desk.ask({ tenant: 'c' });
    const before = desk.order.length;
    for (let i = 0; i < 20; i++) turn();
    const since = desk.order.slice(before).map((key) => desk.asked[key]!.tenant);
    expect(since.filter((tenant) => tenant === 'b').length).toBeGreaterThanOrEqual(9);
  });

  test('does not bring its class credit by what it could not use', () => {
    const desk = new Desk(['m'], 2);
    for (let i = 0; i < 50; i++) desk.ask({ tenant: 'a', tenantMax: 1, priority: 'high' });
    for (let i = 0; i < 500; i++) desk.ask({ tenant: 'b', priority: 'low' });
    const turn = () => {
      for (const key of [...desk.running]) if (desk.asked[key]!.tenant !== 'a') desk.end(key);
    };
    for (let i = 0; i < 200; i++) turn();
    for (let i = 0; i < 100; i++) desk.ask({ tenant: 'c', priority: 'high' });
    const before = desk.order.length;
    for (let i = 0; i < 45; i++) turn();
    const since = desk.order.slice(before).map((key) => desk.asked[key]!.priority);
    expect(since.filter((priority) => priority === 'low').length).toBeGreaterThanOrEqual(4);
  });
});

test('no tenant ever has more than it may, and no slot is idle that somebody may have', () => {
  const step = fc.record({
    tenant: fc.constantFrom('a', 'b', 'c'),
    model: fc.constantFrom('m', 'n'),
    priority: fc.constantFrom(...PRIORITIES),
    ends: fc.boolean(),
    which: fc.nat(),
  });
  const bounds: Readonly<Record<string, number>> = { a: 1, b: 2, c: Number.POSITIVE_INFINITY };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const desk = new Desk(['m', 'n'], 2);
      for (const { tenant, model, priority, ends, which } of steps) {
        const running = [...desk.running];
        if (ends && running.length > 0) desk.end(running[which % running.length]!);
        else desk.ask({ tenant, tenantMax: bounds[tenant]!, model, priority });
        for (const name of ['a', 'b']) {
          expect(desk.runningOf(name)).toBeLessThanOrEqual(bounds[name]!);
        }
        desk.asked.forEach((ask, key) => {
          const isWaiting = !desk.order.includes(key);
          const mayRun = desk.runningOf(ask.tenant) < ask.tenantMax;
          if (isWaiting && mayRun) expect(desk.scheduler.counts(ask.model).free).toBe(0);
        });
      }
      while (desk.running.size > 0) desk.end([...desk.running][0]!);
      expect(desk.order.length).toBe(desk.asked.length);
    }),
  );
});
