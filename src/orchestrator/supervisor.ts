/**
 * Keeps one worker alive for one model.
 *
 *   starting ──hello──▶ loading ──loaded──▶ ready ──close()──▶ stopped
 *      ▲                   │                  │
 *      ├──── died ─────────┴──────────────────┘    restarted at once, then with a growing pause
 *      │
 *      └── file changed ── failed ◀── the worker refused the model, or died too often
 *
 * A model whose worker said why it cannot be loaded is not tried again with the same file, and
 * neither is one that died too often (`restarts.ts`): it stays `failed`, and requests are told why,
 * until the server is restarted or the file's time of change or size is another one. The file is
 * looked at every FILE_CHECK_MS, so that a mended model comes back by itself.
 *
 * Errors  none: what goes wrong is a state with a reason, and events to the host.
 */
import { stat } from 'node:fs/promises';

import type { Clock } from '../core/clock.ts';
import type { ModelInfo, ModelState } from '../core/engine.ts';
import type { WorkerError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Observer } from '../core/observer.ts';
import type { LoadedMessage } from '../ipc/protocol.ts';
import type { ModelSpec } from '../models/spec.ts';
import { Replica, type ReplicaEnd, type ReplicaSettings } from './replica.ts';
import { type RestartLimits, Restarts } from './restarts.ts';
import type { CallListener, GenerateJob, RunningCall } from './running-calls.ts';
import { spawnWorker, type WorkerProcess } from './worker-process.ts';

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
}

export interface SupervisorOptions {
  readonly model: ModelSpec;
  readonly settings: WorkerSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  readonly host: SupervisorHost;
  readonly newRunId: () => string;
  readonly prespawned?: WorkerProcess | undefined;
}

/** How often the file of a failed model is looked at. */
const FILE_CHECK_MS = 1_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #restarts: Restarts;
  readonly #createdS = Math.floor(Date.now() / 1_000);
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;
  #replica: Replica | undefined;
  #prespawned: WorkerProcess | undefined;
  #spawned = 0;
  #isDraining = false;
  #state: ModelState = 'starting';
  #reason: string | undefined;
  #progress: number | undefined;
  #loaded: LoadedMessage | undefined;
  /** What the file was when it was last tried. */
  #fileStamp: Promise<string> = Promise.resolve('');
  #fileCheckedMs = 0;
  #isCheckingFile = false;
  #onFileChanged: (() => void) | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#prespawned = options.prespawned;
    this.#restarts = new Restarts(options.settings);
  }

  get isReady(): boolean {
    return this.#replica?.isReady === true;
  }

  /** Why the state is `failed`. */
  get reason(): string | undefined {
    return this.#reason;
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

  /** The first worker is spawned when this returns. Idempotent. */
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
    const vitals = this.#replica?.vitals(nowMs);
    if (vitals !== undefined) {
      const { steps, rssBytes, gpuBytes, kvUsedTokens } = vitals.heartbeat;
      const { ageMs } = vitals;
      observer.workerVitals(model.name, { ageMs, steps, rssBytes, gpuBytes, kvUsedTokens });
    }
    if (this.#onFileChanged !== undefined) void this.#checkFile(nowMs);
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
      const end = await this.#serve();
      if (this.#isStopped) return;
      const delayMs = end.isFinal
        ? undefined
        : this.#restarts.died({ hadLoaded: end.wasReady, nowMs: this.#options.clock.nowMs() });
      if (delayMs === undefined) await this.#fail(end.reason);
      else await this.#restart(end.error, delayMs);
    }
  }

  /** One worker from its start to its end. */
  #serve(): Promise<ReplicaEnd> {
    const { model, settings, clock, host } = this.#options;
    this.#fileStamp = stamp(model.path);
    const process = this.#spawn();
    const log = this.#options.log.child({ worker: process.name, pid: process.pid });
    const beganMs = clock.nowMs();
    log.info({}, 'worker started');
    this.#progress = undefined;
    this.#setState('starting');
    this.#replica = new Replica({
      process,
      model,
      settings,
      clock,
      log,
      onLoading: () => this.#setState('loading'),
      onProgress: (fraction) => {
        this.#progress = fraction;
      },
      onReady: (loaded) => this.#ready(loaded, { log, tookMs: clock.nowMs() - beganMs }),
      onLost: () => {
        this.#setState('starting');
        host.lost(model.name);
      },
    });
    return this.#replica.ended;
  }

  #spawn(): WorkerProcess {
    const adopted = this.#prespawned;
    this.#prespawned = undefined;
    this.#spawned += 1;
    if (adopted !== undefined) return adopted;
    const { model, settings, newRunId } = this.#options;
    const { environment, nodeArgs, entry } = settings;
    return spawnWorker({
      model: model.name,
      backend: model.backend,
      number: this.#spawned,
      runId: newRunId(),
      environment,
      nodeArgs,
      entry,
    });
  }

  #ready(loaded: LoadedMessage, { log, tookMs }: { log: Log; tookMs: number }): void {
    const { model, host, observer } = this.#options;
    this.#loaded = loaded;
    this.#progress = undefined;
    this.#restarts.loaded();
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

  async #fail(reason: string): Promise<void> {
    const { host, model, log } = this.#options;
    this.#reason = reason.replace(/\s+/g, ' ').trim();
    this.#setState('failed');
    log.error({ reason: this.#reason }, 'model failed');
    host.failed(model.name);
    await this.#untilStopped((resolve) => {
      this.#onFileChanged = resolve;
      return undefined;
    });
    this.#onFileChanged = undefined;
    if (this.#isStopped) return;
    log.info({}, 'the file of a failed model has changed: it is tried again');
    this.#restarts.forget();
    this.#reason = undefined;
    host.revived(model.name);
  }

  async #checkFile(nowMs: number): Promise<void> {
    if (this.#isCheckingFile || nowMs - this.#fileCheckedMs < FILE_CHECK_MS) return;
    this.#isCheckingFile = true;
    this.#fileCheckedMs = nowMs;
    const [tried, found] = await Promise.all([this.#fileStamp, stamp(this.#options.model.path)]);
    this.#isCheckingFile = false;
    if (tried !== found) this.#onFileChanged?.();
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
  }
}

/** Tells two versions of a file apart. A missing file is a version too. */
async function stamp(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  }
}
