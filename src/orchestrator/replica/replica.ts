/**
 * One loaded copy of a model: our end of the conversation with the worker that holds it.
 *
 *   starting ──hello──▶ loading ──loaded──▶ ready ──close()──▶ stopping
 *       \                  \                  \                   \
 *        `── timeout, death, protocol error, hang, destroy() ──────┴──▶ ended
 *
 * `#end` is the only way into `ended`: it kills what is left of the process and tells `onLost` before
 * the calls, so that no slot of a dead worker is granted again. A worker that must go is condemned:
 * killed at once, and reported with the verdict once it is gone, or cannot be ended.
 *
 * Units   ms of the monotonic clock, tokens.
 * Errors  `ended` says why there is no replica, or no more. `generate` throws RequestError
 *         `payload_too_large`.
 */
import type { Clock } from '../../core/clock.ts';
import { type HearthError, toHearthError, WorkerError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ArenaFallback } from '../../core/observer.ts';
import { Beat } from '../../ipc/beat.ts';
import { BacklogError, openWorkerChannel, type WorkerChannel } from '../../ipc/channel.ts';
import { ProtocolError } from '../../ipc/codec.ts';
import type { Fallback } from '../../ipc/outbox.ts';
import {
  type FromWorkerMessage,
  type HeartbeatMessage,
  type LoadedMessage,
  VERSION,
} from '../../ipc/protocol.ts';
import type { ModelSpec } from '../../models/spec.ts';
import { Liveness, type LivenessLimits, type Work } from './liveness.ts';
import { lastLine } from './output-lines.ts';
import {
  type CallListener,
  type GenerateJob,
  type RunningCall,
  RunningCalls,
  Violation,
} from './running-calls.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface ReplicaSettings extends LivenessLimits {
  readonly loadTimeoutMs: number;
  /** From asking to killing. */
  readonly killTimeoutMs: number;
  /** How long a stream may wait for its reader with its slot held. */
  readonly slowReaderMs: number;
  /** Where shared memory for large prompts is made. Absent: they go over the channel. */
  readonly arenaFolder?: string | undefined;
}

export interface ReplicaOptions {
  readonly process: WorkerProcess;
  readonly model: ModelSpec;
  readonly settings: ReplicaSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when there is memory for it; rejects with a HearthError when there is none. */
  readonly admit: (loading: {
    readonly estimate: () => Promise<number>;
    /** False once it is not to be loaded any more. */
    readonly isAlive: () => boolean;
  }) => Promise<void>;
  /** CPU threads to load with. */
  readonly threads: () => number;
  readonly onLoading: () => void;
  readonly onProgress: (fraction: number) => void;
  readonly onReady: (loaded: LoadedMessage) => void;
  /** It was ready and is no more. Calls are told afterwards. */
  readonly onLost: (error: WorkerError) => void;
  readonly onArenaFallback: (reason: ArenaFallback) => void;
}

export interface ReplicaEnd {
  readonly error: WorkerError;
  /** For people: what the worker said, or how it died and its last line of output. */
  readonly reason: string;
  readonly wasReady: boolean;
  /** Another attempt with the same file and the same build can only end in the same way. */
  readonly isFinal: boolean;
  /** The system could not start the process, and said this. */
  readonly startError: string | undefined;
  /** There was no memory for the model: nothing is wrong with it. */
  readonly refused: HearthError | undefined;
}

type State = 'starting' | 'loading' | 'ready' | 'stopping' | 'ended';

