import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';

import { PRIORITIES, type Priority } from '../../../../src/core/priority.ts';
import type { Effects, SchedulerEvent } from '../../../../src/orchestrator/scheduling/effects.ts';
import { Scheduler } from '../../../../src/orchestrator/scheduling/scheduler.ts';

const POLICY = {
  weights: { high: 8, normal: 3, low: 1 },
  agedAfterMs: { high: 150, normal: 60, low: 30 },
};
const LIMITS = {
  ...POLICY,
  queueDepthMax: 6,
  queueDepthHighSpare: 0,
  queueTimeoutMs: { high: 300, normal: 120, low: 60 },
};

/** Writes every effect down as one word, so that a table reads like a story. */
class Story implements Effects {
  readonly lines: string[] = [];
  rejected(key: number, reason: string, retryAfterMs: number | undefined): void {
    this.lines.push(`reject ${key} ${reason} ${retryAfterMs ?? 'never'}`);
  }
  queued(key: number, position: number): void {
    this.lines.push(`queue ${key} @${position}`);
  }
  granted(key: number, waitMs: number): void {
    this.lines.push(`grant ${key} after ${waitMs}`);
  }
  dropped(key: number, reason: string, waitMs: number): void {
    this.lines.push(`drop ${key} ${reason} after ${waitMs}`);
  }
  preempted(key: number): void {
    this.lines.push(`preempt ${key}`);
  }
  interrupted(key: number): void {
    this.lines.push(`interrupt ${key}`);
  }
}

let story: Story;
let scheduler: Scheduler;
let nowMs: number;

beforeEach(() => {
  story = new Story();
  scheduler = new Scheduler(['a', 'b'], LIMITS, story);
  nowMs = 1_000;
});

function happens(event: SchedulerEvent, laterMs = 0): string[] {
  nowMs += laterMs;
  story.lines.length = 0;
  scheduler.handle(event, nowMs);
  return [...story.lines];
}

interface Arrival {
  model?: string;
  units?: number;
  tenant?: string;
}

function submission(key: number, priority: Priority, arrival: Arrival = {}): SchedulerEvent {
  const parts = { model: 'a', units: 1, tenant: 't', ...arrival };
  return { type: 'submitted', key, priority, ...parts };
}

function arrives(key: number, priority: Priority = 'normal', arrival: Arrival = {}) {
  return happens(submission(key, priority, arrival));
}

function ends(key: number, { laterMs = 0 } = {}) {
  return happens({ type: 'ended', key }, laterMs);
}

