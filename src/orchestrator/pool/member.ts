/**
 * One worker among those of a model, from the wish for it to its end.
 *
 *   queued ──gate──▶ starting ──hello──▶ loading ──loaded──▶ ready ──▶ over
 *       `───────────────┴───────────────────┴───── died ────────────────▲
 *   dismiss() from everywhere: it leaves, takes no more requests and ends when leave() says so
 *
 * Units   ms of the monotonic clock.
 * Errors  none: `ended` says how it went.
 */
import type { Clock } from '../../core/clock.ts';
import type { ModelState } from '../../core/engine.ts';
import type { Log } from '../../core/log.ts';
import type { WorkerInfo } from '../../core/operator.ts';
import type { HeartbeatMessage, LoadedMessage } from '../../ipc/protocol.ts';
import type { ModelSpec } from '../../models/spec.ts';
import type { MemoryAdmission } from '../memory/memory-admission.ts';
import {
  Replica,
  type ReplicaEnd,
  type ReplicaOptions,
  type ReplicaSettings,
} from '../replica/replica.ts';
import type { CallListener, GenerateJob, RunningCall } from '../replica/running-calls.ts';
import type { WorkerProcess } from '../replica/worker-process.ts';
import { Recycling } from './recycling.ts';
import type { StartGate } from './start-gate.ts';
import type { ThreadBudget } from './thread-budget.ts';

export interface MemberOptions {
  /** Never used twice for one model. */
  readonly number: number;
  readonly model: ModelSpec;
  readonly settings: ReplicaSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly gate: StartGate;
  readonly threads: ThreadBudget;
  readonly memory: MemoryAdmission | undefined;
  /** Others may go for it. */
  readonly mayEvict: () => boolean;
  /** Requests wait for it. */
  readonly isAwaited: () => boolean;
  readonly spawn: () => WorkerProcess;
  readonly onArenaFallback: ReplicaOptions['onArenaFallback'];
  readonly onLoading: () => void;
  readonly onReady: (loaded: LoadedMessage, tookMs: number) => void;
  /** It was ready and has died. Its calls are told afterwards. */
  readonly onLost: () => void;
  readonly onChange: () => void;
}

type Phase = 'queued' | 'starting' | 'loading' | 'ready' | 'over';

