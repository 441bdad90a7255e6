/**
 * The one writer: owns the scheduler, hands what it grants to the workers, and brings back what
 * they say.
 *
 *   new ──start()──▶ running ──close()──▶ draining ──idle, or deadline──▶ stopping ──▶ closed
 *                       `──────────────── destroy() ──────────────────────▶ stopping ──▶ closed
 *
 * Everything that happens (a submission, a cancellation, a worker's word, a timer) becomes an event
 * in one inbox, and one loop feeds them to the scheduler, one at a time. An effect may therefore
 * cause events: they are handled after it, never inside it.
 *
 * What an effect does to a request is in `Effects` below; whether a request may be tried again when
 * its worker has died is decided in `#lost`: once, and only while no token of it has come. A request
 * that was in two deaths is taken for their cause.
 *
 * Timers  one interval for liveness, positions and vitals; one for the earliest queue deadline.
 * Units   ms of the monotonic clock.
 * Errors  `submit` rejects with model_not_found, model_failed, queue_full, draining or
 *         client_closed_request; all else is thrown by the ticket's events.
 */
import type { Clock } from '../core/clock.ts';
import type { CallContext, Engine, GenerationRequest, ModelInfo, Ticket } from '../core/engine.ts';
import { type HearthError, toHearthError, type WorkerError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Observer } from '../core/observer.ts';
import type { ModelSpec } from '../models/spec.ts';
import { Answer } from './answer.ts';
import { abortReason, type Call, toJob } from './call.ts';
import type { Drop, Effects, Rejection, SchedulerEvent } from './effects.ts';
import * as refusals from './refusals.ts';
import type { CallEnd, CallListener } from './running-calls.ts';
import { Scheduler, type SchedulerLimits } from './scheduler.ts';
import { Supervisor, type WorkerSettings } from './supervisor.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface OrchestratorOptions {
  /** The default model first. */
  readonly models: readonly ModelSpec[];
  readonly limits: SchedulerLimits;
  readonly worker: Omit<WorkerSettings, 'slowReaderMs'> & {
    /** How long `close` lets requests go on. */
    readonly drainTimeoutMs: number;
    readonly slowReaderMs?: number;
  };
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  readonly newRunId: () => string;
  /** First workers that were spawned before this was imported, by the name of their model. */
  readonly prespawned?: ReadonlyMap<string, WorkerProcess>;
}