/** After it has closed its channel, a worker has this long to exit by itself, so that we see how. */
const EXIT_AFTER_EOF_MS = 500;
/** Of a worker's own words in a reason. */
const REASON_MAX = 300;

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #channel: WorkerChannel;
  readonly #liveness: Liveness;
  readonly #calls: RunningCalls;
  readonly #ended = Promise.withResolvers<ReplicaEnd>();
  #state: State = 'starting';
  #deadline: NodeJS.Timeout | undefined;
  /** Tells the worker that we live. */
  #beat: Beat | undefined;
  #hasWarnedOfSilence = false;
  #vitals: HeartbeatMessage | undefined;
  /** Set before the process is killed for it, so that the death is reported with its cause. */
  #verdict: WorkerError | undefined;
  /** Why the worker can never serve this model. */
  #refusal: string | undefined;
  #wasReady = false;
  #estimated: PromiseWithResolvers<number> | undefined;
  /** What it was asked and has not answered; its deadline runs. */
  #asked: 'estimate' | 'load' | undefined;
  #refused: HearthError | undefined;
  /** What it was last told. */
  #threads = 0;

  constructor(options: ReplicaOptions) {
    const { process, settings, clock, log } = options;
    this.#options = options;
    this.#liveness = new Liveness(settings, clock.nowMs());
    process.readOutput((stream, line) => log.debug({ stream, line }, 'worker output'));
    this.#channel = openWorkerChannel(
      process.stream,
      {
        onMessage: (message) => this.#receive(message),
        onClose: (error) => this.#closed(error),
      },
      { arenaFolder: settings.arenaFolder, onFallback: (fallback) => this.#fellBack(fallback) },
    );
    this.#calls = new RunningCalls({
      send: (message) => this.#channel.send(message),
      liveness: this.#liveness,
      clock,
      log,
      slowReaderMs: settings.slowReaderMs,
    });
    this.#arm(settings.startTimeoutMs, 'said no hello');
    void process.exited.then((how) => this.#exited(how));
  }

  /** Resolves when the process is gone, or cannot be killed. Never rejects. */
  get ended(): Promise<ReplicaEnd> {
    return this.#ended.promise;
  }

  get process(): WorkerProcess {
    return this.#options.process;
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  /** Requests that run on it, and those that are over. */
  get counts(): { readonly active: number; readonly served: number } {
    return { active: this.#calls.size, served: this.#calls.ended };
  }

  /** Nothing runs on it, or nothing has ended within `ms`. */
  async idleWithin(ms: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, ms);
    await Promise.race([this.#calls.idle(), late.promise]);
    clearTimeout(timer);
  }

  /** The newest heartbeat and how long ago anything was heard. */
  vitals(nowMs: number): { heartbeat: HeartbeatMessage; ageMs: number } | undefined {
    if (this.#vitals === undefined) return undefined;
    return { heartbeat: this.#vitals, ageMs: this.#liveness.silentForMs(nowMs) };
  }

  /** Its part of the machine is another one. One that loads is told when it has loaded. */
  shareThreads(): void {
    const threads = this.#options.threads();
    if (this.#state !== 'ready' || threads === this.#threads) return;
    this.#threads = threads;
    this.#channel.send({ type: 'threads', threads });
  }

  generate(job: GenerateJob, listener: CallListener): RunningCall {
    return this.#calls.give(job, listener);
  }

  /** Looks at both clocks. `isLate`: this process itself did not run, so no time has passed. */
  tick(nowMs: number, isLate: boolean): void {
    // Before the hello the worker has no reason to speak: there the deadline for hello counts.
    if (this.#state === 'ended' || this.#state === 'starting') return;
    if (isLate) {
      this.#liveness.restart(nowMs);
      this.#calls.restartClocks(nowMs);
      return;
    }
    const work = { ...this.#calls.work(), isLoaded: this.#state === 'ready' };
    const unheardMs = this.#calls.look(nowMs);
    const hung =
      unheardMs > this.#liveness.stepLimitMs(work)
        ? `a cancelled request did not end for ${Math.round(unheardMs)} ms`
        : (this.#silence(work, nowMs) ?? this.#liveness.standstill(work, nowMs));
    if (hung !== undefined) this.#condemn('worker_hung', `hangs: ${hung}`);
  }

  /** Of a worker that is not dependent it is only said, once. */
  #silence(work: Work, nowMs: number): string | undefined {
    const silence = this.#liveness.silence(work, nowMs);
    if (silence === undefined) this.#hasWarnedOfSilence = false;
    if (silence === undefined || this.#options.process.spec.heartbeat.dependent) return silence;
    if (!this.#hasWarnedOfSilence) this.#options.log.warn({ silence }, 'a worker is silent');
    this.#hasWarnedOfSilence = true;
    return undefined;
  }

  /** Ends the worker in good order; calls that are still running are lost. Bounded. */
  async close(): Promise<void> {
    const { process, settings } = this.#options;
    if (this.#state !== 'ended') {
      this.#state = 'stopping';
      clearTimeout(this.#deadline);
      this.#channel.send({ type: 'shutdown' });
    }
    await process.stop({ graceMs: settings.killTimeoutMs, killMs: settings.killTimeoutMs });
    this.#end(this.#error('worker_crashed', 'was stopped'));
  }

  /**
   * Ends a worker on which nothing runs. Killed and not asked: it has nothing to finish, and the system
   * takes its memory back sooner than the library frees it.
   */
  async discard(): Promise<void> {
    if (this.#state !== 'ended') this.#state = 'stopping';
    await this.destroy();
  }

  /** Ends the worker now. Bounded. */
  async destroy(): Promise<void> {
    this.#options.process.kill();
    await this.#options.process.exitsWithin(this.#options.settings.killTimeoutMs);
    this.#end(this.#error('worker_crashed', 'was stopped'));
  }

  #receive(message: FromWorkerMessage): void {
    if (this.#state === 'ended' || this.#verdict !== undefined) return;
    const nowMs = this.#options.clock.nowMs();
    this.#liveness.heard(nowMs);
    try {
      this.#handle(message, nowMs);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#condemn('worker_protocol', error.message);
    }
  }

  #handle(message: FromWorkerMessage, nowMs: number): void {
    if (this.#state === 'starting' && message.type !== 'hello' && message.type !== 'log') {
      throw new Violation(`sent "${message.type}" before hello`);
    }
    switch (message.type) {
      case 'step':
        this.#calls.step(message, nowMs);
        break;
      case 'accepted':
        this.#calls.accepted(message, nowMs);
        break;
      case 'finished':
        this.#calls.finished(message, nowMs);
        break;
      case 'failed':
        this.#calls.failed(message, nowMs);
        break;
      case 'heartbeat':
        this.#vitals = message;
        this.#liveness.counted(message.steps, nowMs);
        break;
      case 'hello':
        this.#hello(message);
        break;
      case 'load_progress':
        if (this.#state === 'loading') this.#options.onProgress(message.fraction);
        break;
      case 'estimated':
        this.#answeredTo('estimate', message.type);
        this.#estimated?.resolve(message.needBytes);
        break;
      case 'loaded':
        this.#loaded(message);
        break;
      case 'load_failed':
        this.#loadFailed(message.reason, message.log);
        break;
      case 'log':
        this.#options.log[message.level]({ ...message.fields, from: 'worker' }, message.message);
        break;
      case 'drained':
        // It was told to end by somebody else; its exit follows.
        break;
      default:
        assertNever(message);
    }
  }

  #hello({ version, runId, backend, build }: Extract<FromWorkerMessage, { type: 'hello' }>): void {
    const { process, model, log } = this.#options;
    if (this.#state === 'stopping') return;
    if (this.#state !== 'starting') throw new Violation('said hello twice');
    if (version !== VERSION) {
      this.#refusal = `The worker speaks version ${version} of the protocol and the server version ${VERSION}: install both from the same build.`;
      throw new Violation(`speaks protocol version ${version}, not ${VERSION}`);
    }
    if (runId !== process.spec.runId || backend !== model.backend) {
      throw new Violation('is not the worker that was started');
    }
    log.debug({ build }, 'worker said hello');
    this.#state = 'loading';
    clearTimeout(this.#deadline);
    this.#options.onLoading();
    const { heartbeat } = process.spec;
    this.#channel.send({ type: 'welcome', version: VERSION, heartbeat });
    this.#beat = new Beat({
      periodMs: heartbeat.intervalMs,
      clock: this.#options.clock,
      onBeat: () => this.#channel.send({ type: 'tick' }),
    });
    void this.#options
      .admit({ estimate: () => this.#estimate(), isAlive: () => this.#state === 'loading' })
      .then(
        () => this.#load(),
        (error: unknown) => this.#refuse(toHearthError(error)),
      );
  }

  #estimate(): Promise<number> {
    if (this.#state !== 'loading')
      return Promise.reject(this.#error('worker_crashed', 'has ended'));
    this.#arm(this.#options.settings.loadTimeoutMs, 'did not estimate the need of its model');
    this.#asked = 'estimate';
    this.#channel.send({ type: 'estimate', ...this.#loadSpec });
    this.#estimated = Promise.withResolvers<number>();
    return this.#estimated.promise;
  }

  #load(): void {
    if (this.#state !== 'loading') return;
    this.#arm(this.#options.settings.loadTimeoutMs, 'did not load the model');
    this.#asked = 'load';
    this.#channel.send({ type: 'load', ...this.#loadSpec });
  }

  /** Ends the deadline of the question: an answer that was not asked for ends none. */
  #answeredTo(question: 'estimate' | 'load', answer: string): void {
    if (this.#state === 'stopping') return;
    if (this.#asked !== question) throw new Violation(`said ${answer} where it was not asked`);
    this.#asked = undefined;
    clearTimeout(this.#deadline);
  }

  get #loadSpec() {
    const { path, contextTokens, gpu, options, slots, highSpare } = this.#options.model;
    const threads = this.#options.threads();
    this.#threads = threads;
    return { path, contextTokens, threads, gpu, options, slots: slots + highSpare };
  }

  /** There is no room for the model: its worker goes again. */
  #refuse(error: HearthError): void {
    if (this.#state !== 'loading') return;
    this.#refused = error;
    this.#sendAway();
  }

  #loaded(message: LoadedMessage): void {
    this.#answeredTo('load', message.type);
    if (this.#state === 'stopping') return;
    this.#state = 'ready';
    this.#wasReady = true;
    this.shareThreads();
    this.#options.onReady(message);
  }

  #loadFailed(reason: string, native: string): void {
    if (this.#state === 'stopping') return;
    if (this.#asked === undefined) throw new Violation('said load_failed where it was not asked');
    this.#asked = undefined;
    this.#options.log.error({ reason, native }, 'model could not be loaded');
    this.#refusal = reason;
    this.#sendAway();
  }

  #sendAway(): void {
    const { process, settings } = this.#options;
    clearTimeout(this.#deadline);
    this.#state = 'stopping';
    this.#channel.send({ type: 'shutdown' });
    void process
      .stop({ graceMs: settings.killTimeoutMs, killMs: settings.killTimeoutMs })
      .then(() => this.#end(this.#error('worker_crashed', 'was stopped')));
  }

  /** A deadline for a state; it is cleared by whoever leaves the state. */
  #arm(ms: number, what: string): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#condemn('worker_hung', `${what} within ${ms} ms`), ms);
  }

  /** Kills the process for a reason of ours; the rest follows when it is gone. */
  #condemn(code: 'worker_hung' | 'worker_protocol', why: string): void {
    if (this.#verdict !== undefined || this.#state === 'ended') return;
    this.#verdict = this.#error(code, why);
    this.#options.log.error({ code, pid: this.#options.process.pid }, this.#verdict.message);
    this.#options.process.kill();
    // What the kernel cannot end must not keep requests waiting.
    void this.#options.process
      .exitsWithin(this.#options.settings.killTimeoutMs)
      .then(() => this.#end(this.#verdict!));
  }

  #fellBack({ reason, why, isFirst }: Fallback): void {
    const { log, onArenaFallback } = this.#options;
    if (isFirst) log.warn({ reason, why }, 'a large prompt cannot go through shared memory');
    onArenaFallback(reason);
  }

  #closed(error: Error | undefined): void {
    if (this.#state === 'ended') return;
    if (error instanceof ProtocolError) {
      const { fault, message } = error;
      // Half a frame is the end of a worker that died while it wrote: how it died says more.
      if (fault !== 'truncated') this.#condemn('worker_protocol', `broke the protocol: ${message}`);
    } else if (error instanceof BacklogError) {
      this.#condemn('worker_hung', `hangs: ${error.message}`);
    }
    void this.#options.process.exitsWithin(EXIT_AFTER_EOF_MS).then((hasExited) => {
      if (hasExited || this.#state === 'stopping') return;
      this.#condemn('worker_protocol', 'closed its channel and went on running');
    });
  }

  #exited(how: string): void {
    this.#end(this.#verdict ?? this.#error('worker_crashed', how));
  }

  #end(error: WorkerError): void {
    if (this.#state === 'ended') return;
    const isReady = this.#state === 'ready';
    const isAsked = this.#state === 'stopping';
    const { process, log } = this.#options;
    this.#state = 'ended';
    clearTimeout(this.#deadline);
    this.#beat?.stop();
    process.kill();
    this.#channel.destroy();
    if (!isAsked) log.error({ code: error.code, output: process.tail }, error.message);
    if (isReady) this.#options.onLost(error);
    this.#calls.lose(error);
    this.#estimated?.reject(error);
    this.#ended.resolve({
      error,
      reason: this.#refusal ?? this.#obituary(error),
      wasReady: this.#wasReady,
      isFinal: this.#refusal !== undefined,
      startError: process.startError,
      refused: this.#refused,
    });
  }

  /** A native abort says its reason in the last line that it prints. */
  #obituary({ code, message }: WorkerError): string {
    const last = lastLine(this.#options.process.tail);
    return code === 'worker_crashed' && last !== undefined
      ? `${message}: ${last.slice(0, REASON_MAX)}`
      : message;
  }

  #error(code: 'worker_crashed' | 'worker_hung' | 'worker_protocol', why: string): WorkerError {
    return new WorkerError(code, `The worker of ${this.#options.model.name} ${why}`);
  }
}

function assertNever(message: never): never {
  throw new TypeError(`Message of unknown type: ${JSON.stringify(message)}`);
}