describe('Scheduler', () => {
  test('grants at once while a slot is free, then queues with the position', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 1, spare: 0 });
    expect(arrives(1)).toEqual(['grant 1 after 0']);
    expect(arrives(2)).toEqual(['queue 2 @0']);
    expect(arrives(3)).toEqual(['queue 3 @1']);
    expect(ends(1, { laterMs: 40 })).toEqual(['grant 2 after 40']);
  });

  // MX-009
  test('where nobody had anything yet the higher class is first, and arrival decides within one', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 1, spare: 0 });
    arrives(1, 'low');
    happens({ type: 'generated', key: 1, tokens: 60 });
    expect(arrives(2, 'low')).toEqual(['queue 2 @0']);
    expect(arrives(3, 'normal')).toEqual(['queue 3 @0']);
    expect(arrives(4, 'high')).toEqual(['queue 4 @0']);
    expect(arrives(5, 'normal')).toEqual(['queue 5 @2']);
    const order = [1, 4, 3, 5].map((key) => ends(key)[0]);
    expect(order).toEqual([
      'grant 4 after 0',
      'grant 3 after 0',
      'grant 5 after 0',
      'grant 2 after 0',
    ]);
  });

  test('a model without a replica queues, and its replica takes them in order', () => {
    expect(arrives(1)).toEqual(['queue 1 @0']);
    expect(arrives(2)).toEqual(['queue 2 @1']);
    expect(happens({ type: 'ready', model: 'b', replica: 1, slots: 4, spare: 0 })).toEqual([]);
    expect(happens({ type: 'ready', model: 'a', replica: 1, slots: 2, spare: 0 }, 5)).toEqual([
      'grant 1 after 5',
      'grant 2 after 5',
    ]);
  });

  test('the limit counts what runs and what waits, over all models', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 2, spare: 0 });
    for (const key of [1, 2, 3, 4]) arrives(key);
    for (const key of [5, 6]) arrives(key, 'low', { model: 'b' });
    expect(arrives(7)).toEqual(['reject 7 queue_full 1000']);
    ends(1, { laterMs: 500 });
    expect(arrives(8)).toEqual(['queue 8 @1']);
  });

  test('beside the limit the class high has a few places of its own, and no more', () => {
    const limits = { ...LIMITS, queueDepthMax: 2, queueDepthHighSpare: 1 };
    scheduler = new Scheduler(['a'], limits, story);
    for (const key of [1, 2]) arrives(key, 'low');
    expect(arrives(3, 'normal')).toEqual(['reject 3 queue_full 1000']);
    expect(arrives(4, 'high')).toEqual(['queue 4 @0']);
    expect(arrives(5, 'high')).toEqual(['reject 5 queue_full 1000']);
    happens({ type: 'cancelled', key: 4 });
    expect(arrives(6, 'low')).toEqual(['reject 6 queue_full 1000']);
    expect(arrives(7, 'high')).toEqual(['queue 7 @0']);
  });

  /** Red while the places of the class high were counted: then it had all that became free. */
  test('a busy high class leaves others the places that become free', () => {
    const limits = { ...LIMITS, queueDepthMax: 3, queueDepthHighSpare: 1 };
    scheduler = new Scheduler(['a'], limits, story);
    for (const key of [1, 2, 3, 4]) arrives(key, 'high');
    expect(arrives(5, 'high')).toEqual(['reject 5 queue_full 1000']);
    expect(arrives(6, 'low')).toEqual(['reject 6 queue_full 1000']);
    happens({ type: 'cancelled', key: 1 });
    expect(arrives(7, 'low')).toEqual(['queue 7 @3']);
    expect(arrives(8, 'high')).toEqual(['reject 8 queue_full 1000']);
  });

  test('the time to retry after is what the queue has taken so far, within bounds', () => {
    const queueTimeoutMs = { high: 9e9, normal: 2_000, low: 60 };
    const limits = { ...LIMITS, queueDepthMax: 3, queueTimeoutMs };
    scheduler = new Scheduler(['a'], limits, story);
    happens({ type: 'ready', model: 'a', replica: 1, slots: 1, spare: 0 });
    arrives(1);
    ends(1, { laterMs: 700 });
    for (const key of [2, 3, 4]) arrives(key, 'high');
    expect(arrives(5, 'high')).toEqual(['reject 5 queue_full 2100']);
    expect(arrives(6, 'normal')).toEqual(['reject 6 queue_full 2000']);
  });

  test('new limits hold at once, also for those that wait', () => {
    for (const key of [1, 2, 3]) arrives(key);
    expect(scheduler.nextDeadlineMs).toBe(nowMs + 120);
    scheduler.setLimits({
      ...LIMITS,
      queueDepthMax: 3,
      queueTimeoutMs: { ...LIMITS.queueTimeoutMs, normal: 40 },
    });
    expect(arrives(4)).toEqual(['reject 4 queue_full 1000']);
    expect(scheduler.nextDeadlineMs).toBe(nowMs + 40);
    expect(happens({ type: 'tick' }, 39)).toEqual([]);
    expect(happens({ type: 'tick' }, 1)).toHaveLength(3);
    arrives(5);
    scheduler.setLimits(LIMITS);
    expect(scheduler.nextDeadlineMs).toBe(nowMs + 120);
    for (const key of [6, 7, 8]) expect(arrives(key)).toEqual([`queue ${key} @${key - 5}`]);
  });

  test('each class has its own deadline, exact to the millisecond', () => {
    for (const [index, priority] of PRIORITIES.entries()) arrives(index + 1, priority);
    expect(scheduler.nextDeadlineMs).toBe(1_060);
    expect(happens({ type: 'tick' }, 59)).toEqual([]);
    expect(happens({ type: 'tick' }, 1)).toEqual(['drop 3 queue_timeout after 60']);
    expect(scheduler.nextDeadlineMs).toBe(1_120);
    expect(happens({ type: 'tick' }, 500)).toEqual([
      'drop 1 queue_timeout after 560',
      'drop 2 queue_timeout after 560',
    ]);
    expect(scheduler.nextDeadlineMs).toBeUndefined();
    expect(scheduler.depth).toBe(0);
  });

  test('cancelled while it waits: gone; while it runs: interrupted once, busy until it ends', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 1, spare: 0 });
    for (const key of [1, 2, 3]) arrives(key);
    expect(happens({ type: 'cancelled', key: 2 }, 7)).toEqual(['drop 2 cancelled after 7']);
    expect(happens({ type: 'cancelled', key: 1 })).toEqual(['interrupt 1']);
    expect(happens({ type: 'cancelled', key: 1 })).toEqual([]);
    expect(scheduler.counts('a')).toEqual({ busy: 1, free: 0, waiting: 1 });
    expect(ends(1)).toEqual(['grant 3 after 7']);
    expect(happens({ type: 'cancelled', key: 1 })).toEqual([]);
  });

  test('what returns from a dead replica stands where its arrival says', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 3, spare: 0 });
    for (const key of [1, 2, 3, 4]) arrives(key);
    happens({ type: 'lost', model: 'a', replica: 1 });
    expect(happens({ type: 'returned', key: 2 })).toEqual(['queue 2 @0']);
    expect(happens({ type: 'returned', key: 1 })).toEqual(['queue 1 @0']);
    expect(ends(3)).toEqual([]);
    expect(happens({ type: 'ready', model: 'a', replica: 2, slots: 3, spare: 0 })).toEqual([
      'grant 1 after 0',
      'grant 2 after 0',
      'grant 4 after 0',
    ]);
  });

  test('what was cancelled while it ran is not granted again when it returns', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 1, spare: 0 });
    arrives(1);
    happens({ type: 'cancelled', key: 1 });
    happens({ type: 'lost', model: 'a', replica: 1 });
    expect(happens({ type: 'returned', key: 1 })).toEqual(['drop 1 cancelled after 0']);
  });

  test('a failed model drops its waiters and rejects, until it is revived', () => {
    arrives(1);
    arrives(2, 'high', { model: 'b' });
    expect(happens({ type: 'failed', model: 'a' })).toEqual(['drop 1 model_failed after 0']);
    expect(arrives(3)).toEqual(['reject 3 model_failed never']);
    happens({ type: 'revived', model: 'a' });
    expect(arrives(4)).toEqual(['queue 4 @0']);
  });

  test('draining rejects, and serves what is there; stopping drops what waits', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 1, spare: 0 });
    for (const key of [1, 2, 3]) arrives(key);
    happens({ type: 'drain' });
    expect(arrives(4)).toEqual(['reject 4 draining 1000']);
    expect(ends(1)).toEqual(['grant 2 after 0']);
    expect(happens({ type: 'stop' })).toEqual(['drop 3 draining after 0']);
    happens({ type: 'lost', model: 'a', replica: 1 });
    expect(happens({ type: 'returned', key: 2 })).toEqual(['drop 2 draining after 0']);
    expect(scheduler.depth).toBe(0);
  });

  test('a large request is not overtaken, and one larger than the replica runs alone', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 2, spare: 0 });
    arrives(1);
    expect(arrives(2, 'normal', { units: 9 })).toEqual(['queue 2 @0']);
    expect(arrives(3)).toEqual(['queue 3 @1']);
    expect(ends(1)).toEqual(['grant 2 after 0']);
    expect(scheduler.counts('a')).toEqual({ busy: 2, free: 0, waiting: 1 });
    expect(ends(2)).toEqual(['grant 3 after 0']);
  });

  test('cancelling a large head lets those behind it go', () => {
    happens({ type: 'ready', model: 'a', replica: 1, slots: 2, spare: 0 });
    arrives(1);
    arrives(2, 'normal', { units: 2 });
    arrives(3);
    expect(happens({ type: 'cancelled', key: 2 })).toEqual([
      'drop 2 cancelled after 0',
      'grant 3 after 0',
    ]);
  });

  test.each<[string, SchedulerEvent, string]>([
    ['a key twice', submission(1, 'low'), 'submitted twice'],
    ['an end of what waits', { type: 'ended', key: 1 }, 'not running'],
    ['a return of what is unknown', { type: 'returned', key: 9 }, 'not running'],
    ['an unknown model', { type: 'lost', model: 'z', replica: 1 }, 'Model z'],
  ])('refuses %s as a fault of the caller', (_why, event, message) => {
    arrives(1);
    expect(() => happens(event)).toThrow(message);
  });
});

