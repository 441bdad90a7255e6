/**
 * Prometheus metrics: what HTTP sees and what the orchestrator reports through `Observer`.
 *
 * Units   base units on the wire (seconds, bytes, tokens); the port speaks ms.
 * Labels  bounded: routes are templates, models come from the table, everything else is a union.
 *         Children are looked up once and kept, because prom-client hashes labels on every call.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

import type { Constraint, Verdict } from '../core/constraint.ts';
import type { ModelState, Usage } from '../core/engine.ts';
import type { Latency } from '../core/latency.ts';
import type { ArenaFallback, Observer, Outcome, WorkerVitals } from '../core/observer.ts';
import { PRIORITIES, type Priority } from '../core/priority.ts';

/** 1 ms to 20 min: a cached token and a long answer on a slow machine. */
const BUCKETS_S = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1200,
];
const STATES: readonly ModelState[] = [
  'unloaded',
  'starting',
  'loading',
  'ready',
  'draining',
  'stopped',
  'failed',
];
/** Node's default of 10 ms wakes the process a hundred times a second for nothing. */
const LOOP_PRECISION_MS = 50;

/** Node reports the time between two looks, which on an idle loop is that between them. */
export function loopLagSeconds(betweenLooksNs: number): number {
  return Math.max(0, betweenLooksNs / 1e6 - LOOP_PRECISION_MS) / 1e3;
}

const LAG_PERCENTILES = [
  ['p50', 50],
  ['p99', 99],
  ['max', 100],
] as const;

const REJECT_REASONS = ['rate_limited', 'queue_full', 'draining', 'model_failed'] as const;
const RESTART_REASONS = ['worker_crashed', 'worker_hung', 'worker_protocol'] as const;
const ARENA_REASONS: readonly ArenaFallback[] = ['unavailable', 'full', 'disk_full'];
const VERDICTS: readonly Verdict['verdict'][] = ['valid', 'invalid', 'unchecked'];

export type CompileOutcome = 'compiled' | 'refused' | 'failed';

export interface MetricFacts {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

export interface RequestLabels {
  readonly route: string;
  readonly model: string | undefined;
  readonly priority: Priority | undefined;
  readonly status: number;
}

export class Metrics implements Observer {
  readonly #registry = new Registry();
  readonly #requests = new Map<string, Counter.Internal>();
  readonly #requestSeconds = new Map<string, Histogram.Internal<string>>();
  readonly #beforeScrape: () => void;
  /** Last step count of each worker: the counter goes on when a new worker begins at 0. */
  readonly #steps = new Map<string, ReadonlyMap<number, number>>();

