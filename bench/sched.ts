/**
 * `npm run bench -- sched`: the server's own scheduler in simulated time, against plain FIFO.
 *
 * Load    Poisson arrivals and bursts, heavy-tailed lengths, three classes, ten keys; 0.7 to 3 times
 *         what the machine can do, with the limits of a default configuration. Then saturation, where
 *         every class always has somebody waiting.
 * FIFO    the same scheduler with one class, one key and no spare slot.
 * Bars    token shares within 5 % of the weights; Jain's index over equal keys ≥ 0.99; no inversion
 *         inside (class, key); ≤ 50 µs a decision with 10,000 waiting; throughput ≥ 0.99 × FIFO; no
 *         window of the limiter over its limit in 10⁶ random schedules, checked by brute force.
 */
import { makeRandom, type Random } from '../src/cli/bench/prompts.ts';
import { PRIORITIES, type Priority } from '../src/core/priority.ts';
import type { SchedulerLimits } from '../src/orchestrator/scheduler.ts';
import { SlidingWindow } from '../src/orchestrator/sliding-window.ts';
import type { BenchOptions } from './lib/options.ts';
import { Report } from './lib/report.ts';
import { type Arrival, type Machine, type Served, simulate } from './lib/simulate.ts';

const MACHINE: Machine = { slots: 4, spare: 1, readTokensPerMs: 0.5, stepMs: 25, cancelMs: 75 };
const LIMITS: SchedulerLimits = {
  queueDepthMax: 100,
  queueDepthHighSpare: 20,
  queueTimeoutMs: { high: 300_000, normal: 120_000, low: 60_000 },
  weights: { high: 8, normal: 3, low: 1 },
  agedAfterMs: { high: 2_000, normal: 10_000, low: 30_000 },
};
const ENDLESS: SchedulerLimits = {
  ...LIMITS,
  queueDepthMax: 1e9,
  queueDepthHighSpare: 0,
  queueTimeoutMs: { high: 1e12, normal: 1e12, low: 1e12 },
};
const KEYS = 10;
const MIX: Readonly<Record<Priority, number>> = { high: 0.1, normal: 0.3, low: 0.6 };
const LOADS = [0.7, 1, 1.5, 3] as const;
const OPEN_REQUESTS = 100_000;
const SATURATED_REQUESTS = 1_000_000;
const WAITING = 10_000;
const SCHEDULES = 1_000_000;
const SCHEDULE_TRIES = 12;
const SEED = 1;

export async function runSched(_options: BenchOptions): Promise<number> {
  const report = new Report('sched', 'The scheduler in simulated time');
  report.note(
    `${MACHINE.slots} slots and ${MACHINE.spare} spare, ${1000 * MACHINE.readTokensPerMs} prompt tokens a second and ${MACHINE.stepMs} ms a token in each; seed ${SEED}.`,
  );
  openLoad(report);
  saturation(report);
  manyWaiting(report);
  limiterChecked(report);
  return report.finish();
}