/**
 * A reference that does everything the slow and obvious way: arrays, sorting, filtering.
 * It is asked after each event what must be true.
 */
interface Seen {
  readonly key: number;
  readonly model: string;
  readonly priority: Priority;
  readonly tenant: string;
  state: 'waiting' | 'running' | 'over';
  ends: number;
  isCancelled: boolean;
  /** Where it runs. */
  replica: number;
}

class Ledger implements Effects {
  readonly seen = new Map<number, Seen>();
  readonly problems: string[] = [];
  readonly touched = new Set<number>();

  rejected(key: number): void {
    this.#over(key);
  }
  queued(key: number, position: number): void {
    const request = this.seen.get(key)!;
    request.state = 'waiting';
    const before = this.waiters(request.model).findIndex((other) => other.key === key);
    if (before !== position) this.problems.push(`${key} said @${position}, stands @${before}`);
  }
  granted(key: number, _waitMs: number, replica: number): void {
    const request = this.seen.get(key)!;
    request.replica = replica;
    const first = this.waiters(request.model).find(
      ({ priority, tenant }) => priority === request.priority && tenant === request.tenant,
    );
    if (first !== request) this.problems.push(`${key} overtook ${first?.key}`);
    if (request.isCancelled) this.problems.push(`${key} was cancelled and granted`);
    request.state = 'running';
  }
  dropped(key: number): void {
    this.#over(key);
  }
  preempted(key: number): void {
    const { state, priority, isCancelled } = this.seen.get(key)!;
    if (state !== 'running' || priority !== 'low' || isCancelled || this.touched.has(key)) {
      this.problems.push(`${key} was preempted, ${state} ${priority}`);
    }
  }
  interrupted(): void {}