export class Member {
  readonly #options: MemberOptions;
  readonly #recycling: Recycling;
  /** How it ended; undefined when it was never started. */
  readonly ended: Promise<ReplicaEnd | undefined>;
  readonly #settled = Promise.withResolvers<void>();
  #phase: Phase = 'queued';
  #isLeaving = false;
  #replica: Replica | undefined;
  #startedMs = 0;
  #progress: number | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#recycling = new Recycling(options.model.recycle);
    this.ended = this.#live();
  }

  get number(): number {
    return this.#options.number;
  }

  /** `<model>-<n>`, as `ps` shows it. */
  get id(): string {
    return `${this.#options.model.name}-${this.number}`;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** It takes no more requests, and is not one of those that are counted on. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** There is, or was, a process. */
  get hasBegun(): boolean {
    return this.#replica !== undefined;
  }

  get isServing(): boolean {
    return this.#phase === 'ready' && !this.#isLeaving;
  }

  get progress(): number | undefined {
    return this.#phase === 'loading' ? this.#progress : undefined;
  }

  get pid(): number | undefined {
    return this.#replica?.process.pid;
  }

  get active(): number {
    return this.#replica?.counts.active ?? 0;
  }

  /** Resolves when it is ready, or will not be. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  get info(): WorkerInfo | undefined {
    if (this.#replica === undefined) return undefined;
    const { model, clock } = this.#options;
    const nowMs = clock.nowMs();
    const vitals = this.#replica.vitals(nowMs);
    return {
      id: this.id,
      model: model.name,
      pid: this.pid,
      state: this.#state,
      ageMs: nowMs - this.#startedMs,
      ...this.#replica.counts,
      heartbeat: vitals && { ageMs: vitals.ageMs, ...vitals.heartbeat },
    };
  }

  /** Only while it serves, which the scheduler sees to. */
  generate(job: GenerateJob, listener: CallListener): RunningCall {
    return this.#replica!.generate(job, listener);
  }

  /** The newest heartbeat, from after the load, and its age. */
  vitals(
    nowMs: number,
  ): { readonly heartbeat: HeartbeatMessage; readonly ageMs: number } | undefined {
    return this.#replica?.vitals(nowMs);
  }

  tick(nowMs: number, isLate: boolean): void {
    this.#replica?.tick(nowMs, isLate);
    const heldBytes = this.#heldBytes(nowMs);
    const { memory, model } = this.#options;
    if (heldBytes !== undefined) memory?.measured(model, this.id, heldBytes);
  }

  /** Why it is due to be replaced. */
  due(nowMs: number): ReturnType<Recycling['due']> {
    if (!this.isServing) return undefined;
    const bytes = this.#heldBytes(nowMs);
    const ageMs = nowMs - this.#startedMs;
    return this.#recycling.due({ ageMs, bytes, ...this.#replica!.counts });
  }

  /** It is not counted on any more. Whoever gives requests was told before. */
  dismiss(): void {
    this.#isLeaving = true;
    this.#settled.resolve();
  }

  /** Lets what runs end for at most `drainMs`, then ends the worker. Again with less time: sooner. */
  async leave(drainMs: number): Promise<void> {
    this.dismiss();
    const replica = this.#replica;
    if (replica === undefined) return;
    await replica.idleWithin(drainMs);
    if (replica.counts.active === 0) await replica.discard();
    else await replica.close();
  }

  /** In good order. Idempotent, bounded. */
  async close(): Promise<void> {
    this.dismiss();
    await this.#replica?.close();
  }

  /** Now. Idempotent, bounded. */
  async destroy(): Promise<void> {
    this.dismiss();
    await this.#replica?.destroy();
  }

  async #live(): Promise<ReplicaEnd | undefined> {
    const { gate, clock, model, settings, threads, memory } = this.#options;
    const begun = await gate.enter();
    if (this.#isLeaving) {
      begun();
      this.#enter('over');
      return undefined;
    }
    threads.join(this.id, {
      threads: model.threads,
      onShare: () => this.#replica?.shareThreads(),
    });
    const process = this.#options.spawn();
    const log = this.#options.log.child({ worker: process.name, pid: process.pid });
    this.#startedMs = clock.nowMs();
    log.info({}, 'worker started');
    this.#replica = new Replica({
      process,
      model,
      settings,
      clock,
      log,
      threads: () => threads.of(this.id),
      admit: async (loading) => {
        const { mayEvict, isAwaited } = this.#options;
        await memory?.admit(model, this.id, { mayEvict: mayEvict(), isAwaited, ...loading });
      },
      onArenaFallback: this.#options.onArenaFallback,
      onLoading: () => {
        begun();
        this.#options.onLoading();
        this.#enter('loading');
      },
      onProgress: (fraction) => {
        this.#progress = fraction;
      },
      onReady: (loaded) => {
        const tookMs = clock.nowMs() - this.#startedMs;
        this.#phase = 'ready';
        log.info({ tookMs: Math.round(tookMs), parts: loaded.loadMs }, 'model loaded');
        this.#options.onReady(loaded, tookMs);
        this.#settled.resolve();
      },
      onLost: () => {
        this.#phase = 'over';
        this.#options.onLost();
      },
    });
    this.#enter('starting');
    const end = await this.#replica.ended;
    begun();
    memory?.release(this.id);
    threads.leave(this.id);
    this.#settled.resolve();
    this.#enter('over');
    return end;
  }

  get #state(): ModelState {
    if (this.#isLeaving && this.#phase !== 'over') return 'draining';
    switch (this.#phase) {
      case 'queued':
        return 'starting';
      case 'over':
        return 'stopped';
      default:
        return this.#phase;
    }
  }

  /** The newest heartbeat may be from before the load. */
  #heldBytes(nowMs: number): number | undefined {
    const heartbeat = this.#replica?.vitals(nowMs)?.heartbeat;
    if (this.#phase !== 'ready' || heartbeat === undefined) return undefined;
    if (heartbeat.phase === 'starting' || heartbeat.phase === 'loading') return undefined;
    return heartbeat.rssBytes + heartbeat.gpuBytes;
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#options.onChange();
  }
}
