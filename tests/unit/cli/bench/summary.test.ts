import { describe, expect, test } from 'vitest';

import type { StreamOutcome } from '../../../../src/cli/bench/stream-request.ts';
import { percentilesOf, summarise, tpotOf } from '../../../../src/cli/bench/summary.ts';

const outcome: StreamOutcome = {
  startedMs: 100,
  endedMs: 400,
  chunkTimesMs: [150, 200, 390],
  promptTokens: 10,
  cachedTokens: 4,
  generatedTokens: 5,
  finishReason: 'length',
  error: undefined,
};
const targets = { ttftMs: 60, tpotMs: 60 };

describe('summary of a load', () => {
  test('latencies, rates and goodput', () => {
    const slow = { ...outcome, chunkTimesMs: [170, 200, 390] };
    const summary = summarise({ outcomes: [outcome, slow], wallMs: 500 }, targets);
    expect(summary).toMatchObject({
      requests: 2,
      failed: 0,
      generatedTokens: 10,
      cachedTokens: 8,
      generatedPerSecond: 20,
      requestsPerSecond: 4,
      goodputPerSecond: 2,
    });
    expect(summary.ttftMs).toEqual({ p50: 50, p90: 70, p99: 70, max: 70 });
    expect(summary.itlMs?.max).toBe(190);
    expect(summary.e2eMs?.p50).toBe(300);
  });

  test('a chunk may carry several tokens: the mean divides by tokens', () => {
    expect(tpotOf(outcome)).toBe(60);
    expect(tpotOf({ ...outcome, generatedTokens: 1 })).toBeUndefined();
  });

  test('what failed counts as failed and nowhere else', () => {
    const failed = { ...outcome, error: 'status 503: busy' };
    const summary = summarise({ outcomes: [outcome, failed, failed], wallMs: 1000 }, targets);
    expect(summary.failed).toBe(2);
    expect(summary.errors).toEqual({ 'status 503: busy': 2 });
    expect(summary.generatedTokens).toBe(5);
  });

  test('nothing has no percentiles', () => {
    expect(percentilesOf([])).toBeUndefined();
    expect(summarise({ outcomes: [], wallMs: 0 }, targets)).toMatchObject({
      generatedPerSecond: 0,
      ttftMs: undefined,
    });
  });

  test('percentiles are values that were seen', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentilesOf(values)).toEqual({ p50: 50, p90: 90, p99: 99, max: 100 });
  });
});