  /** In the order in which the places are told. */
  waiters(model: string): Seen[] {
    return [...this.seen.values()]
      .filter((request) => request.model === model && request.state === 'waiting')
      .sort(
        (one, two) =>
          PRIORITIES.indexOf(one.priority) - PRIORITIES.indexOf(two.priority) || one.key - two.key,
      );
  }

  end(key: number): void {
    this.#over(key);
  }

  #over(key: number): void {
    const request = this.seen.get(key)!;
    request.state = 'over';
    request.ends += 1;
    if (request.ends > 1) this.problems.push(`${key} ended ${request.ends} times`);
  }
}

type Move =
  | {
      readonly do: 'submit';
      readonly model: string;
      readonly priority: Priority;
      readonly tenant: string;
    }
  | { readonly do: 'cancel' | 'end' | 'return' | 'touch'; readonly pick: number }
  | { readonly do: 'ready'; readonly model: string; readonly slots: number; readonly spare: number }
  | { readonly do: 'dies' | 'leaves'; readonly model: string; readonly pick: number }
  | { readonly do: 'failed' | 'revived'; readonly model: string }
  | { readonly do: 'tick'; readonly ms: number };

const model = fc.constantFrom('a', 'b');
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      model,
      priority: fc.constantFrom(...PRIORITIES),
      tenant: fc.constantFrom('x', 'y', 'z'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('end' as const, 'cancel' as const),
      pick: fc.nat(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('ready' as const),
      model,
      slots: fc.integer({ min: 1, max: 3 }),
      spare: fc.integer({ min: 0, max: 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('return' as const, 'touch' as const),
      pick: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('dies' as const, 'leaves' as const),
      model,
      pick: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('failed' as const, 'revived' as const), model }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const), ms: fc.nat(80) }) },
);

