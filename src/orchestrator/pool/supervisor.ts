/**
 * Keeps the workers of one model alive, as many as it has replicas, for as long as somebody wants it.
 *
 *   unloaded ──wanted()──▶ starting ──hello──▶ loading ──loaded──▶ ready ──unload()──▶ draining ──▶ unloaded
 *                             ▲                   │                  │                          or stopped
 *                             ├──── died ─────────┴──────────────────┘   restarted at once, then with a pause
 *                             │
 *                             └── file changed, or probe ── failed ◀── the worker refused the model, or
 *                                                                      died too often
 *
 * The state is that of the best worker there is (`member.ts`): a model with one that serves is ready. Whatever
 * happens ends in `#reconcile`, which starts what is missing, and in `#update`, which tells the state.
 *
 * A model is wanted from the start (`preload`) or from its first request on, until it is unloaded: by the
 * operator, or because nobody asked for `keepAliveMs`. A request that comes while it drains waits and has
 * it loaded again. One that the operator stopped is refused until the operator loads it.
 *
 * A model whose worker said why it cannot be loaded is not tried again with the same file: it stays
 * `failed`, and requests are told why, until the file is another one (`file-watch.ts`), so that a mended model
 * comes back by itself. One that died too often (`restarts.ts`) is `failed` likewise, and tried again after a
 * while with one worker that gets no requests until it has loaded: a half-open breaker. Where other replicas
 * serve meanwhile, they go on.
 *
 * That the system cannot start a process (no memory, no process or file number left) is not held against
 * the model: it is tried again, ever more slowly, for as long as it takes.
 *
 * A worker that is due (`recycling.ts`) is replaced: the new one first where there is memory for both, else what
 * runs ends first, while requests wait. None fails for it.
 *
 * Long because it is one life: what it asks on the way lies beside it (`restarts`, `recycling`, `start-gate`,
 * `file-watch`, `memory/`, `registry/`), and each method is one arrow of the drawing.
 *
 * Errors  none but those of `recycle`: what goes wrong is a state with a reason, and events to the host.
 */
import { isDeepStrictEqual } from 'node:util';

import type { Clock } from '../../core/clock.ts';
import type { ModelInfo, ModelState } from '../../core/engine.ts';
import type { HearthError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ArenaFallback, Observer } from '../../core/observer.ts';
import type { WorkerInfo } from '../../core/operator.ts';
import type { LoadedMessage } from '../../ipc/protocol.ts';
import type { BackendName, ModelSpec } from '../../models/spec.ts';
import type { Evictable, MemoryAdmission } from '../memory/memory-admission.ts';
import * as refusals from '../refusals.ts';
import { spawnRegistered, type WorkerRegister } from '../registry/spawn-registered.ts';
import type { ReplicaEnd, ReplicaSettings } from '../replica/replica.ts';
import type { CallListener, GenerateJob, RunningCall } from '../replica/running-calls.ts';
import {
  type HeartbeatLimits,
  toHeartbeat,
  type WorkerProcess,
  type WorkerProgram,
} from '../replica/worker-process.ts';
import { Crew } from './crew.ts';
import { FileWatch } from './file-watch.ts';
import type { Member } from './member.ts';
import { Replacements } from './replacements.ts';
import { type RestartLimits, Restarts } from './restarts.ts';
import type { StartGate } from './start-gate.ts';
import type { ThreadBudget } from './thread-budget.ts';

export interface WorkerSettings extends ReplicaSettings, RestartLimits, HeartbeatLimits {
  readonly environment: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[] | undefined;
  /** Another script than the worker of this build. */
  readonly entry?: string | undefined;
  /** For backends whose workers are no programs of this Node; asked at each start. */
  readonly programOf?: ((backend: BackendName) => WorkerProgram | undefined) | undefined;
}

/** Where a supervisor reports to; synchronous, and nothing of it throws. */
export interface SupervisorHost {
  /** `slots` for every class, `spare` more for the high one. */
  ready(
    model: string,
    replica: number,
    size: { readonly slots: number; readonly spare: number },
  ): void;
  /** Takes no more requests. When it has died, told before the calls that ran there. */
  lost(model: string, replica: number): void;
  failed(model: string): void;
  revived(model: string): void;
  /** Requests that wait for a slot of it. */
  waiting(model: string): number;
}

