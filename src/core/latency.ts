/**
 * Latency of one generation, from the times its tokens arrived.
 *
 * Shapes  `tokenTimesMs` is [n], ascending, n = number of generated tokens.
 * Units   milliseconds, from a monotonic clock.
 * Errors  RangeError when a time is before the one it must follow.
 * Source  TTFT, TPOT and ITL as in NVIDIA's NIM benchmarking guide: TTFT includes the wait in the
 *         queue, and TPOT divides by n - 1 because the first token belongs to prefill.
 */

export interface Latency {
  /** Arrival to first token: queue wait + prefill + first sample. */
  readonly ttftMs: number;
  /** Mean gap between tokens. Undefined for one token: there is no gap. */
  readonly tpotMs: number | undefined;
  /** Longest single gap: the stall a reader sees. */
  readonly maxItlMs: number | undefined;
  /** Arrival to last token. */
  readonly e2eMs: number;
}

/** Returns undefined when no token was produced: no latency is not zero latency. */
export function measureLatency(
  arrivedMs: number,
  tokenTimesMs: readonly number[],
): Latency | undefined {
  const first = tokenTimesMs[0];
  const last = tokenTimesMs.at(-1);
  if (first === undefined || last === undefined) return undefined;

  let previous = arrivedMs;
  let maxItlMs: number | undefined;
  for (const [index, time] of tokenTimesMs.entries()) {
    if (time < previous) {
      throw new RangeError(`Expected token ${index} at or after ${previous} ms, got ${time} ms`);
    }
    if (index > 0) maxItlMs = Math.max(maxItlMs ?? 0, time - previous);
    previous = time;
  }

  const gaps = tokenTimesMs.length - 1;
  return {
    ttftMs: first - arrivedMs,
    tpotMs: gaps === 0 ? undefined : (last - first) / gaps,
    maxItlMs,
    e2eMs: last - arrivedMs,
  };
}