/** A stream whose reader takes nothing for so long is cut. Source: workers.md, "Channel". */
const SLOW_READER_MS = 30_000;
/** Looks per heartbeat interval, so that a hang is seen soon after its limit. */
const TICKS_PER_HEARTBEAT = 4;
/** What setTimeout can hold. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class Orchestrator implements Engine, AsyncDisposable {
  readonly #options: OrchestratorOptions;
  readonly #scheduler: Scheduler;
  readonly #supervisors = new Map<string, Supervisor>();
  readonly #calls = new Map<number, Call>();
  readonly #inbox: SchedulerEvent[] = [];
  #isHandling = false;
  #hasWarnedOfDepth = false;
  #lastKey = 0;
  /** Set by the effect that answers a submission, read by the submission. */
  #rejection: Refused | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #tickedMs = 0;
  #deadline: NodeJS.Timeout | undefined;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #onIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: OrchestratorOptions) {
    const { models, limits, worker, clock, log, observer, newRunId, prespawned } = options;
    this.#options = options;
    this.#scheduler = new Scheduler(
      models.map(({ name }) => name),
      limits,
      this.#effects(),
    );
    for (const model of models) {
      this.#supervisors.set(
        model.name,
        new Supervisor({
          model,
          settings: { slowReaderMs: SLOW_READER_MS, ...worker },
          clock,
          log: log.child({ model: model.name }),
          observer,
          newRunId,
          prespawned: prespawned?.get(model.name),
          host: {
            ready: (name, slots) => {
              this.#post({ type: 'ready', model: name, slots });
              this.#tellPositions(name);
              this.#reportSlots(name);
            },
            lost: (name) => {
              this.#post({ type: 'lost', model: name });
              this.#tellPositions(name);
              this.#reportSlots(name);
            },
            failed: (name) => this.#post({ type: 'failed', model: name }),
            revived: (name) => this.#post({ type: 'revived', model: name }),
          },
        }),
      );
    }
  }

  /** Spawns the workers of all models. Resolves when they are spawned, not when they are loaded. */
  async start(): Promise<void> {
    const { worker, clock } = this.#options;
    if (this.#ticker !== undefined || this.#closing || this.#stopping) return;
    for (const supervisor of this.#supervisors.values()) supervisor.start();
    this.#tickedMs = clock.nowMs();
    const intervalMs = Math.max(1, worker.heartbeatIntervalMs / TICKS_PER_HEARTBEAT);
    this.#ticker = setInterval(() => this.#tick(intervalMs), intervalMs);
  }

  models(): readonly ModelInfo[] {
    return [...this.#supervisors.values()].map(({ info }) => info);
  }

  async submit(request: GenerationRequest, context: CallContext): Promise<Ticket> {
    const supervisor = this.#supervisors.get(request.model);
    if (supervisor === undefined)
      throw refusals.unknownModel(request, [...this.#supervisors.keys()]);
    if (context.signal.aborted) throw abortReason(context.signal);

    const { clock, observer } = this.#options;
    const { requestId, priority, signal } = context;
    const key = ++this.#lastKey;
    const cancel = (reason: HearthError) => {
      this.#calls.get(key)?.answer.abandon(reason);
      this.#post({ type: 'cancelled', key });
    };
    const onAbort = () => cancel(abortReason(signal));
    const answer = new Answer({
      model: request.model,
      priority,
      arrivedMs: clock.nowMs(),
      observer,
      onLeave: () => cancel(abortReason(signal)),
    });
    this.#calls.set(key, {
      key,
      request,
      context,
      answer,
      onAbort,
      deaths: 0,
      running: undefined,
      isCountedAsWaiting: false,
    });
    this.#rejection = undefined;
    this.#post({ type: 'submitted', key, model: request.model, priority, units: 1 });
    const rejection = this.#takeRejection();
    if (rejection !== undefined) {
      this.#calls.delete(key);
      throw this.#toError(rejection, supervisor);
    }
    // A grant may have ended it already: its prompt was too large for the channel.
    if (this.#calls.has(key)) signal.addEventListener('abort', onAbort);
    return { id: requestId, priority, events: answer };
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
    const error = reason === undefined ? refusals.draining() : toHearthError(reason);
    this.#stopping ??= this.#stop(error, (supervisor) => supervisor.destroy());
    // A stop in good order that is under way is cut short.
    await Promise.all([...this.#supervisors.values()].map((supervisor) => supervisor.destroy()));
    await this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #drain(): Promise<void> {
    const { log, worker } = this.#options;
    this.#post({ type: 'drain' });
    for (const supervisor of this.#supervisors.values()) supervisor.drain();
    log.info({ requests: this.#calls.size }, 'draining');
    const idle = Promise.withResolvers<void>();
    this.#onIdle = idle.resolve;
    if (this.#calls.size === 0) idle.resolve();
    const late = setTimeout(idle.resolve, worker.drainTimeoutMs);
    await idle.promise;
    clearTimeout(late);
    this.#stopping ??= this.#stop(refusals.draining(), (supervisor) => supervisor.close());
    await this.#stopping;
  }

  async #stop(error: HearthError, end: (of: Supervisor) => Promise<void>): Promise<void> {
    const { log } = this.#options;
    clearInterval(this.#ticker);
    if (this.#calls.size > 0) log.warn({ requests: this.#calls.size }, 'ending requests');
    for (const { answer } of this.#calls.values()) answer.fail(error);
    this.#post({ type: 'stop' });
    this.#onIdle?.();
    await Promise.all([...this.#supervisors.values()].map(end));
    clearTimeout(this.#deadline);
    // What ran was lost with the workers; a worker that could not be ended keeps nothing waiting.
    for (const call of [...this.#calls.values()]) this.#forget(call);
    log.info({}, 'workers ended');
  }

  #post(event: SchedulerEvent): void {
    this.#inbox.push(event);
    if (this.#isHandling) return;
    this.#isHandling = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        this.#scheduler.handle(next, this.#options.clock.nowMs());
      }
    } finally {
      this.#isHandling = false;
    }
    this.#armDeadline();
  }

  #effects(): Effects {
    return {
      rejected: (_key, reason, retryAfterMs) => {
        this.#options.observer.rejected(reason);
        this.#rejection = { reason, retryAfterMs };
      },
      queued: (key, position) => this.#queued(this.#calls.get(key)!, position),
      granted: (key, waitMs) => this.#granted(this.#calls.get(key)!, waitMs),
      dropped: (key, reason, waitMs) => this.#dropped(this.#calls.get(key)!, reason, waitMs),
      interrupted: (key) => this.#calls.get(key)?.running?.cancel(),
    };
  }

  #queued(call: Call, position: number): void {
    this.#countAsWaiting(call);
    call.answer.waiting(this.#whyWaiting(call.request.model), position);
    this.#warnOfDepth();
  }

  #granted(call: Call, waitMs: number): void {
    const { model } = call.request;
    this.#countAsWaiting(call);
    this.#uncountAsWaiting(call, { granted: true, waitMs });
    call.answer.granted(this.#options.clock.nowMs(), (tokens) => call.running?.consumed(tokens));
    try {
      call.running = this.#supervisors.get(model)!.generate(toJob(call), this.#listener(call));
    } catch (error) {
      call.answer.fail(toHearthError(error));
    }
    // Not sent, or nobody has wanted it since its grant was decided.
    if (call.running === undefined) this.#end(call);
    else if (call.answer.isOver) call.running.cancel();
    this.#reportSlots(model);
  }

  #dropped(call: Call, reason: Drop, waitMs: number): void {
    const { request, context, answer } = call;
    const { priority } = context;
    this.#uncountAsWaiting(call, { granted: false, waitMs });
    switch (reason) {
      case 'cancelled':
        answer.abandon(abortReason(context.signal));
        break;
      case 'queue_timeout': {
        const retryAfterMs = this.#scheduler.estimateWaitMs(request.model, priority);
        this.#options.observer.queueTimeout(priority);
        answer.fail(refusals.queueTimeout(request.model, { priority, waitMs, retryAfterMs }));
        break;
      }
      case 'draining':
        answer.fail(refusals.draining());
        break;
      case 'model_failed':
        answer.fail(this.#modelFailed(request.model));
        break;
    }
    this.#forget(call);
  }

  /** Once per rise, while there is still room: half of the limit is taken. */
  #warnOfDepth(): void {
    const { queueDepthMax } = this.#options.limits;
    const { depth } = this.#scheduler;
    if (depth < queueDepthMax / 4) this.#hasWarnedOfDepth = false;
    if (depth < queueDepthMax / 2 || this.#hasWarnedOfDepth) return;
    this.#hasWarnedOfDepth = true;
    this.#options.log.warn({ depth, queueDepthMax }, 'half of the queue is taken');
  }

  #listener(call: Call): CallListener {
    const { answer, request } = call;
    return {
      accepted: (counts) => answer.accepted(counts),
      tokens: (ids, text, nowMs) => answer.tokens(ids, text, nowMs),
      starved: () => {
        answer.fail(refusals.slowReader());
        this.#post({ type: 'cancelled', key: call.key });
      },
      finished: ({ reason, stop, ...usage }: CallEnd) => {
        const { promptTokens, cachedTokens, generatedTokens } = usage;
        if (reason === 'cancelled') answer.fail(refusals.endedUnasked(request.model));
        else {
          answer.finished({ reason, stop, usage: { promptTokens, cachedTokens, generatedTokens } });
        }
        this.#end(call);
      },
      failed: (error) => {
        answer.fail(error);
        this.#end(call);
      },
      lost: (error) => this.#lost(call, error),
    };
  }

  /** Its worker has died with it. */
  #lost(call: Call, error: WorkerError): void {
    const { answer, context, request } = call;
    call.running = undefined;
    call.deaths += 1;
    if (!answer.isOver && answer.isUntouched && call.deaths === 1) {
      const { requestId } = context;
      this.#options.log.warn({ requestId, model: request.model }, 'request is tried again');
      this.#post({ type: 'returned', key: call.key });
      return;
    }
    answer.fail(call.deaths === 1 ? error : refusals.poisoned(error));
    this.#end(call);
  }

  /** Its slot is free. */
  #end(call: Call): void {
    this.#forget(call);
    this.#post({ type: 'ended', key: call.key });
    this.#reportSlots(call.request.model);
  }

  #forget({ key, context, onAbort }: Call): void {
    this.#calls.delete(key);
    context.signal.removeEventListener('abort', onAbort);
    if (this.#calls.size === 0) this.#onIdle?.();
  }

  #countAsWaiting(call: Call): void {
    if (call.isCountedAsWaiting) return;
    call.isCountedAsWaiting = true;
    this.#options.observer.queued(labels(call));
  }

  #uncountAsWaiting(call: Call, how: { granted: boolean; waitMs: number }): void {
    if (!call.isCountedAsWaiting) return;
    call.isCountedAsWaiting = false;
    this.#options.observer.dequeued({ ...labels(call), ...how });
  }

  #takeRejection() {
    const rejection = this.#rejection;
    this.#rejection = undefined;
    return rejection;
  }

  #toError({ reason, retryAfterMs }: Refused, { info }: Supervisor): HearthError {
    switch (reason) {
      case 'queue_full':
        return refusals.queueFull(this.#options.limits.queueDepthMax, retryAfterMs);
      case 'draining':
        return refusals.draining();
      case 'model_failed':
        return this.#modelFailed(info.name);
    }
  }

  #modelFailed(model: string): HearthError {
    return refusals.modelFailed(model, this.#supervisors.get(model)?.reason);
  }

  #whyWaiting(model: string): 'queue' | 'loading' {
    return this.#supervisors.get(model)?.isReady ? 'queue' : 'loading';
  }

  #tellPositions(model: string): void {
    const why = this.#whyWaiting(model);
    this.#scheduler.forEachWaiting(model, (key, position) => {
      this.#calls.get(key)?.answer.waiting(why, position);
    });
  }

  #reportSlots(model: string): void {
    const { busy, free } = this.#scheduler.counts(model);
    this.#options.observer.slots(model, { busy, free });
  }

  #tick(intervalMs: number): void {
    const nowMs = this.#options.clock.nowMs();
    const { heartbeatIntervalMs } = this.#options.worker;
    // Late by more than a period: the machine slept, or this process was stopped.
    const isLate = nowMs - this.#tickedMs > intervalMs + heartbeatIntervalMs;
    this.#tickedMs = nowMs;
    for (const [model, supervisor] of this.#supervisors) {
      supervisor.tick(nowMs, isLate);
      if (this.#scheduler.counts(model).waiting > 0) this.#tellPositions(model);
    }
  }

  /** One timer, for whoever waits for the least time from now. */
  #armDeadline(): void {
    const nextMs = this.#scheduler.nextDeadlineMs ?? Number.POSITIVE_INFINITY;
    if (nextMs === this.#deadlineMs) return;
    clearTimeout(this.#deadline);
    this.#deadlineMs = nextMs;
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(1, Math.ceil(nextMs - this.#options.clock.nowMs()));
    this.#deadline = setTimeout(
      () => {
        this.#deadlineMs = Number.POSITIVE_INFINITY;
        this.#post({ type: 'tick' });
      },
      Math.min(waitMs, TIMER_MAX_MS),
    );
  }
}

interface Refused {
  readonly reason: Rejection;
  readonly retryAfterMs: number | undefined;
}

function labels({ request, context }: Call) {
  return { model: request.model, priority: context.priority };
}