  readonly #requestsTotal = this.#counter('requests_total', 'HTTP requests', [
    'route',
    'model',
    'priority',
    'status',
  ]);
  readonly #requestTime = this.#histogram('request_seconds', 'Arrival to last byte', ['route']);
  readonly #queueWait = this.#histogram('queue_wait_seconds', 'Arrival to slot', ['priority']);
  readonly #ttft = this.#histogram('ttft_seconds', 'Arrival to first token', ['model', 'priority']);
  readonly #itl = this.#histogram('itl_seconds', 'Gap between two tokens of one sequence', []);
  readonly #tpot = this.#histogram('tpot_seconds', 'Mean gap between tokens of one answer', []);
  readonly #e2e = this.#histogram('e2e_seconds', 'Arrival to last token', []);
  readonly #tokens = this.#counter('tokens_total', 'Tokens read and generated', ['model', 'kind']);
  readonly #generations = this.#counter('generations_total', 'Generations by outcome', [
    'model',
    'priority',
    'outcome',
  ]);
  readonly #queueDepth = this.#gauge('queue_depth', 'Requests that wait', ['priority']);
  readonly #rejects = this.#counter('queue_rejects_total', 'Refused on arrival', [
    'reason',
    'priority',
  ]);
  readonly #rateRejects = this.#counter('ratelimit_rejects_total', 'Over a rate limit or quota', [
    'key',
  ]);
  readonly #keyRequests = this.#counter('key_requests_total', 'Generations by API key', ['key']);
  readonly #keyTokens = this.#counter('key_tokens_total', 'Tokens by API key', ['key', 'kind']);
  readonly #timeouts = this.#counter('queue_timeouts_total', 'Waited out a deadline', ['priority']);
  readonly #preemptions = this.#counter('preemptions_total', 'Gave a slot back to high', [
    'model',
    'priority',
  ]);
  readonly #slots = this.#gauge('slots', 'Slots of loaded models', ['model', 'state']);
  readonly #workerState = this.#gauge('worker_state', '1 for the state a worker is in', [
    'model',
    'state',
  ]);
  readonly #restarts = this.#counter('worker_restarts_total', 'Worker restarts', ['reason']);
  readonly #orphans = this.#counter('orphans_killed_total', 'Workers of earlier servers', []);
  readonly #recycled = this.#counter('worker_recycled_total', 'Workers replaced by new ones', [
    'model',
    'reason',
  ]);
  readonly #heartbeatAge = this.#gauge('worker_heartbeat_age_seconds', 'Since the last sign', [
    'model',
  ]);
  readonly #decodeSteps = this.#counter('worker_decode_steps_total', 'Decode steps', ['model']);
  readonly #rss = this.#gauge('worker_rss_bytes', 'Resident memory of its workers', ['model']);
  readonly #gpu = this.#gauge('worker_gpu_bytes', 'GPU memory of its workers', ['model']);
  readonly #kvTokens = this.#gauge('kv_tokens', 'Tokens in KV caches', ['model', 'state']);
  readonly #loaded = this.#gauge('model_loaded', '1 when a model can answer', ['model']);
  readonly #evictions = this.#counter('model_evictions_total', 'Unloaded for another model', [
    'model',
  ]);
  readonly #loadTime = this.#histogram('model_load_seconds', 'Time to load a model', ['model']);
  readonly #arenaFallbacks = this.#counter(
    'arena_fallbacks_total',
    'Large prompts that could not go through shared memory',
    ['reason'],
  );

  readonly #constraints = this.#counter(
    'constraints_total',
    'Schemas, patterns and grammars that answers were to keep to',
    ['kind', 'outcome'],
  );
  readonly #compileTime = this.#histogram(
    'constraint_compile_seconds',
    'Time to a grammar or a refusal, waiting included',
    [],
  );
  readonly #finalChecks = this.#counter(
    'final_checks_total',
    'Finished answers that were compared with what was asked for',
    ['verdict'],
  );

  /** Since the last scrape: an average over days would hide every stall. */
  readonly #loopDelay = monitorEventLoopDelay({ resolution: LOOP_PRECISION_MS });

  constructor() {
    this.#loopDelay.enable();
    const lag = this.#gauge('event_loop_lag_seconds', 'Delay of the event loop', ['at']);
    collectDefaultMetrics({
      register: this.#registry,
      prefix: 'hearth_',
      eventLoopMonitoringPrecision: LOOP_PRECISION_MS,
    });
    this.#beginAtZero();
    this.#beforeScrape = () => {
      for (const [at, percentile] of LAG_PERCENTILES) {
        lag.set({ at }, loopLagSeconds(this.#loopDelay.percentile(percentile)));
      }
      this.#loopDelay.reset();
    };
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** For the documentation: all there are, in the order in which they are made. */
  get all(): readonly MetricFacts[] {
    return this.#registry.getMetricsAsArray().map((metric) => {
      const { name, help, type, labelNames } = metric as unknown as MetricFacts & {
        readonly labelNames: readonly string[];
      };
      return { name, help, type, labelNames };
    });
  }

  render(): Promise<string> {
    this.#beforeScrape();
    return this.#registry.metrics();
  }

  /** `model` is a name of the table or undefined. */
  requestEnded(labels: RequestLabels, ms: number): void {
    const { route, model = 'none', priority = 'none', status } = labels;
    const key = `${route} ${model} ${priority} ${status}`;
    let counter = this.#requests.get(key);
    if (counter === undefined) {
      counter = this.#requestsTotal.labels({ route, model, priority, status: String(status) });
      this.#requests.set(key, counter);
    }
    counter.inc();
    let histogram = this.#requestSeconds.get(route);
    if (histogram === undefined) {
      histogram = this.#requestTime.labels({ route });
      this.#requestSeconds.set(route, histogram);
    }
    histogram.observe(ms / 1000);
  }

  queued({ priority }: { readonly priority: Priority }): void {
    this.#queueDepth.inc({ priority });
  }

  dequeued(left: {
    readonly priority: Priority;
    readonly granted: boolean;
    readonly waitMs: number;
  }): void {
    this.#queueDepth.dec({ priority: left.priority });
    if (left.granted) this.#queueWait.observe({ priority: left.priority }, left.waitMs / 1000);
  }

  rejected(refused: Parameters<Observer['rejected']>[0]): void {
    this.#rejects.inc(refused);
  }

  rateLimited(key: string): void {
    this.#rateRejects.inc({ key });
  }

  used(key: string, usage: Usage, requests: 0 | 1): void {
    // Present from a key's first use, so that its first refusal is an increase.
    this.#rateRejects.inc({ key }, 0);
    this.#keyRequests.inc({ key }, requests);
    this.#keyTokens.inc({ key, kind: 'prompt' }, usage.promptTokens);
    this.#keyTokens.inc({ key, kind: 'cached' }, usage.cachedTokens);
    this.#keyTokens.inc({ key, kind: 'generated' }, usage.generatedTokens);
  }

  queueTimeout(priority: Priority): void {
    this.#timeouts.inc({ priority });
  }

  preempted({ model, priority }: { readonly model: string; readonly priority: Priority }): void {
    this.#preemptions.inc({ model, priority });
  }

  firstToken(first: {
    readonly model: string;
    readonly priority: Priority;
    readonly ttftMs: number;
  }): void {
    this.#ttft.observe({ model: first.model, priority: first.priority }, first.ttftMs / 1000);
  }

  tokenGap(gapMs: number): void {
    this.#itl.observe(gapMs / 1000);
  }

  ended(end: {
    readonly model: string;
    readonly priority: Priority;
    readonly outcome: Outcome;
    readonly usage: Usage;
    readonly latency: Latency | undefined;
  }): void {
    const { model, priority, outcome, usage, latency } = end;
    this.#generations.inc({ model, priority, outcome });
    this.#tokens.inc({ model, kind: 'prompt' }, usage.promptTokens);
    this.#tokens.inc({ model, kind: 'cached' }, usage.cachedTokens);
    this.#tokens.inc({ model, kind: 'generated' }, usage.generatedTokens);
    if (latency === undefined) return;
    this.#e2e.observe(latency.e2eMs / 1000);
    if (latency.tpotMs !== undefined) this.#tpot.observe(latency.tpotMs / 1000);
  }

  slots(model: string, { busy, free }: { readonly busy: number; readonly free: number }): void {
    this.#slots.set({ model, state: 'busy' }, busy);
    this.#slots.set({ model, state: 'free' }, free);
  }

  workerState(model: string, state: ModelState): void {
    for (const each of STATES)
      this.#workerState.set({ model, state: each }, each === state ? 1 : 0);
    this.#loaded.set({ model }, state === 'ready' ? 1 : 0);
    if (state !== 'unloaded' && state !== 'stopped') return;
    // There is no worker whose figures they would be.
    for (const gauge of [this.#rss, this.#gpu, this.#heartbeatAge]) gauge.remove({ model });
    this.#kvTokens.remove({ model, state: 'used' });
  }

  workerRestarted(_model: string, reason: string): void {
    this.#restarts.inc({ reason });
  }

  orphansEnded(count: number): void {
    this.#orphans.inc(count);
  }

  workerRecycled(model: string, reason: string): void {
    this.#recycled.inc({ model, reason });
  }

  /** Series by model and not by worker: workers come and go, and each would be a series for ever. */
  workerVitals(model: string, vitals: readonly WorkerVitals[]): void {
    const sum = (of: (each: WorkerVitals) => number) =>
      vitals.reduce((all, each) => all + of(each), 0);
    this.#heartbeatAge.set({ model }, Math.max(...vitals.map(({ ageMs }) => ageMs)) / 1000);
    this.#rss.set(
      { model },
      sum(({ rssBytes }) => rssBytes),
    );
    this.#gpu.set(
      { model },
      sum(({ gpuBytes }) => gpuBytes),
    );
    this.#kvTokens.set(
      { model, state: 'used' },
      sum(({ kvUsedTokens }) => kvUsedTokens),
    );
    const before = this.#steps.get(model) ?? new Map<number, number>();
    this.#decodeSteps.inc(
      { model },
      sum(({ worker, steps }) => Math.max(0, steps - (before.get(worker) ?? 0))),
    );
    this.#steps.set(model, new Map(vitals.map(({ worker, steps }) => [worker, steps])));
  }

  evicted(model: string): void {
    this.#evictions.inc({ model });
  }

  modelLoaded(model: string, loadMs: number): void {
    this.#loadTime.observe({ model }, loadMs / 1000);
    for (const priority of PRIORITIES) this.#preemptions.inc({ model, priority }, 0);
  }

  arenaFallback(reason: ArenaFallback): void {
    this.#arenaFallbacks.inc({ reason });
  }

  constraintCompiled(kind: Constraint['kind'], outcome: CompileOutcome, ms: number): void {
    this.#constraints.inc({ kind, outcome });
    this.#compileTime.observe(ms / 1000);
  }

  finalCheck(verdict: Verdict['verdict']): void {
    this.#finalChecks.inc({ verdict });
  }

  /** Its counters stay: what it did is done. */
  modelRemoved(model: string): void {
    for (const state of STATES) this.#workerState.remove({ model, state });
    for (const state of ['busy', 'free']) this.#slots.remove({ model, state });
    this.#loaded.remove({ model });
  }

  /** A counter that appears with its first event has no increase to show for it. */
  #beginAtZero(): void {
    for (const priority of PRIORITIES) {
      this.#queueDepth.set({ priority }, 0);
      this.#timeouts.inc({ priority }, 0);
      for (const reason of REJECT_REASONS) this.#rejects.inc({ reason, priority }, 0);
    }
    for (const reason of RESTART_REASONS) this.#restarts.inc({ reason }, 0);
    for (const reason of ARENA_REASONS) this.#arenaFallbacks.inc({ reason }, 0);
    for (const verdict of VERDICTS) this.#finalChecks.inc({ verdict }, 0);
  }

  #counter(name: string, help: string, labelNames: readonly string[]): Counter {
    return new Counter({ ...this.#common(name, help), labelNames: [...labelNames] });
  }

  #gauge(name: string, help: string, labelNames: readonly string[]): Gauge {
    return new Gauge({ ...this.#common(name, help), labelNames: [...labelNames] });
  }

  #histogram(name: string, help: string, labelNames: readonly string[]): Histogram {
    return new Histogram({
      ...this.#common(name, help),
      labelNames: [...labelNames],
      buckets: BUCKETS_S,
    });
  }

  #common(name: string, help: string) {
    return { name: `hearth_${name}`, help, registers: [this.#registry] };
  }
}