test('whatever happens: one end each, in order, within the slots of each replica, nothing stranded', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 120 }), (moves) => {
      const ledger = new Ledger();
      const subject = new Scheduler(['a', 'b'], { ...LIMITS, queueDepthMax: 12 }, ledger);
      const replicas = new Map<number, { model: string; slots: number; spare: number }>();
      let started = 0;
      let at = 0;
      let keys = 0;
      const running = () => [...ledger.seen.values()].filter(({ state }) => state === 'running');
      const handle = (event: SchedulerEvent) => subject.handle(event, at);
      const finish = (key: number) => {
        ledger.end(key);
        handle({ type: 'ended', key });
      };
      const pickOf = (name: string, pick: number) => {
        const ofModel = [...replicas].filter(([, one]) => one.model === name);
        return ofModel[pick % ofModel.length]?.[0];
      };
      const leave = (name: string, replica: number) => {
        replicas.delete(replica);
        handle({ type: 'lost', model: name, replica });
      };

      for (const step of moves) {
        switch (step.do) {
          case 'submit': {
            const key = keys++;
            ledger.seen.set(key, {
              key,
              model: step.model,
              priority: step.priority,
              tenant: step.tenant,
              state: 'waiting',
              ends: 0,
              isCancelled: false,
              replica: 0,
            });
            handle(submission(key, step.priority, step));
            break;
          }
          case 'cancel': {
            const alive = [...ledger.seen.values()].filter(({ state }) => state !== 'over');
            const request = alive[step.pick % alive.length];
            if (request === undefined) break;
            request.isCancelled = true;
            handle({ type: 'cancelled', key: request.key });
            break;
          }
          case 'end': {
            const request = running()[step.pick % running().length];
            if (request !== undefined) finish(request.key);
            break;
          }
          case 'return': {
            const request = running()[step.pick % running().length];
            if (request === undefined) break;
            request.state = 'waiting';
            ledger.touched.delete(request.key);
            handle({ type: 'returned', key: request.key });
            break;
          }
          case 'touch': {
            const request = running()[step.pick % running().length];
            if (request === undefined) break;
            ledger.touched.add(request.key);
            handle({ type: 'accepted', key: request.key, promptTokens: 30, cachedTokens: 10 });
            handle({ type: 'generated', key: request.key, tokens: request.key % 7 });
            break;
          }
          case 'ready': {
            const { do: _, ...size } = step;
            const replica = ++started;
            replicas.set(replica, size);
            handle({ type: 'ready', replica, ...size });
            break;
          }
          case 'leaves':
          case 'dies': {
            const replica = pickOf(step.model, step.pick);
            if (replica === undefined) break;
            leave(step.model, replica);
            // What runs on one that leaves goes on.
            if (step.do === 'leaves') break;
            for (const one of running()) if (one.replica === replica) finish(one.key);
            break;
          }
          case 'failed':
            for (const [replica, one] of [...replicas]) {
              if (one.model === step.model) replicas.delete(replica);
            }
            handle({ type: 'failed', model: step.model });
            break;
          case 'revived':
            handle({ type: 'revived', model: step.model });
            break;
          case 'tick':
            at += step.ms;
            handle({ type: 'tick' });
            break;
        }
        for (const name of ['a', 'b']) {
          const waiting = ledger.waiters(name);
          const isHighWaiting = waiting.some(({ priority }) => priority === 'high');
          for (const [replica, { model: of, slots: shared, spare }] of replicas) {
            if (of !== name) continue;
            const runs = running().filter((one) => one.replica === replica);
            const shared_ = runs.filter(({ priority }) => priority !== 'high').length;
            expect(runs.length).toBeLessThanOrEqual(shared + spare);
            expect(shared_).toBeLessThanOrEqual(shared);
            if (waiting.length > 0) expect(runs.length).toBeGreaterThanOrEqual(shared);
            if (isHighWaiting) expect(runs.length).toBe(shared + spare);
          }
          expect(subject.counts(name).busy).toBe(
            running().filter((one) => one.model === name).length,
          );
          expect(subject.counts(name).waiting).toBe(waiting.length);
          const visited: number[] = [];
          subject.forEachWaiting(name, (key, position) =>
            expect(visited.push(key) - 1).toBe(position),
          );
          expect(visited).toEqual(waiting.map(({ key }) => key));
        }
      }

      handle({ type: 'drain' });
      handle({ type: 'stop' });
      for (const request of running()) finish(request.key);
      expect(subject.depth).toBe(0);
      expect([...ledger.seen.values()].filter(({ ends }) => ends !== 1)).toEqual([]);
      expect(ledger.problems).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
