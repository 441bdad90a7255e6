/**
 * `npm run bench -- sched`: the server's own scheduler in simulated time, against plain FIFO.
 *
 * Load    Poisson arrivals and bursts, heavy-tailed lengths, three classes, ten keys; 0.7 to 3 times
 *         what the machine can do, with the limits of a default configuration. Then saturation, where
 *         every class always has somebody waiting. Also the arrivals of a server's own log (`--log FILE`).
 * FIFO    the same scheduler with one class, one key and no spare slot.
 * Bars    token shares within 5 % of the weights; Jain's index over equal keys ≥ 0.99; no inversion
 *         inside (class, key); ≤ 50 µs a decision with 10,000 waiting; throughput ≥ 0.99 × FIFO; no
 *         window of the limiter over its limit in 10⁶ random schedules, checked by brute force.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { makeRandom } from '../src/cli/bench/prompts.ts';
import { PRIORITIES, type Priority } from '../src/core/priority.ts';
import { SlidingWindow } from '../src/orchestrator/limits/sliding-window.ts';
import type { SchedulerLimits } from '../src/orchestrator/scheduling/scheduler.ts';
import { anybody, KEYS, LIMITS, LOADS, MACHINE, poisson, request, SEED } from './lib/arrivals.ts';
import type { BenchOptions } from './lib/options.ts';
import { at, figuresOf, inversions, percent } from './lib/queue-figures.ts';
import { readArrivals } from './lib/recorded.ts';
import { Report } from './lib/report.ts';
import { type Arrival, type Served, simulate } from './lib/simulate.ts';

const ENDLESS: SchedulerLimits = {
  ...LIMITS,
  queueDepthMax: 1e9,
  queueDepthHighSpare: 0,
  queueTimeoutMs: { high: 1e12, normal: 1e12, low: 1e12 },
};
/** 120 s of three classes and ten keys on a server at 0.7 of what it can do. */
const RECORDED = fileURLToPath(new URL('recorded/mixed.log', import.meta.url));
const RECORDED_SPEEDS = [1, 3] as const;
const OPEN_REQUESTS = 100_000;
const SATURATED_REQUESTS = 1_000_000;
const WAITING = 10_000;
const SCHEDULES = 1_000_000;
const SCHEDULE_TRIES = 12;

export async function runSched({ log = RECORDED }: BenchOptions): Promise<number> {
  const report = new Report('sched', 'The scheduler in simulated time');
  report.note(
    `${MACHINE.slots} slots and ${MACHINE.spare} spare, ${1000 * MACHINE.readTokensPerMs} prompt tokens a second and ${MACHINE.stepMs} ms a token in each; seed ${SEED}.`,
  );
  openLoad(report, readFileSync(log, 'utf8'));
  saturation(report);
  manyWaiting(report);
  limiterChecked(report);
  return report.finish();
}

/** Poisson arrivals; at 1.5 × also in bursts of twenty; and those of a server's log, as they came and faster. */
function openLoad(report: Report, log: string): void {
  const rows: string[][] = [];
  const poissons = [...LOADS.map((load) => [load, 1] as const), [1.5, 20] as const];
  const loads: readonly (readonly [name: string, arrivals: () => Iterable<Arrival>])[] = [
    ...poissons.map(([load, burst]) => {
      const name = `${load} ×${burst > 1 ? ' in bursts' : ''}`;
      const plan = { load, burst, count: OPEN_REQUESTS };
      return [name, () => poisson(makeRandom(SEED), plan)] as const;
    }),
    ...RECORDED_SPEEDS.map((speed) => {
      return [`recorded, ${speed} × as fast`, () => readArrivals(log, speed)] as const;
    }),
  ];
  for (const [name, arrivals] of loads) {
    const ours = runOpen(arrivals(), false);
    const fifo = runOpen(arrivals(), true);
    for (const priority of PRIORITIES) {
      const of = (served: readonly Served[]) => served.filter((one) => one.priority === priority);
      rows.push([name, priority, ...figuresOf(of(ours.served)), ...figuresOf(of(fifo.served))]);
    }
    const throughput = ours.tokensPerS / fifo.tokensPerS;
    report.note(
      `${name}: ${ours.preemptions} preemptions; tokens/s ${throughput.toFixed(3)} × FIFO; longest wait of low ${longestWait(ours.served, 'low')} s, FIFO ${longestWait(fifo.served, 'low')} s.`,
    );
    report.bar({
      name: `${name}: tokens/s against FIFO`,
      value: throughput,
      limit: 0.99,
      rule: 'at least',
      unit: ' ×',
    });
    report.bar({
      name: `${name}: inversions inside (class, key)`,
      value: inversions(ours.served),
      limit: 0,
      rule: 'at most',
      unit: '',
    });
  }
  const headings = ['served', 'wait p50/p95/p99 s', 'TTFT p50/p95/p99 s'];
  report.table(
    ['load', 'class', ...headings, ...headings.map((heading) => `FIFO ${heading}`)],
    rows,
  );
}

function runOpen(arrivals: Iterable<Arrival>, isFifo: boolean) {
  const served: Served[] = [];
  const { endedMs, preemptions } = simulate({
    arrivals,
    machine: isFifo ? { ...MACHINE, spare: 0 } : MACHINE,
    limits: LIMITS,
    asOne: isFifo,
    onEnd: (one) => {
      served.push(one);
      return undefined;
    },
  });
  const tokens = served.reduce((sum, one) => sum + (one.end === 'served' ? weightOf(one) : 0), 0);
  return { served, preemptions, tokensPerS: (1000 * tokens) / endedMs };
}

