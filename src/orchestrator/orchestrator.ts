/**
 * The engine over real workers: a supervisor per model, one loop that owns the scheduler, and the
 * life of both.
 *
 *   new ──start()──▶ running ──close()──▶ draining ──idle, or deadline──▶ stopping ──▶ closed
 *                       `──────────────── destroy() ──────────────────────▶ stopping ──▶ closed
 *
 * Timers  one interval, for liveness, positions and vitals.
 * Units   ms of the monotonic clock.
 * Errors  `submit` rejects with model_not_found, rate_limited, model_failed, queue_full, draining or
 *         client_closed_request; all else is thrown by the ticket's events.
 */
import type { Clock } from '../core/clock.ts';
import type {
  CallContext,
  Engine,
  GenerationRequest,
  ModelInfo,
  QueueInfo,
  RateState,
  Ticket,
} from '../core/engine.ts';
import { HearthError, RequestError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Observer } from '../core/observer.ts';
import type { Operator, WorkerInfo } from '../core/operator.ts';
import { noUsageBook, type UsageBook } from '../core/usage-book.ts';
import type { ModelSpec } from '../models/spec.ts';
import { abortReason } from './call.ts';
import type { LimiterOptions } from './limits/limiter.ts';
import { Loop, type LoopLimits } from './loop.ts';
import { type Evictable, MemoryAdmission } from './memory/memory-admission.ts';
import type { MemoryBook } from './memory/memory-book.ts';
import { StartGate } from './pool/start-gate.ts';
import { Supervisor, type SupervisorHost, type WorkerSettings } from './pool/supervisor.ts';
import { ThreadBudget } from './pool/thread-budget.ts';
import * as refusals from './refusals.ts';
import { noRegister, type WorkerRegister } from './registry/spawn-registered.ts';
import type { WorkerProcess } from './replica/worker-process.ts';
import type { SchedulerLimits } from './scheduling/scheduler.ts';

export interface OrchestratorOptions {
  /** The default model first. */
  readonly models: readonly ModelSpec[];
  readonly limits: SchedulerLimits;
  /** Requests that run and wait, from which on the log warns. Absent: half of those that may. */
  readonly queueDepthWarn?: number | undefined;
  /** Absent: nothing is limited by time but what a tenant brings. */
  readonly rateLimits?: LimiterOptions | undefined;
  /** Absent: nobody's usage is remembered. */
  readonly usageBook?: UsageBook | undefined;
  readonly worker: Omit<WorkerSettings, 'slowReaderMs'> & {
    /** How long `close` lets requests go on. */
    readonly drainTimeoutMs: number;
    readonly slowReaderMs?: number;
  };
  /** CPU cores that workers may use together. */
  readonly cores: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  readonly newRunId: () => string;
  /** Absent: whether a model fits is not looked at. */
  readonly memory?: { readonly budgetBytes: number; readonly book: MemoryBook } | undefined;
  /** Told of every worker. Absent: nobody is. */
  readonly register?: WorkerRegister;
  /** First workers that were spawned before this was imported, by the name of their model. */
  readonly prespawned?: ReadonlyMap<string, WorkerProcess>;
}

const NO_RATE_LIMITS: LimiterOptions = { each: {}, all: {}, burstWindowMs: 1_000 };
/** A stream whose reader takes nothing for so long is cut. Source: workers.md, "Channel". */
const SLOW_READER_MS = 30_000;
const STARTING_MAX = 8;
const STARTING_WAIT_MS = 750;
/** Looks per heartbeat interval, so that a hang is seen soon after its limit. */
const TICKS_PER_HEARTBEAT = 4;

