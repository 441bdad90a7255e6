/**
 * What a load run says: percentiles of the latencies, tokens a second, goodput.
 *
 * Units   ms, tokens, requests; rates per second of wall time, prefill included.
 * Errors  none: percentiles of nothing are undefined.
 * Source  TTFT, TPOT, ITL and goodput as in NVIDIA's NIM benchmarking guide. TPOT divides by the
 *         tokens the server counted, because a chunk may carry several; ITL is the gap between two
 *         chunks, which is what a reader sees.
 */
import { measureLatency } from '../../core/latency.ts';
import type { LoadResult } from './load.ts';
import type { StreamOutcome } from './stream-request.ts';

export interface Targets {
  readonly ttftMs: number;
  readonly tpotMs: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface Summary {
  readonly requests: number;
  readonly failed: number;
  /** Each reason once, with how often it was met. */
  readonly errors: Readonly<Record<string, number>>;
  readonly wallMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
  readonly generatedPerSecond: number;
  readonly requestsPerSecond: number;
  /** Requests per second that met both targets. */
  readonly goodputPerSecond: number;
  readonly ttftMs: Percentiles | undefined;
  readonly tpotMs: Percentiles | undefined;
  readonly itlMs: Percentiles | undefined;
  readonly e2eMs: Percentiles | undefined;
}

export function summarise({ outcomes, wallMs }: LoadResult, targets: Targets): Summary {
  const good = outcomes.filter(({ error }) => error === undefined);
  const errors: Record<string, number> = {};
  for (const { error } of outcomes) if (error) errors[error] = (errors[error] ?? 0) + 1;

  const latencies = good.flatMap((outcome) => {
    const latency = measureLatency(outcome.startedMs, outcome.chunkTimesMs);
    return latency === undefined ? [] : [{ ...latency, tpotMs: tpotOf(outcome) }];
  });
  const met = latencies.filter(
    ({ ttftMs, tpotMs }) => ttftMs <= targets.ttftMs && (tpotMs ?? 0) <= targets.tpotMs,
  );
  const sum = (value: (outcome: StreamOutcome) => number) =>
    good.reduce((total, outcome) => total + value(outcome), 0);
  const perSecond = (count: number) => (wallMs > 0 ? (1000 * count) / wallMs : 0);
  const generatedTokens = sum((outcome) => outcome.generatedTokens);

  return {
    requests: outcomes.length,
    failed: outcomes.length - good.length,
    errors,
    wallMs,
    promptTokens: sum((outcome) => outcome.promptTokens),
    cachedTokens: sum((outcome) => outcome.cachedTokens),
    generatedTokens,
    generatedPerSecond: perSecond(generatedTokens),
    requestsPerSecond: perSecond(good.length),
    goodputPerSecond: perSecond(met.length),
    ttftMs: percentilesOf(latencies.map(({ ttftMs }) => ttftMs)),
    tpotMs: percentilesOf(
      latencies.flatMap(({ tpotMs }) => (tpotMs === undefined ? [] : [tpotMs])),
    ),
    itlMs: percentilesOf(good.flatMap(gapsOf)),
    e2eMs: percentilesOf(good.map(({ startedMs, endedMs }) => endedMs - startedMs)),
  };
}

/** Mean time of a token after the first. Undefined for one token: there is no gap. */
export function tpotOf({ chunkTimesMs, generatedTokens }: StreamOutcome): number | undefined {
  const first = chunkTimesMs[0];
  const last = chunkTimesMs.at(-1);
  if (first === undefined || last === undefined || generatedTokens < 2) return undefined;
  return (last - first) / (generatedTokens - 1);
}

/** Times between neighbouring chunks. */
function gapsOf({ chunkTimesMs }: StreamOutcome): number[] {
  return chunkTimesMs.slice(1).map((time, index) => time - chunkTimesMs[index]!);
}

/** Nearest rank. Undefined for no values. */
export function percentilesOf(values: readonly number[]): Percentiles | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