/** Every class and every key always has two requests waiting. */
function saturation(report: Report): void {
  const random = makeRandom(SEED);
  const tokens = new Map<string, number>();
  const byClass = { high: 0, normal: 0, low: 0 };
  let left = SATURATED_REQUESTS;
  const first: Arrival[] = PRIORITIES.flatMap((priority) =>
    Array.from({ length: 2 * KEYS }, (_, index) =>
      request(random, { atMs: 0, priority, tenant: `key-${index % KEYS}` }),
    ),
  );
  simulate({
    arrivals: first,
    machine: { ...MACHINE, spare: 0 },
    limits: ENDLESS,
    onEnd: (one) => {
      const { priority, tenant, endedMs } = one;
      byClass[priority] += weightOf(one);
      const key = `${priority} ${tenant}`;
      tokens.set(key, (tokens.get(key) ?? 0) + one.promptTokens + 2 * one.generatedTokens);
      left -= 1;
      return left > 0 ? request(random, { atMs: endedMs, priority, tenant }) : undefined;
    },
  });
  const total = byClass.high + byClass.normal + byClass.low;
  const rows = PRIORITIES.map((priority) => {
    const share = byClass[priority] / total;
    const due = LIMITS.weights[priority] / 12;
    const service = [...tokens].filter(([key]) => key.startsWith(priority)).map(([, sum]) => sum);
    const jain = jainIndex(service);
    report.bar({
      name: `${priority}: token share against its weight`,
      value: (100 * Math.abs(share - due)) / due,
      limit: 5,
      rule: 'at most',
      unit: ' %',
    });
    report.bar({
      name: `${priority}: Jain's index over ${KEYS} keys`,
      value: jain,
      limit: 0.99,
      rule: 'at least',
      unit: '',
    });
    const gap = Math.max(...service) - Math.min(...service);
    return [priority, percent(share), percent(due), jain.toFixed(5), String(Math.round(gap))];
  });
  report.note(`Saturation, ${SATURATED_REQUESTS} requests:`);
  report.table(['class', 'share of tokens', 'weight', "Jain's index", 'gap between keys'], rows);
}

function manyWaiting(report: Report): void {
  const random = makeRandom(SEED);
  const took: number[] = [];
  let left = 4 * WAITING;
  const arrivals = Array.from({ length: WAITING + 100 }, () => {
    return request(random, { atMs: 0, ...anybody(random) });
  });
  simulate({
    arrivals,
    machine: MACHINE,
    limits: ENDLESS,
    onDecision: (ns, waiting) => {
      if (waiting >= WAITING) took.push(ns / 1000);
    },
    onEnd: ({ endedMs }) => {
      left -= 1;
      return left > 0 ? request(random, { atMs: endedMs, ...anybody(random) }) : undefined;
    },
  });
  took.sort((a, b) => a - b);
  const mean = took.reduce((sum, us) => sum + us, 0) / took.length;
  report.note(
    `${took.length} decisions with ${WAITING} waiting: mean ${mean.toFixed(1)} µs, p50 ${at(took, 0.5).toFixed(1)}, p99 ${at(took, 0.99).toFixed(1)}.`,
  );
  report.bar({
    name: `a decision with ${WAITING} waiting, mean`,
    value: mean,
    limit: 50,
    rule: 'at most',
    unit: ' µs',
  });
}

/** Every window that ends at a request is added up anew; every refusal is tried at the time it said. */
function limiterChecked(report: Report): void {
  const random = makeRandom(SEED);
  const below = (count: number) => Math.floor(random() * count);
  let [over, late, early] = [0, 0, 0];
  for (let schedule = 0; schedule < SCHEDULES; schedule++) {
    const [limit, windowMs] = [1 + below(8), 1 + below(40)];
    const window = new SlidingWindow(limit, windowMs);
    const passed: { readonly atMs: number; readonly amount: number }[] = [];
    let nowMs = 0;
    for (let i = 0; i < SCHEDULE_TRIES; i++) {
      nowMs += below(12);
      const amount = 1 + below(limit);
      const delayMs = window.delayMs(amount, nowMs);
      if (delayMs > 0) {
        // Half of them go away, the others wait as they were told: the clock never goes back.
        if (random() < 0.5) continue;
        if (window.delayMs(amount, nowMs + delayMs - 1) === 0) early += 1;
        nowMs += delayMs;
        if (window.delayMs(amount, nowMs) > 0) late += 1;
      }
      window.spend(amount, nowMs);
      passed.push({ atMs: nowMs, amount });
      let sum = 0;
      for (const one of passed) if (one.atMs > nowMs - windowMs) sum += one.amount;
      if (sum > limit) over += 1;
    }
  }
  for (const [name, value] of [
    ['windows over their limit', over],
    ['retries at the time that was said, refused', late],
    ['retries a millisecond before it, let in', early],
  ] as const) {
    report.bar({
      name: `limiter, ${SCHEDULES} schedules: ${name}`,
      value,
      limit: 0,
      rule: 'at most',
      unit: '',
    });
  }
}

function weightOf({ promptTokens, generatedTokens }: Arrival): number {
  return promptTokens + generatedTokens;
}

function longestWait(served: readonly Served[], priority: Priority): string {
  let longest = 0;
  for (const one of served) {
    if (one.priority !== priority || one.grantedMs === undefined) continue;
    longest = Math.max(longest, one.grantedMs - one.atMs);
  }
  return (longest / 1000).toFixed(1);
}

function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  const squares = values.reduce((a, b) => a + b * b, 0);
  return (sum * sum) / (values.length * squares);
}
