/**
 * Who asks for what and when: Poisson arrivals, heavy-tailed lengths, three classes, ten keys; and the
 * machine and the limits that they meet. The same in simulated and in real time.
 *
 * Units   ms, tokens.
 */
import { makeRandom, type Random } from '../../src/cli/bench/prompts.ts';
import type { Priority } from '../../src/core/priority.ts';
import type { SchedulerLimits } from '../../src/orchestrator/scheduling/scheduler.ts';
import type { Arrival, Machine } from './simulate.ts';

export const MACHINE: Machine = {
  slots: 4,
  spare: 1,
  readTokensPerMs: 0.5,
  stepMs: 25,
  cancelMs: 75,
};
export const LIMITS: SchedulerLimits = {
  queueDepthMax: 100,
  queueDepthHighSpare: 20,
  queueTimeoutMs: { high: 300_000, normal: 120_000, low: 60_000 },
  weights: { high: 8, normal: 3, low: 1 },
  agedAfterMs: { high: 2_000, normal: 10_000, low: 30_000 },
};
export const KEYS = 10;
const MIX: Readonly<Record<Priority, number>> = { high: 0.1, normal: 0.3, low: 0.6 };
export const LOADS = [0.7, 1, 1.5, 3] as const;
export const SEED = 1;

export function* poisson(
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

export function anybody(random: Random): { priority: Priority; tenant: string } {
  const roll = random();
  const priority = roll < MIX.high ? 'high' : roll < MIX.high + MIX.normal ? 'normal' : 'low';
  return { priority, tenant: `key-${Math.floor(random() * KEYS)}` };
}

export function request(
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
