/**
 * Keeps one worker alive for one model, for as long as somebody wants it.
 *
 *   unloaded ──wanted()──▶ starting ──hello──▶ loading ──loaded──▶ ready ──unload()──▶ draining ──▶ unloaded
 *                             ▲                   │                  │                          or stopped
 *                             ├──── died ─────────┴──────────────────┘   restarted at once, then with a pause
 *                             │
 *                             └── file changed, or probe ── failed ◀── the worker refused the model, or
 *                                                                      died too often
 *
 * A model is wanted from the start (`preload`) or from its first request on, until it is unloaded: by the
 * operator, or because nobody asked for `keepAliveMs`. A request that comes while it drains waits and has
 * it loaded again. One that the operator stopped is refused until the operator loads it.
 *
 * A model whose worker said why it cannot be loaded is not tried again with the same file: it stays
 * `failed`, and requests are told why, until the file is another one (`file-watch.ts`), so that a mended model
 * comes back by itself.
 *
 * One that died too often (`restarts.ts`) is `failed` likewise, and tried again after a while with one
 * worker that gets no requests until it has loaded: a half-open breaker.
 *
 * That the system cannot start a process (no memory, no process or file number left) is not held against
 * the model: it is tried again, ever more slowly, for as long as it takes.
 *
 * Long because it is one life: what it asks on the way lies beside it (`restarts`, `start-gate`, `file-watch`,
 * `memory/`, `registry/`), and each method is one arrow of the drawing.
 *
 * Errors  none: what goes wrong is a state with a reason, and events to the host.
 */
import type { Clock } from '../core/clock.ts';
import type { ModelInfo, ModelState } from '../core/engine.ts';
import type { HearthError, WorkerError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Observer } from '../core/observer.ts';
import type { WorkerInfo } from '../core/operator.ts';
import type { LoadedMessage } from '../ipc/protocol.ts';
import type { ModelSpec } from '../models/spec.ts';
import { FileWatch } from './file-watch.ts';
import type { MemoryAdmission } from './memory/memory-admission.ts';
import type { Evictable } from './memory/memory-budget.ts';
import { spawnRegistered, type WorkerRegister } from './registry/spawn-registered.ts';
import { Replica, type ReplicaEnd, type ReplicaSettings } from './replica.ts';
import { type RestartLimits, Restarts } from './restarts.ts';
import type { CallListener, GenerateJob, RunningCall } from './running-calls.ts';
import type { StartGate } from './start-gate.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface WorkerSettings extends ReplicaSettings, RestartLimits {
  readonly environment: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[] | undefined;
  /** Another program than the worker of this build. */
  readonly entry?: string | undefined;
}

