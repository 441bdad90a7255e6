/** Observer calls → Prometheus text, in base units. Rows MX-012, MX-018, MX-019. */
import { describe, expect, test } from 'vitest';

import { loopLagSeconds, Metrics } from '../../../src/api/metrics.ts';

const LABELS = { model: 'm', priority: 'high' } as const;
const HIGH = 'priority="high"';

describe('metrics', () => {
  test('an idle event loop has no lag: the time between two looks is none', () => {
    expect(loopLagSeconds(50.069e6)).toBeCloseTo(0.000069, 6);
    expect(loopLagSeconds(512)).toBe(0);
    expect(loopLagSeconds(250e6)).toBeCloseTo(0.2, 6);
  });

  test('the queue: depth goes up and down, only grants are waits', async () => {
    const metrics = new Metrics();
    metrics.queued(LABELS);
    metrics.queued(LABELS);
    metrics.queued(LABELS);
    metrics.dequeued({ ...LABELS, granted: true, waitMs: 1500 });
    metrics.dequeued({ ...LABELS, granted: false, waitMs: 9000 });
    metrics.rejected({ reason: 'queue_full', priority: 'low' });
    metrics.queueTimeout('high');
    const text = await metrics.render();
    expect(text).toContain(`hearth_queue_depth{${HIGH}} 1\n`);
    expect(text).toContain('hearth_queue_depth{priority="low"} 0\n');
    expect(text).toContain(`hearth_queue_wait_seconds_count{${HIGH}} 1\n`);
    expect(text).toContain(`hearth_queue_wait_seconds_sum{${HIGH}} 1.5\n`);
    expect(text).toContain('hearth_queue_rejects_total{reason="queue_full",priority="low"} 1\n');
    expect(text).toContain(`hearth_queue_timeouts_total{${HIGH}} 1\n`);
  });

  test('a generation: times in seconds, tokens by kind', async () => {
    const metrics = new Metrics();
    metrics.firstToken({ ...LABELS, ttftMs: 250 });
    metrics.tokenGap(20);
    metrics.ended({
      ...LABELS,
      outcome: 'stop',
      usage: { promptTokens: 10, cachedTokens: 4, generatedTokens: 3 },
      latency: { ttftMs: 250, tpotMs: 20, maxItlMs: 20, e2eMs: 290 },
    });
    metrics.ended({
      ...LABELS,
      outcome: 'cancelled',
      usage: { promptTokens: 1, cachedTokens: 0, generatedTokens: 0 },
      latency: undefined,
    });
    const text = await metrics.render();
    expect(text).toContain(`hearth_ttft_seconds_sum{model="m",${HIGH}} 0.25\n`);
    expect(text).toContain('hearth_itl_seconds_sum 0.02\n');
    expect(text).toContain('hearth_tpot_seconds_sum 0.02\n');
    expect(text).toContain('hearth_e2e_seconds_sum 0.29\n');
    expect(text).toContain('hearth_e2e_seconds_count 1\n');
    expect(text).toContain('hearth_tokens_total{model="m",kind="prompt"} 11\n');
    expect(text).toContain('hearth_tokens_total{model="m",kind="cached"} 4\n');
    expect(text).toContain('hearth_tokens_total{model="m",kind="generated"} 3\n');
    expect(text).toContain(`outcome="cancelled"} 1\n`);
  });

  test('what could not go through shared memory, by reason, from zero on', async () => {
    const metrics = new Metrics();
    metrics.arenaFallback('disk_full');
    const text = await metrics.render();
    expect(text).toContain('hearth_arena_fallbacks_total{reason="disk_full"} 1\n');
    expect(text).toContain('hearth_arena_fallbacks_total{reason="unavailable"} 0\n');
  });

  test('a worker: one state at a time, and steps go on over a restart', async () => {
    const metrics = new Metrics();
    const vitals = { worker: 1, ageMs: 500, rssBytes: 7, gpuBytes: 8, kvUsedTokens: 9 };
    metrics.workerState('m', 'loading');
    metrics.workerState('m', 'ready');
    metrics.modelLoaded('m', 2000);
    metrics.slots('m', { busy: 1, free: 3 });
    metrics.workerVitals('m', [{ ...vitals, steps: 100 }]);
    metrics.workerVitals('m', [{ ...vitals, steps: 150 }]);
    metrics.workerRestarted('m', 'worker_crashed');
    metrics.workerVitals('m', [{ ...vitals, worker: 2, steps: 5 }]);
    const text = await metrics.render();
    expect(text).toContain('hearth_worker_state{model="m",state="ready"} 1\n');
    expect(text).toContain('hearth_worker_state{model="m",state="loading"} 0\n');
    expect(text).toContain('hearth_model_loaded{model="m"} 1\n');
    expect(text).toContain('hearth_model_load_seconds_sum{model="m"} 2\n');
    expect(text).toContain('hearth_slots{model="m",state="free"} 3\n');
    expect(text).toContain('hearth_worker_decode_steps_total{model="m"} 155\n');
    expect(text).toContain('hearth_worker_heartbeat_age_seconds{model="m"} 0.5\n');
    expect(text).toContain('hearth_worker_restarts_total{reason="worker_crashed"} 1\n');
    metrics.workerState('m', 'failed');
    expect(await metrics.render()).toContain('hearth_model_loaded{model="m"} 0\n');
  });

  test('every histogram reaches from 1 ms to 20 min', async () => {
    const metrics = new Metrics();
    metrics.tokenGap(1);
    const text = await metrics.render();
    expect(text).toContain('hearth_itl_seconds_bucket{le="0.001"} 1\n');
    expect(text).toContain('hearth_itl_seconds_bucket{le="1200"} 1\n');
  });
});