export interface SupervisorOptions {
  readonly model: ModelSpec;
  readonly settings: WorkerSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  readonly host: SupervisorHost;
  readonly newRunId: () => string;
  readonly register: WorkerRegister;
  readonly gate: StartGate;
  readonly threads: ThreadBudget;
  /** Undefined: memory is not looked at. */
  readonly memory: MemoryAdmission | undefined;
  /** Is in the register already. */
  readonly prespawned?: WorkerProcess | undefined;
}

const HELD = 'it was stopped by the operator; "hearth load" starts it again.';
/** What a request is told while a failed model is being tried again. */
const PROBING_MS = 1_000;
/** The system is out of something that comes back: processes, memory, file numbers. */
const OUT_OF = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE']);
const START_DELAY_MS = 100;
const START_DELAY_MAX_MS = 5_000;
/** A replica that there was no memory for is tried again after it. */
const AGAIN_MS = 60_000;
/** What runs on a worker that is replaced has its own deadline. */
const PATIENCE_MS = 86_400_000;

export class Supervisor {
  #options: SupervisorOptions;
  readonly #restarts: Restarts;
  #file: FileWatch;
  readonly #createdS = Math.floor(Date.now() / 1_000);
  readonly #crew = new Crew();
  readonly #replacements: Replacements;
  /** Replicas that the operator stopped one by one. */
  #stoppedCount = 0;
  /** So many fit and no more, as far as is known until then. */
  #crowded: { readonly max: number; readonly untilMs: number } | undefined;
  #prespawned: WorkerProcess | undefined;
  #isWanted: boolean;
  /** By a request or the operator, and not only by the start of the server. */
  #isAskedFor = false;
  /** Stopped by the operator: requests do not bring it back. */
  #isHeld = false;
  #hasStarted = false;
  #isDraining = false;
  #isStopped = false;
  #unloading: Promise<void> | undefined;
  #usedMs: number;
  /** What the last request wanted. */
  #keepAliveMs: number | undefined;
  /** Nothing is started while it runs. */
  #pause: NodeJS.Timeout | undefined;
  #startFailures = 0;
  /** Nothing is started until its probe, or until the file is another one. */
  #failure:
    | { readonly probeAtMs: number | undefined; readonly timer: NodeJS.Timeout | undefined }
    | undefined;
  #isProbing = false;
  #reason: string | undefined;
  #refusal: HearthError | undefined;
  #loaded: LoadedMessage | undefined;
  /** Since when it serves again. */
  #served = { sinceMs: 0, loadMs: 0 };
  #state: ModelState;
  /** Called once, at the next change of the state. */
  #onChange: (() => void)[] = [];