export class Orchestrator implements Engine, Operator, AsyncDisposable {
  readonly #options: OrchestratorOptions;
  readonly #loop: Loop;
  #supervisors: ReadonlyMap<string, Supervisor>;
  /** No more in the table; gone as soon as nobody uses them. */
  readonly #retired = new Map<string, Supervisor>();
  readonly #makeSupervisor: (model: ModelSpec) => Supervisor;
  #ticker: NodeJS.Timeout | undefined;
  #tickedMs = 0;
  #closing: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: OrchestratorOptions) {
    const { models, limits, worker, clock, log, observer } = options;
    const { newRunId, prespawned, rateLimits = NO_RATE_LIMITS, usageBook = noUsageBook } = options;
    this.#options = options;
    this.#loop = new Loop({
      models: models.map(({ name }) => name),
      limits,
      queueDepthWarn: options.queueDepthWarn ?? limits.queueDepthMax / 2,
      rateLimits,
      usageBook,
      clock,
      log,
      observer,
      deskOf: (model) => this.#supervisors.get(model) ?? this.#retired.get(model)!,
    });
    const gate = new StartGate({ max: STARTING_MAX, waitMs: STARTING_WAIT_MS });
    const memory =
      options.memory &&
      new MemoryAdmission({
        ...options.memory,
        evictable: () => this.#evictable(),
        evict: (model) => this.#evict(model),
        clock,
        log,
      });
    const threads = new ThreadBudget(options.cores);
    const settings = { slowReaderMs: SLOW_READER_MS, ...worker };
    const host = this.#host();
    this.#makeSupervisor = (model) =>
      new Supervisor({
        model,
        settings,
        clock,
        log: log.child({ model: model.name }),
        observer,
        newRunId,
        register: options.register ?? noRegister,
        gate,
        threads,
        memory,
        prespawned: prespawned?.get(model.name),
        host,
      });
    this.#supervisors = new Map(models.map((model) => [model.name, this.#makeSupervisor(model)]));
  }

  /** Spawns the workers of all models. Resolves when they are spawned, not when they are loaded. */
  async start(): Promise<void> {
    const { worker, clock } = this.#options;
    if (this.#ticker !== undefined || this.#closing || this.#stopping) return;
    for (const supervisor of this.#all) supervisor.start();
    this.#tickedMs = clock.nowMs();
    const intervalMs = Math.max(1, worker.heartbeatIntervalMs / TICKS_PER_HEARTBEAT);
    this.#ticker = setInterval(() => this.#tick(intervalMs), intervalMs);
  }

  models(): readonly ModelInfo[] {
    return [...this.#supervisors.values()].map(({ info }) => info);
  }

  /** Hold at once, also for those that wait; those that run go on. */
  setLimits(limits: LoopLimits): void {
    this.#loop.setLimits(limits);
  }

  rate(tenant: string): RateState | undefined {
    return this.#loop.rate(tenant);
  }

  queue(): QueueInfo {
    return this.#loop.queue();
  }

  workers(): readonly WorkerInfo[] {
    return this.#all.flatMap(({ workers }) => workers);
  }

  async load(model: string): Promise<ModelInfo> {
    const supervisor = this.#supervisor(model);
    await supervisor.load();
    const { info } = supervisor;
    if (info.state === 'failed') throw refusals.modelFailed(model, supervisor);
    if (info.state !== 'ready' && supervisor.refusal !== undefined) throw supervisor.refusal;
    return info;
  }

  async unload(model: string): Promise<ModelInfo> {
    const supervisor = this.#supervisor(model);
    await supervisor.unload({ drainMs: this.#options.worker.drainTimeoutMs, isHeld: false });
    return supervisor.info;
  }

  async recycle(name: string): Promise<ModelInfo> {
    const worker = this.#supervisors.has(name) ? undefined : this.#worker(name, 'model or worker');
    const supervisor = this.#supervisor(worker?.model ?? name);
    await supervisor.recycle(worker?.id);
    return supervisor.info;
  }

  async stop(name: string): Promise<ModelInfo> {
    const drainMs = this.#options.worker.drainTimeoutMs;
    const workers = this.workers();
    const isModel = workers.some(({ model }) => model === name);
    if (isModel && workers.some(({ id }) => id === name)) {
      const message = `A worker and a model are both called ${JSON.stringify(name)}; see "hearth ps", and name the pid.`;
      throw new RequestError('worker_not_found', message);
    }
    const worker = isModel ? undefined : this.#worker(name);
    const supervisor = this.#supervisor(worker?.model ?? name);
    if (worker === undefined) await supervisor.unload({ drainMs, isHeld: true });
    else await supervisor.stop(worker.id, drainMs);
    return supervisor.info;
  }

  /** By id or pid. */
  #worker(name: string, what = 'worker'): WorkerInfo {
    const found = this.workers().find(({ id, pid }) => name === id || name === String(pid));
    if (found !== undefined) return found;
    const message = `No ${what} is ${JSON.stringify(name)}; see "hearth ps", and name the pid.`;
    throw new RequestError('worker_not_found', message);
  }

  #evictable(): readonly Evictable[] {
    return this.#all.flatMap(({ evictable }) => evictable ?? []);
  }

  async #evict(model: string): Promise<void> {
    this.#options.observer.evicted(model);
    await (this.#supervisors.get(model) ?? this.#retired.get(model))?.evict();
  }

  /**
   * Another table of models holds from now on, the default model first. New ones are loaded as at the start; workers of
   * those that changed are replaced; those that are gone take nothing new, and go when nobody uses them.
   */
  setModels(models: readonly ModelSpec[]): void {
    // Whoever ends takes nothing new, and a worker that is started now would be ended by nobody.
    if (this.#closing !== undefined || this.#stopping !== undefined) return;
    const next = new Map<string, Supervisor>();
    const before = new Map([...this.#retired, ...this.#supervisors]);
    const added: Supervisor[] = [];
    for (const model of models) {
      const { name } = model;
      const known = before.get(name);
      const supervisor = known ?? this.#makeSupervisor(model);
      if (known === undefined) added.push(supervisor);
      next.set(name, supervisor);
    }
    for (const [name, supervisor] of this.#supervisors) {
      if (!next.has(name)) this.#retired.set(name, supervisor);
    }
    for (const name of next.keys()) this.#retired.delete(name);
    this.#supervisors = next;
    this.#loop.setModels([...next.keys()]);
    for (const model of models) before.get(model.name)?.reconfigure(model);
    for (const supervisor of added) supervisor.start();
  }

  /** Its worker goes, and then the last that is known of it. */
  async #forget(model: string, supervisor: Supervisor): Promise<void> {
    await supervisor.unload({ drainMs: 0, isHeld: false });
    // It may have come back into the table meanwhile, or a request got in before it left it.
    if (this.#retired.get(model) !== supervisor || !supervisor.isUnused) return;
    this.#retired.delete(model);
    await supervisor.close();
    this.#loop.forgetModel(model);
    this.#options.observer.modelRemoved(model);
  }

  get #all(): readonly Supervisor[] {
    return [...this.#supervisors.values(), ...this.#retired.values()];
  }

  #supervisor(model: string): Supervisor {
    const supervisor = this.#supervisors.get(model);
    if (supervisor === undefined) throw refusals.unknownModel(model, [...this.#supervisors.keys()]);
    return supervisor;
  }

  async submit(request: GenerationRequest, context: CallContext): Promise<Ticket> {
    if (!this.#supervisors.has(request.model)) {
      throw refusals.unknownModel(request.model, [...this.#supervisors.keys()]);
    }
    if (context.signal.aborted) throw abortReason(context.signal);
    return this.#loop.submit(request, context);
  }

  /**
   * Takes nothing new, lets what is there go on for `drainTimeoutMs`, then ends the workers. What is
   * unfinished at the deadline fails with `draining`. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** Ends everything now: requests fail with `reason`, workers are killed. Idempotent. */
  async destroy(reason?: unknown): Promise<void> {
    // Whatever made the server end, to a request it is the end of the server.
    const error = reason instanceof HearthError ? reason : refusals.draining(reason);
    this.#stopping ??= this.#stop(error, (supervisor) => supervisor.destroy());
    // A stop in good order that is under way is cut short.
    await Promise.all(this.#all.map((supervisor) => supervisor.destroy()));
    await this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #drain(): Promise<void> {
    const { log, worker } = this.#options;
    this.#loop.post({ type: 'drain' });
    for (const supervisor of this.#all) supervisor.drain();
    log.info({ requests: this.#loop.size }, 'draining');
    await this.#idleWithin(worker.drainTimeoutMs);
    this.#stopping ??= this.#stop(refusals.draining(), (supervisor) => supervisor.close());
    await this.#stopping;
  }

  async #idleWithin(ms: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, ms);
    await Promise.race([this.#loop.idle(), late.promise]);
    clearTimeout(timer);
  }

  async #stop(error: HearthError, end: (of: Supervisor) => Promise<void>): Promise<void> {
    const { log } = this.#options;
    clearInterval(this.#ticker);
    if (this.#loop.size > 0) log.warn({ requests: this.#loop.size }, 'ending requests');
    this.#loop.failAll(error);
    await Promise.all(this.#all.map(end));
    this.#loop.end();
    log.info({}, 'workers ended');
  }

  #host(): SupervisorHost {
    const told = (model: string) => {
      this.#loop.tellPositions(model);
      this.#loop.reportSlots(model);
    };
    return {
      ready: (model, replica, size) => {
        this.#loop.post({ type: 'ready', model, replica, ...size });
        told(model);
      },
      lost: (model, replica) => {
        this.#loop.post({ type: 'lost', model, replica });
        told(model);
      },
      failed: (model) => this.#loop.post({ type: 'failed', model }),
      revived: (model) => this.#loop.post({ type: 'revived', model }),
      waiting: (model) => this.#loop.waitingFor(model),
    };
  }

  #tick(intervalMs: number): void {
    const nowMs = this.#options.clock.nowMs();
    const { heartbeatIntervalMs } = this.#options.worker;
    // Late by more than a period: the machine slept, or this process was stopped.
    const isLate = nowMs - this.#tickedMs > intervalMs + heartbeatIntervalMs;
    this.#tickedMs = nowMs;
    for (const supervisor of this.#all) {
      supervisor.tick(nowMs, isLate);
      this.#loop.tellPositions(supervisor.info.name);
    }
    for (const [model, supervisor] of this.#retired) {
      if (supervisor.isUnused) void this.#forget(model, supervisor);
    }
  }
}