/** Poisson arrivals; at 1.5 × also in bursts of twenty. */
function openLoad(report: Report): void {
  const rows: string[][] = [];
  for (const [load, burst] of [...LOADS.map((one) => [one, 1] as const), [1.5, 20] as const]) {
    const name = `${load} ×${burst > 1 ? ' in bursts' : ''}`;
    const ours = runOpen(load, burst, false);
    const fifo = runOpen(load, burst, true);
    for (const priority of PRIORITIES) {
      const of = (served: readonly Served[]) => served.filter((one) => one.priority === priority);
      rows.push([name, priority, ...figuresOf(of(ours.served)), ...figuresOf(of(fifo.served))]);
    }
    const throughput = ours.tokensPerS / fifo.tokensPerS;
    report.note(
      `${name} capacity: ${ours.preemptions} preemptions; tokens/s ${throughput.toFixed(3)} × FIFO; longest wait of low ${longestWait(ours.served, 'low')} s, FIFO ${longestWait(fifo.served, 'low')} s.`,
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

function runOpen(load: number, burst: number, isFifo: boolean) {
  const served: Served[] = [];
  const { endedMs, preemptions } = simulate({
    arrivals: poisson(makeRandom(SEED), { load, burst, count: OPEN_REQUESTS }),
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

function* poisson(
  random: Random,
  { load, burst, count }: { load: number; burst: number; count: number },
): Generator<Arrival> {
  // Means of the heavy-tailed lengths below, found by drawing them.
  const draw = makeRandom(SEED + 1);
  let serviceMs = 0;
  for (let i = 0; i < 20_000; i++) serviceMs += serviceOf(lengths(draw)) / 20_000;
  const gapMs = (burst * serviceMs) / (MACHINE.slots * load);
  let atMs = 0;
  for (let i = 0; i < count; i++) {
    if (i % burst === 0) atMs += -Math.log(1 - random()) * gapMs;
    yield request(random, { atMs, ...anybody(random) });
  }
}

function anybody(random: Random): { priority: Priority; tenant: string } {
  const roll = random();
  const priority = roll < MIX.high ? 'high' : roll < MIX.high + MIX.normal ? 'normal' : 'low';
  return { priority, tenant: `key-${Math.floor(random() * KEYS)}` };
}

function request(
  random: Random,
  who: { atMs: number; priority: Priority; tenant: string },
): Arrival {
  return { ...who, ...lengths(random) };
}

/** Log-normal: most are short, some are twenty times as long. */
function lengths(random: Random): { promptTokens: number; generatedTokens: number } {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const clamp = (value: number, max: number) => Math.max(1, Math.min(max, Math.round(value)));
  return {
    promptTokens: clamp(Math.exp(5 + normal()), 6_000),
    generatedTokens: clamp(Math.exp(4 + 0.8 * normal()), 2_000),
  };
}

function serviceOf({
  promptTokens,
  generatedTokens,
}: Pick<Arrival, 'promptTokens' | 'generatedTokens'>) {
  return promptTokens / MACHINE.readTokensPerMs + generatedTokens * MACHINE.stepMs;
}

function weightOf({ promptTokens, generatedTokens }: Arrival): number {
  return promptTokens + generatedTokens;
}

function figuresOf(all: readonly Served[]): string[] {
  const served = all.filter(({ end }) => end === 'served');
  const waits = served.map(({ atMs, grantedMs }) => grantedMs! - atMs).sort((a, b) => a - b);
  const ttfts = served.map(({ atMs, firstTokenMs }) => firstTokenMs! - atMs).sort((a, b) => a - b);
  const show = (values: readonly number[]) =>
    [0.5, 0.95, 0.99].map((q) => (at(values, q) / 1000).toFixed(2)).join('/');
  return [percent(served.length / all.length), show(waits), show(ttfts)];
}

function longestWait(served: readonly Served[], priority: Priority): string {
  let longest = 0;
  for (const one of served) {
    if (one.priority !== priority || one.grantedMs === undefined) continue;
    longest = Math.max(longest, one.grantedMs - one.atMs);
  }
  return (longest / 1000).toFixed(1);
}

/** Requests that were granted after one of the same class and key that had come later. */
function inversions(served: readonly Served[]): number {
  const lanes = new Map<string, Served[]>();
  for (const one of served) {
    if (one.firstGrantedMs === undefined) continue;
    const name = `${one.priority} ${one.tenant}`;
    const lane = lanes.get(name);
    if (lane === undefined) lanes.set(name, [one]);
    else lane.push(one);
  }
  let count = 0;
  for (const lane of lanes.values()) {
    lane.sort((a, b) => a.key - b.key);
    let latest = Number.NEGATIVE_INFINITY;
    for (const { firstGrantedMs } of lane) {
      if (firstGrantedMs! < latest) count += 1;
      latest = Math.max(latest, firstGrantedMs!);
    }
  }
  return count;
}

function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  const squares = values.reduce((a, b) => a + b * b, 0);
  return (sum * sum) / (values.length * squares);
}

function at(sorted: readonly number[], quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