  constructor(options: SupervisorOptions) {
    const { model, settings, clock, log, observer, prespawned } = options;
    this.#options = options;
    this.#replacements = new Replacements({
      hire: () => this.#hire({ isExtra: true }),
      letGo: (member) => this.#letGo(member, PATIENCE_MS),
      untilSettled: () => this.#untilSettled(),
      isStopped: () => this.#isStopped,
      onReplaced: (reason) => observer.workerRecycled(model.name, reason),
      clock,
      log,
    });
    this.#prespawned = prespawned;
    this.#restarts = new Restarts(settings);
    this.#file = new FileWatch(model.path);
    this.#isWanted = model.preload || prespawned !== undefined;
    this.#usedMs = clock.nowMs();
    this.#state = this.#isWanted ? 'starting' : 'unloaded';
  }

  get isReady(): boolean {
    return this.#crew.serving.length > 0;
  }

  get replicas(): number {
    return this.#options.model.replicas;
  }

  /** Why the state is `failed`. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Until a failed model may be there again; undefined when no time helps. */
  get retryAfterMs(): number | undefined {
    if (this.#isProbing) return PROBING_MS;
    const probeAtMs = this.#failure?.probeAtMs;
    if (probeAtMs === undefined) return undefined;
    return Math.max(PROBING_MS, probeAtMs - this.#options.clock.nowMs());
  }

  /** Why there is no room for it; undefined when that is not what is wrong. */
  get refusal(): HearthError | undefined {
    return this.#refusal;
  }

  /** For whoever needs memory: what may go for it, goes already, or may go later. */
  get evictable(): Evictable | undefined {
    const { model, host } = this.#options;
    if (model.pin || this.#crew.all.length === 0) return undefined;
    const isReady = this.#state === 'ready';
    return {
      model: model.name,
      usedMs: this.#usedMs,
      isIdle: isReady && this.#crew.active === 0 && host.waiting(model.name) === 0,
      served: isReady ? this.#served : undefined,
    };
  }

  /** Ends what runs first. */
  evict(): Promise<void> {
    return this.unload({ drainMs: PATIENCE_MS, isHeld: false });
  }

  get info(): ModelInfo {
    const { name, backend, description, slots, contextTokens, defaults, replicas } =
      this.#options.model;
    const each = Math.min(this.#loaded?.slots ?? slots, slots);
    return {
      name,
      backend,
      description,
      state: this.#state,
      reason: this.#reason,
      progress: this.#crew.staying.find(({ phase }) => phase === 'loading')?.progress,
      createdS: this.#createdS,
      slots: each * (this.#crew.serving.length || replicas),
      contextTokens: this.#loaded?.contextTokens ?? contextTokens,
      defaults,
      facts: this.#loaded?.facts,
    };
  }

  /** Those that there are now. */
  get workers(): readonly WorkerInfo[] {
    return this.#crew.workers;
  }

  /** A request has come for it, and says how long it is to stay after it, or leaves that to the model. */
  wanted(keepAliveMs?: number): void {
    this.#keepAliveMs = keepAliveMs;
    this.#want();
  }

  #want(): void {
    this.#usedMs = this.#options.clock.nowMs();
    this.#isAskedFor = true;
    if (this.#isHeld || this.#isWanted) return;
    this.#isWanted = true;
    this.#reconcile();
  }

  /** By the operator: also when it was stopped, or has failed. Resolves when it is ready or failed again. */
  async load(): Promise<void> {
    const { host, model } = this.#options;
    if (this.#isHeld) {
      this.#isHeld = false;
      this.#reason = undefined;
      host.revived(model.name);
    }
    // Out of `failed` at once, so that its end is not taken for that of this attempt.
    this.#mend();
    this.#stoppedCount = 0;
    this.#crowded = undefined;
    this.#want();
    this.#reconcile();
    await this.#untilSettled();
  }

  /**
   * Gives its workers no more requests, lets them end those that run for at most `drainMs`, and ends them.
   * Resolves when the processes are gone, or cannot be ended.
   */
  unload({
    drainMs,
    isHeld,
  }: {
    readonly drainMs: number;
    readonly isHeld: boolean;
  }): Promise<void> {
    const { host, model } = this.#options;
    if (isHeld) {
      this.#isHeld = true;
      this.#reason = HELD;
      host.failed(model.name);
    }
    this.#isWanted = false;
    // One that is under way with more patience is cut short.
    if (this.#unloading !== undefined) void this.#letAllGo(drainMs);
    this.#unloading ??= this.#unload(drainMs);
    return this.#unloading;
  }

  async #letAllGo(drainMs: number): Promise<void> {
    await Promise.all(this.#crew.all.map((member) => this.#letGo(member, drainMs)));
  }

  async #unload(drainMs: number): Promise<void> {
    const { host, model, log } = this.#options;
    const members = this.#crew.all;
    if (members.length > 0) {
      log.info({ workers: members.length, active: this.#crew.active }, 'unloading a model');
    }
    await this.#letAllGo(drainMs);
    this.#unloading = undefined;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    // Out of `failed`, too, and out of a probe: a request may load it again.
    this.#mend();
    this.#crowded = undefined;
    if (this.#isProbing) {
      this.#isProbing = false;
      this.#restarts.forget();
      if (!this.#isHeld) {
        this.#reason = undefined;
        host.revived(model.name);
      }
    }
    // Those that waited before, and those that its workers gave back, want it still.
    if (host.waiting(model.name) > 0) this.#want();
    this.#reconcile();
  }

  /**
   * Another description of the model holds from now on. Workers for whom that makes a difference are replaced, one
   * after the other, as `recycle` does it; those that do not serve yet are started anew.
   */
  reconfigure(model: ModelSpec): void {
    const before = this.#options.model;
    this.#options = { ...this.#options, model };
    this.#stoppedCount = 0;
    this.#crowded = undefined;
    const surplus = this.#crew.staying.slice(model.replicas);
    for (const member of surplus) void this.#letGo(member, PATIENCE_MS);
    if (!isDeepStrictEqual(workerPart(before), workerPart(model))) {
      this.#file = new FileWatch(model.path);
      this.#mend();
      for (const member of this.#crew.staying) if (!member.isServing) void member.destroy();
      for (const member of this.#crew.serving) {
        void this.#replacements.replace(member, 'configuration');
      }
    }
    this.#reconcile();
  }

  /** Ends one worker for good. The last one: as `unload` with `isHeld`. */
  async stop(worker: string, drainMs: number): Promise<void> {
    const member = this.#crew.find(worker);
    if (member === undefined || this.#crew.staying.every((one) => one === member)) {
      await this.unload({ drainMs, isHeld: true });
      return;
    }
    if (!member.isLeaving) this.#stoppedCount += 1;
    await this.#letGo(member, drainMs);
  }

  /**
   * Replaces its workers, or the one with the id, one after the other. Resolves when new ones serve; rejects with
   * `model_failed` when one did not come to serve: then the old one goes on.
   */
  async recycle(worker: string | undefined): Promise<void> {
    const { model } = this.#options;
    const serving = this.#crew.serving;
    if (serving.length === 0) await this.load();
    for (const member of serving) {
      if (worker !== undefined && member.id !== worker) continue;
      const end = await this.#replacements.replace(member, 'manual');
      if (end !== undefined) {
        throw refusals.modelFailed(model.name, { reason: end.reason, retryAfterMs: undefined });
      }
    }
  }

  /** Nobody asks for it, and nobody waits. */
  get isUnused(): boolean {
    const { host, model } = this.#options;
    return this.#crew.active === 0 && host.waiting(model.name) === 0;
  }

  /** Workers are spawned soon after this. Idempotent. */
  start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#options.observer.workerState(this.#options.model.name, this.#state);
    this.#reconcile();
  }

  /** Only while the replica serves, which the scheduler sees to. */
  generate(replica: number, job: GenerateJob, listener: CallListener): RunningCall {
    return this.#crew.member(replica).generate(job, listener);
  }

  tick(nowMs: number, isLate: boolean): void {
    for (const member of this.#crew.all) member.tick(nowMs, isLate);
    this.#tellVitals(nowMs);
    this.#unloadWhenIdle(nowMs);
    if (!this.#isDraining) this.#replacements.replaceDue(this.#crew.serving, nowMs);
    if (this.#crowded !== undefined && nowMs >= this.#crowded.untilMs) {
      this.#crowded = undefined;
      this.#reconcile();
    }
    if (this.#failure !== undefined) void this.#checkFile(nowMs);
  }

  /** No new calls are given from here on; the state says so. */
  drain(): void {
    this.#isDraining = true;
    this.#update();
  }

  /** Ends the workers in good order. Idempotent, bounded. */
  close(): Promise<void> {
    return this.#stop((member) => member.close());
  }

  /** Ends the workers now. Idempotent, bounded. */
  destroy(): Promise<void> {
    return this.#stop((member) => member.destroy());
  }

  async #stop(end: (member: Member) => Promise<void>): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#pause);
    clearTimeout(this.#failure?.timer);
    this.#prespawned?.kill(); // never started
    await Promise.all(this.#crew.all.map(end));
    this.#update();
  }

  /** Fewer than the model's replicas when the operator stopped some, or they do not fit. */
  get #replicasMax(): number {
    const wanted = this.#options.model.replicas - this.#stoppedCount;
    return Math.min(wanted, this.#crowded?.max ?? wanted);
  }

  /** Starts what is missing, if it may be started now. */
  #reconcile(): void {
    const isHeldUp = this.#pause !== undefined || this.#failure !== undefined;
    const mayStart = this.#hasStarted && this.#isWanted && !this.#isStopped;
    if (mayStart && !isHeldUp && this.#unloading === undefined) {
      const staying = this.#crew.staying.length;
      // A failed model is tried with one.
      const max = this.#isProbing
        ? Math.min(this.#crew.serving.length + 1, this.#replicasMax)
        : this.#replicasMax;
      for (let missing = max - staying; missing > 0; missing--) this.#hire({ isExtra: false });
    }
    this.#update();
  }

  #hire({ isExtra }: { readonly isExtra: boolean }): Member {
    const { model, settings, clock, log, gate, threads, memory, host, observer } = this.#options;
    this.#refusal = undefined;
    this.#file.note();
    const optionsOf = (number: number) => ({
      model,
      settings,
      clock,
      log,
      gate,
      threads,
      memory,
      mayEvict: () => this.#isAskedFor && !isExtra,
      isAwaited: () => host.waiting(model.name) > 0,
      spawn: () => this.#spawn(number),
      onLoading: () => {
        this.#startFailures = 0;
      },
      onReady: (loaded: LoadedMessage, tookMs: number) => this.#ready(number, loaded, tookMs),
      onLost: () => {
        this.#update();
        host.lost(model.name, number);
      },
      onChange: () => this.#update(),
      onArenaFallback: (reason: ArenaFallback) => observer.arenaFallback(reason),
    });
    return this.#crew.hire(optionsOf, (member, end) => this.#ended(member, end, isExtra));
  }

  #spawn(number: number): WorkerProcess {
    const adopted = this.#prespawned;
    this.#prespawned = undefined;
    if (adopted !== undefined) return adopted;
    const { model, settings, newRunId, register } = this.#options;
    const { environment, nodeArgs, entry, programOf } = settings;
    const spec = {
      model: model.name,
      backend: model.backend,
      number,
      runId: newRunId(),
      environment,
      heartbeat: toHeartbeat(settings),
      nodeArgs,
      entry,
      program: programOf?.(model.backend),
    };
    return spawnRegistered(spec, register);
  }

  #ready(number: number, loaded: LoadedMessage, tookMs: number): void {
    const { model, host, observer, clock } = this.#options;
    this.#loaded = loaded;
    if (this.#crew.serving.length === 1) {
      this.#served = { sinceMs: clock.nowMs(), loadMs: tookMs };
    }
    this.#restarts.loaded();
    if (this.#isProbing) this.#restarts.forget();
    this.#isProbing = false;
    this.#reason = undefined;
    this.#update();
    observer.modelLoaded(model.name, tookMs);
    // A backend may have given fewer than it was asked for: the shared ones come first.
    const spare = Math.max(0, loaded.slots - model.slots);
    host.ready(model.name, number, { slots: loaded.slots - spare, spare });
    this.#reconcile();
  }

  /** It is given nothing more, and ends when what runs on it has, or `drainMs` are over. */
  async #letGo(member: Member, drainMs: number): Promise<void> {
    const { host, model } = this.#options;
    if (member.isServing) host.lost(model.name, member.number);
    member.dismiss();
    this.#update();
    if (!member.hasBegun) return;
    await member.leave(drainMs);
    await member.ended;
  }

  #ended(member: Member, end: ReplicaEnd | undefined, isExtra: boolean): void {
    if (this.#isStopped) return;
    if (end === undefined || member.isLeaving) this.#reconcile();
    else if (end.refused !== undefined) this.#noRoom(end.refused, isExtra);
    else if (end.startError !== undefined && OUT_OF.has(end.startError)) {
      this.#startLater(end.startError);
    } else this.#died(end);
  }

  #died(end: ReplicaEnd): void {
    const nowMs = this.#options.clock.nowMs();
    if (this.#failure !== undefined) {
      // The last one that served beside the failure.
      if (!this.isReady) this.#declareFailed(end);
      this.#reconcile();
      return;
    }
    const isHopeless = end.isFinal || (this.#isProbing && !end.wasReady);
    const delayMs = isHopeless
      ? undefined
      : this.#restarts.died({ hadLoaded: end.wasReady, nowMs });
    this.#isProbing = false;
    if (delayMs === undefined) this.#fail(end);
    else this.#restart(end, delayMs);
  }

  /** Whoever waits is told; the next request tries again. Others that serve go on without it. */
  #noRoom(error: HearthError, isExtra: boolean): void {
    const { host, model, log, clock } = this.#options;
    const staying = this.#crew.staying.length;
    if (isExtra) {
      this.#reconcile();
      return;
    }
    log.warn({ reason: error.message, replicas: staying }, 'no memory for a model');
    if (staying > 0) {
      this.#crowded = { max: staying, untilMs: clock.nowMs() + AGAIN_MS };
      this.#update();
      return;
    }
    this.#refusal = error;
    this.#isWanted = false;
    this.#isProbing = false;
    host.failed(model.name);
    host.revived(model.name);
    this.#update();
  }

  #startLater(code: string): void {
    const delayMs = Math.min(START_DELAY_MAX_MS, START_DELAY_MS * 2 ** this.#startFailures);
    this.#startFailures += 1;
    this.#options.log.warn({ code, delayMs }, 'the system cannot start a process now');
    this.#pauseFor(delayMs);
  }

  #restart({ error: { code } }: ReplicaEnd, delayMs: number): void {
    const { model, log, observer } = this.#options;
    observer.workerRestarted(model.name, code);
    log.warn({ code, delayMs }, 'worker is started again');
    this.#pauseFor(delayMs);
  }

  #pauseFor(ms: number): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#reconcile();
    }, ms);
    this.#update();
  }

  #fail(end: ReplicaEnd): void {
    const { log, clock } = this.#options;
    const nowMs = clock.nowMs();
    const probeMs = end.isFinal ? undefined : this.#restarts.failed(nowMs);
    this.#failure = {
      probeAtMs: probeMs === undefined ? undefined : nowMs + probeMs,
      timer: probeMs === undefined ? undefined : setTimeout(() => this.#probe(), probeMs),
    };
    // Those on their way would die of the same.
    for (const member of this.#crew.staying) if (!member.isServing) void member.destroy();
    log.error(
      { reason: oneLine(end.reason), probeMs, replicas: this.#crew.serving.length },
      'model failed',
    );
    if (!this.isReady) this.#declareFailed(end);
    this.#update();
  }

  #declareFailed({ reason }: ReplicaEnd): void {
    const { host, model } = this.#options;
    this.#reason = oneLine(reason);
    this.#update();
    host.failed(model.name);
  }

  #probe(): void {
    this.#failure = undefined;
    this.#options.log.info({}, 'a failed model is tried again');
    this.#isProbing = true;
    this.#reconcile();
  }

  /** Out of `failed`: the past does not count. */
  #mend(): void {
    const { host, model } = this.#options;
    if (this.#failure === undefined) return;
    clearTimeout(this.#failure.timer);
    this.#failure = undefined;
    this.#restarts.forget();
    if (this.#isHeld) return;
    this.#reason = undefined;
    host.revived(model.name);
  }

  async #checkFile(nowMs: number): Promise<void> {
    if (!(await this.#file.hasChanged(nowMs)) || this.#failure === undefined) return;
    this.#options.log.info({}, 'the file of a failed model has changed: it is tried again');
    this.#mend();
    this.#reconcile();
  }

  #tellVitals(nowMs: number): void {
    const { observer, model } = this.#options;
    const vitals = this.#crew.vitals(nowMs);
    if (vitals.length > 0) observer.workerVitals(model.name, vitals);
  }

  #unloadWhenIdle(nowMs: number): void {
    const { model } = this.#options;
    if (this.#state !== 'ready') return;
    if (!this.isUnused) {
      this.#usedMs = nowMs;
      return;
    }
    const keepAliveMs = this.#keepAliveMs ?? model.keepAliveMs;
    if (nowMs - this.#usedMs >= keepAliveMs) void this.unload({ drainMs: 0, isHeld: false });
  }

  async #untilSettled(): Promise<void> {
    while (
      this.#isWanted &&
      !this.#isStopped &&
      this.#state !== 'ready' &&
      this.#state !== 'failed'
    ) {
      await new Promise<void>((resolve) => this.#onChange.push(resolve));
    }
  }

  #update(): void {
    const next = this.#current;
    if (next === this.#state) return;
    this.#state = next;
    this.#options.observer.workerState(this.#options.model.name, next);
    const waiting = this.#onChange;
    this.#onChange = [];
    for (const resolve of waiting) resolve();
  }

  get #current(): ModelState {
    if (this.#isStopped) return 'stopped';
    const { state } = this.#crew;
    if (state === 'ready') return this.#isDraining ? 'draining' : 'ready';
    const isFailedBeside = this.#failure !== undefined && this.#unloading === undefined;
    if (state !== undefined && !(state === 'draining' && isFailedBeside)) return state;
    if (this.#failure !== undefined) return 'failed';
    if (this.#isWanted) return 'starting';
    return this.#isHeld ? 'stopped' : 'unloaded';
  }
}

/** What a worker is made of, against what only its supervisor goes by. */
function workerPart(model: ModelSpec): Partial<ModelSpec> {
  const { preload, pin, keepAliveMs, replicas, defaults, description, ...part } = model;
  return part;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