/** Where a supervisor reports to; synchronous, and nothing of it throws. */
export interface SupervisorHost {
  /** `slots` for every class, `spare` more for the high one. */
  ready(model: string, slots: number, spare: number): void;
  /** Told before the calls that ran there. */
  lost(model: string): void;
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

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #restarts: Restarts;
  readonly #createdS = Math.floor(Date.now() / 1_000);
  readonly #stopped = new AbortController();
  #isWanted: boolean;
  /** Stopped by the operator: requests do not bring it back. */
  #isHeld = false;
  #onWanted: (() => void) | undefined;
  /** Called once, at the next change of the state. */
  #onChange: (() => void)[] = [];
  #unloading: Promise<void> | undefined;
  #usedMs: number;
  #startedMs = 0;
  #running: Promise<void> | undefined;
  #replica: Replica | undefined;
  #prespawned: WorkerProcess | undefined;
  #spawned = 0;
  #isDraining = false;
  #state: ModelState = 'starting';
  #reason: string | undefined;
  /** When a failed model is tried again; undefined when only another file helps. */
  #probeAtMs: number | undefined;
  #isProbing = false;
  #refusal: HearthError | undefined;
  /** By a request or the operator, and not only by the start of the server. */
  #isAskedFor = false;
  #startFailures = 0;
  #progress: number | undefined;
  #loaded: LoadedMessage | undefined;
  readonly #file: FileWatch;
  #onFileChanged: (() => void) | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#prespawned = options.prespawned;
    this.#restarts = new Restarts(options.settings);
    this.#file = new FileWatch(options.model.path);
    this.#isWanted = options.model.preload || options.prespawned !== undefined;
    this.#usedMs = options.clock.nowMs();
  }

  get isReady(): boolean {
    return this.#replica?.isReady === true;
  }

  /** Why the state is `failed`. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Until a failed model may be there again; undefined when no time helps. */
  get retryAfterMs(): number | undefined {
    if (this.#isProbing) return PROBING_MS;
    if (this.#probeAtMs === undefined) return undefined;
    return Math.max(PROBING_MS, this.#probeAtMs - this.#options.clock.nowMs());
  }

  /** Why there is no room for it; undefined when that is not what is wrong. */
  get refusal(): HearthError | undefined {
    return this.#refusal;
  }

  /** For whoever needs memory: loaded, and nobody uses it. */
  get evictable(): Evictable | undefined {
    const { model } = this.#options;
    const isIdle = this.#state === 'ready' && this.#replica?.counts.active === 0;
    return isIdle && !model.pin ? { model: model.name, usedMs: this.#usedMs } : undefined;
  }

  get info(): ModelInfo {
    const { name, backend, slots, contextTokens, defaults } = this.#options.model;
    return {
      name,
      backend,
      state: this.#state,
      reason: this.#reason,
      progress: this.#progress,
      createdS: this.#createdS,
      slots: Math.min(this.#loaded?.slots ?? slots, slots),
      contextTokens: this.#loaded?.contextTokens ?? contextTokens,
      defaults,
      facts: this.#loaded?.facts,
    };
  }

  /** The worker there is now. */
  get worker(): WorkerInfo | undefined {
    if (this.#replica === undefined) return undefined;
    const { process } = this.#replica;
    const { model, clock } = this.#options;
    const nowMs = clock.nowMs();
    const vitals = this.#replica.vitals(nowMs);
    return {
      id: `${model.name}-${process.spec.number}`,
      model: model.name,
      pid: process.pid,
      state: this.#state,
      ageMs: nowMs - this.#startedMs,
      ...this.#replica.counts,
      heartbeat: vitals && { ageMs: vitals.ageMs, ...vitals.heartbeat },
    };
  }

  /** A request has come for it. */
  wanted(): void {
    this.#usedMs = this.#options.clock.nowMs();
    this.#isAskedFor = true;
    if (this.#isHeld || this.#isWanted) return;
    this.#isWanted = true;
    this.#onWanted?.();
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
    if (this.#onFileChanged !== undefined) {
      this.#onFileChanged();
      this.#setState('starting');
    }
    this.wanted();
    while (
      this.#isWanted &&
      !this.#isStopped &&
      this.#state !== 'ready' &&
      this.#state !== 'failed'
    ) {
      await new Promise<void>((resolve) => this.#onChange.push(resolve));
    }
  }

  /**
   * Gives its worker no more requests, lets it end those that run for at most `drainMs`, and ends it.
   * Resolves when the process is gone, or cannot be ended.
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
    this.#unloading ??= this.#unload(drainMs).finally(() => {
      this.#unloading = undefined;
    });
    return this.#unloading;
  }

  async #unload(drainMs: number): Promise<void> {
    const { host, model, log } = this.#options;
    const replica = this.#replica;
    if (replica !== undefined) {
      log.info({ ...replica.counts }, 'unloading a model');
      host.lost(model.name);
      this.#setState('draining');
      await replica.idleWithin(drainMs);
      if (replica.counts.active === 0) await replica.discard();
      else await replica.close();
    }
    // Out of `failed`, too, and out of a probe: a request may load it again.
    this.#onFileChanged?.();
    if (this.#isProbing) {
      this.#isProbing = false;
      this.#restarts.forget();
      if (!this.#isHeld) {
        this.#reason = undefined;
        host.revived(model.name);
      }
    }
    // Those that waited before, and those that its worker gave back, want it still.
    if (host.waiting(model.name) > 0) this.wanted();
    if (!this.#isWanted) this.#setState(this.#restingState);
  }

  get #restingState(): ModelState {
    return this.#isHeld ? 'stopped' : 'unloaded';
  }

  /** Workers are spawned soon after this. Idempotent. */
  start(): void {
    this.#options.observer.workerState(this.#options.model.name, this.#state);
    this.#running ??= this.#run();
  }

  /** Only while `ready`, which the scheduler sees to. */
  generate(job: GenerateJob, listener: CallListener): RunningCall {
    return this.#replica!.generate(job, listener);
  }

  tick(nowMs: number, isLate: boolean): void {
    const { observer, model } = this.#options;
    this.#replica?.tick(nowMs, isLate);
    this.#unloadWhenIdle(nowMs);
    const vitals = this.#replica?.vitals(nowMs);
    if (vitals !== undefined) {
      const { steps, rssBytes, gpuBytes, kvUsedTokens } = vitals.heartbeat;
      // The newest heartbeat may be from before the load.
      const hasLoaded = !['starting', 'loading'].includes(vitals.heartbeat.phase);
      if (this.#state === 'ready' && hasLoaded) {
        this.#options.memory?.measured(model, rssBytes + gpuBytes);
      }
      const { ageMs } = vitals;
      observer.workerVitals(model.name, { ageMs, steps, rssBytes, gpuBytes, kvUsedTokens });
    }
    if (this.#onFileChanged !== undefined) void this.#checkFile(nowMs);
  }

  #unloadWhenIdle(nowMs: number): void {
    const { host, model } = this.#options;
    const { keepAliveMs } = model;
    if (keepAliveMs === undefined || this.#state !== 'ready') return;
    const isUsed = this.#replica!.counts.active > 0 || host.waiting(model.name) > 0;
    if (isUsed) this.#usedMs = nowMs;
    if (nowMs - this.#usedMs >= keepAliveMs) void this.unload({ drainMs: 0, isHeld: false });
  }

  /** No new calls are given from here on; the state says so. */
  drain(): void {
    this.#isDraining = true;
    if (this.#state === 'ready') this.#setState('draining');
  }

  /** Ends the worker in good order. Idempotent, bounded. */
  async close(): Promise<void> {
    this.#stopped.abort();
    this.#prespawned?.kill(); // never started
    await this.#replica?.close();
    this.#setState('stopped');
  }

  /** Ends the worker now. Idempotent, bounded. */
  async destroy(): Promise<void> {
    this.#stopped.abort();
    this.#prespawned?.kill(); // never started
    await this.#replica?.destroy();
    this.#setState('stopped');
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      if (!this.#isWanted) {
        await this.#untilWanted();
        continue;
      }
      const leave = await this.#options.gate.enter();
      if (this.#isStopped || !this.#isWanted) {
        leave();
        continue;
      }
      const end = await this.#serve(leave);
      leave();
      this.#replica = undefined;
      this.#options.memory?.release(this.#options.model.name);
      if (this.#isStopped) return;
      // It went because it was told to.
      if (this.#unloading !== undefined) continue;
      if (end.refused !== undefined) {
        this.#noRoom(end.refused);
        continue;
      }
      if (end.startError !== undefined && OUT_OF.has(end.startError)) {
        await this.#startLater(end.startError);
        continue;
      }
      const nowMs = this.#options.clock.nowMs();
      const isHopeless = end.isFinal || (this.#isProbing && !end.wasReady);
      const delayMs = isHopeless
        ? undefined
        : this.#restarts.died({ hadLoaded: end.wasReady, nowMs });
      this.#isProbing = false;
      if (delayMs === undefined) await this.#fail(end);
      else await this.#restart(end.error, delayMs);
    }
  }

  /** Whoever waits is told; the next request tries again. */
  #noRoom(error: HearthError): void {
    const { host, model, log } = this.#options;
    log.warn({ reason: error.message }, 'no memory for a model');
    this.#refusal = error;
    this.#isWanted = false;
    this.#isProbing = false;
    host.failed(model.name);
    host.revived(model.name);
  }

  async #untilWanted(): Promise<void> {
    this.#setState(this.#restingState);
    await this.#untilStopped((resolve) => {
      this.#onWanted = resolve;
      return undefined;
    });
    this.#onWanted = undefined;
  }

  async #startLater(code: string): Promise<void> {
    const delayMs = Math.min(START_DELAY_MAX_MS, START_DELAY_MS * 2 ** this.#startFailures);
    this.#startFailures += 1;
    this.#options.log.warn({ code, delayMs }, 'the system cannot start a process now');
    await this.#untilStopped((resolve) => setTimeout(resolve, delayMs));
  }

  /** One worker from its start to its end. */
  #serve(onBegun: () => void): Promise<ReplicaEnd> {
    const { model, settings, clock, host, observer } = this.#options;
    this.#refusal = undefined;
    this.#file.note();
    const process = this.#spawn();
    const log = this.#options.log.child({ worker: process.name, pid: process.pid });
    const beganMs = clock.nowMs();
    this.#startedMs = beganMs;
    log.info({}, 'worker started');
    this.#progress = undefined;
    this.#setState('starting');
    this.#replica = new Replica({
      process,
      model,
      settings,
      clock,
      log,
      admit: async (loading) => {
        const { memory } = this.#options;
        await memory?.admit(model, { mayEvict: this.#isAskedFor, ...loading });
      },
      onLoading: () => {
        onBegun();
        this.#startFailures = 0;
        this.#setState('loading');
      },
      onProgress: (fraction) => {
        this.#progress = fraction;
      },
      onReady: (loaded) => this.#ready(loaded, { log, tookMs: clock.nowMs() - beganMs }),
      onLost: () => {
        this.#setState('starting');
        host.lost(model.name);
      },
      onArenaFallback: (reason) => observer.arenaFallback(reason),
    });
    return this.#replica.ended;
  }

  #spawn(): WorkerProcess {
    const adopted = this.#prespawned;
    this.#prespawned = undefined;
    this.#spawned += 1;
    if (adopted !== undefined) return adopted;
    const { model, settings, newRunId, register } = this.#options;
    const { environment, nodeArgs, entry } = settings;
    const spec = {
      model: model.name,
      backend: model.backend,
      number: this.#spawned,
      runId: newRunId(),
      environment,
      nodeArgs,
      entry,
    };
    return spawnRegistered(spec, register);
  }

  #ready(loaded: LoadedMessage, { log, tookMs }: { log: Log; tookMs: number }): void {
    const { model, host, observer } = this.#options;
    this.#loaded = loaded;
    this.#progress = undefined;
    this.#restarts.loaded();
    if (this.#isProbing) this.#restarts.forget();
    this.#isProbing = false;
    this.#reason = undefined;
    this.#setState('ready');
    observer.modelLoaded(model.name, tookMs);
    log.info({ tookMs: Math.round(tookMs), parts: loaded.loadMs }, 'model loaded');
    // A backend may have given fewer than it was asked for: the shared ones come first.
    const spare = Math.max(0, loaded.slots - model.slots);
    host.ready(model.name, loaded.slots - spare, spare);
  }

  async #restart({ code }: WorkerError, delayMs: number): Promise<void> {
    const { model, log, observer } = this.#options;
    observer.workerRestarted(model.name, code);
    log.warn({ code, delayMs }, 'worker is started again');
    await this.#untilStopped((resolve) => setTimeout(resolve, delayMs));
  }

  async #fail({ reason, isFinal }: ReplicaEnd): Promise<void> {
    const { host, model, log, clock } = this.#options;
    const nowMs = clock.nowMs();
    const probeMs = isFinal ? undefined : this.#restarts.failed(nowMs);
    this.#probeAtMs = probeMs === undefined ? undefined : nowMs + probeMs;
    this.#reason = reason.replace(/\s+/g, ' ').trim();
    this.#setState('failed');
    log.error({ reason: this.#reason, probeMs }, 'model failed');
    host.failed(model.name);
    let hasChanged = false;
    await this.#untilStopped((resolve) => {
      this.#onFileChanged = () => {
        hasChanged = true;
        resolve();
      };
      return probeMs === undefined ? undefined : setTimeout(resolve, probeMs);
    });
    this.#onFileChanged = undefined;
    this.#probeAtMs = undefined;
    if (this.#isStopped) return;
    if (!hasChanged) {
      log.info({}, 'a failed model is tried again');
      this.#isProbing = true;
      return;
    }
    log.info({}, 'the file of a failed model has changed: it is tried again');
    this.#restarts.forget();
    if (this.#isHeld) return;
    this.#reason = undefined;
    host.revived(model.name);
  }

  async #checkFile(nowMs: number): Promise<void> {
    if (await this.#file.hasChanged(nowMs)) this.#onFileChanged?.();
  }

  /** Waits for what `begin` starts, or for the end of this supervisor; its timer goes with it. */
  async #untilStopped(begin: (resolve: () => void) => NodeJS.Timeout | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { signal } = this.#stopped;
    if (signal.aborted) return;
    const timer = begin(resolve);
    const stop = () => resolve();
    signal.addEventListener('abort', stop);
    await promise;
    signal.removeEventListener('abort', stop);
    clearTimeout(timer);
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  #setState(state: ModelState): void {
    const next = this.#isDraining && state === 'ready' ? 'draining' : state;
    if (next === this.#state) return;
    this.#state = next;
    this.#options.observer.workerState(this.#options.model.name, next);
    const waiting = this.#onChange;
    this.#onChange = [];
    for (const resolve of waiting) resolve();
  }
}
