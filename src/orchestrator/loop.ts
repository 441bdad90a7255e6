/**
 * The one writer: every event passes through here, one at a time, into the scheduler, and what the
 * scheduler decides is done to the requests.
 *
 * Everything that happens (a submission, a cancellation, a worker's word, a deadline) becomes an
 * event in one inbox. An effect may therefore cause events: they are handled after it, never
 * inside it.
 *
 * Whether a request may be tried again when its worker has died is decided in `#lost`: once, and
 * only while no token of it has come. One that was in two deaths is taken for their cause, and the same
 * request is refused for a while (`poison.ts`).
 *
 * Long because every event of a request ends here: what it decides by lies beside it (`scheduler`,
 * `allowance`, `poison`, `refusals`), and what is left is one step for each thing that can happen.
 *
 * Timers  one, for the earliest queue deadline.
 * Units   ms of the monotonic clock.
 * Errors  `submit` throws rate_limited, model_failed, queue_full or draining; all else is thrown by
 *         the ticket's events.
 */
import type { Clock } from '../core/clock.ts';
import type {
  CallContext,
  GenerationRequest,
  QueueInfo,
  RateState,
  Ticket,
} from '../core/engine.ts';
import { type HearthError, toHearthError, type WorkerError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Observer } from '../core/observer.ts';
import type { UsageBook } from '../core/usage-book.ts';
import { Answer } from './answer.ts';
import { abortReason, type Call, toJob } from './call.ts';
import { Allowance } from './limits/allowance.ts';
import type { LimiterOptions } from './limits/limiter.ts';
import { PoisonList } from './poison.ts';
import * as refusals from './refusals.ts';
import type { CallEnd, CallListener, GenerateJob, RunningCall } from './replica/running-calls.ts';
import type { Drop, Effects, Rejection, SchedulerEvent } from './scheduling/effects.ts';
import { trailOf } from './scheduling/prefix-memory.ts';
import { reportQueue } from './scheduling/queue-report.ts';
import { Scheduler, type SchedulerLimits } from './scheduling/scheduler.ts';

/** What the loop needs of a model's supervisor. */
export interface ModelDesk {
  readonly isReady: boolean;
  /** Why it has failed. */
  readonly reason: string | undefined;
  /** A request has come for it: it is loaded if it is not, and stays for `keepAliveMs` after its last one. */
  wanted(keepAliveMs?: number): void;
  /** There is no room for it. */
  readonly refusal: HearthError | undefined;
  /** When it has failed: until it may be there again, if ever. */
  readonly retryAfterMs: number | undefined;
  /** Replicas that it may have at once. */
  readonly replicas: number;
  generate(replica: number, job: GenerateJob, listener: CallListener): RunningCall;
}

/** May be changed while requests wait and run. */
export interface LoopLimits {
  readonly limits: SchedulerLimits;
  /** Requests that run and wait, from which on the log warns. */
  readonly queueDepthWarn: number;
  readonly rateLimits: LimiterOptions;
}

export interface LoopOptions extends LoopLimits {
  readonly models: readonly string[];
  readonly usageBook: UsageBook;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  readonly deskOf: (model: string) => ModelDesk;
}

/** What setTimeout can hold. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class Loop {
  readonly #options: LoopOptions;
  #limits: LoopLimits;
  readonly #scheduler: Scheduler;
  readonly #allowance: Allowance;
  /** Those that requests may come for, in the order of the table. */
  #models: readonly string[];
  readonly #calls = new Map<number, Call>();
  readonly #inbox: SchedulerEvent[] = [];
  readonly #poison = new PoisonList();
  readonly #refusedLots = new WeakMap<readonly GenerationRequest[], HearthError>();
  #isHandling = false;
  #hasWarnedOfDepth = false;
  #lastKey = 0;
  /** Set by the effect that answers a submission, read by the submission. */
  #rejection: Refused | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #onIdle: (() => void) | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#limits = options;
    this.#models = options.models;
    this.#scheduler = new Scheduler(options.models, options.limits, this.#effects());
    this.#allowance = new Allowance(options);
  }

  /** Hold at once, also for those that wait; those that run go on. */
  setLimits(limits: LoopLimits): void {
    this.#limits = limits;
    this.#scheduler.setLimits(limits.limits);
    this.#allowance.setLimits(limits.rateLimits);
    this.post({ type: 'tick' });
  }

  /** In their order. Those that are no more among them are to be forgotten, once nobody waits for them. */
  setModels(models: readonly string[]): void {
    this.#models = models;
    for (const model of models) this.post({ type: 'added', model });
  }

  forgetModel(model: string): void {
    this.post({ type: 'removed', model });
  }

  /** Requests that wait or run. */
  get size(): number {
    return this.#calls.size;
  }

  /**
   * The model is in the table, and the signal is not aborted. A lot is refused as its first is: the others
   * are not looked at.
   */
  submit(request: GenerationRequest, context: CallContext): Ticket {
    const { index, requests } = context.lot ?? { index: 0, requests: undefined };
    const refused = requests && this.#refusedLots.get(requests);
    if (refused !== undefined) throw refused;
    try {
      return this.#submit(request, context);
    } catch (error) {
      const reason = toHearthError(error);
      if (requests !== undefined && index === 0) this.#refusedLots.set(requests, reason);
      throw reason;
    }
  }

  #submit(request: GenerationRequest, context: CallContext): Ticket {
    const { clock, observer } = this.#options;
    const { requestId, priority, signal } = context;
    const arrivedMs = clock.nowMs();
    const { index, requests } = context.lot ?? { index: 0, requests: [request] };
    if (index === 0) for (const one of requests) this.#assertNotPoison(one, arrivedMs);
    if (index === 0) this.#allowance.assertMayCome(context, requests, arrivedMs);
    const key = ++this.#lastKey;
    const cancel = (reason: HearthError) => {
      this.#calls.get(key)?.answer.abandon(reason);
      this.post({ type: 'cancelled', key });
    };
    const onAbort = () => cancel(abortReason(signal));
    const answer = new Answer({
      model: request.model,
      priority,
      arrivedMs,
      observer,
      onLeave: () => cancel(abortReason(signal)),
    });
    this.#calls.set(key, {
      key,
      request,
      context,
      answer,
      onAbort,
      settle: undefined,
      running: undefined,
      hasMoved: false,
      isPreempted: false,
      isCountedAsWaiting: false,
    });
    this.#rejection = undefined;
    this.post({
      type: 'submitted',
      key,
      model: request.model,
      priority,
      tenant: context.tenant,
      units: 1,
      tenantMax: context.limits?.concurrencyMax,
      // Where there is one replica, there is nothing to choose.
      trail:
        this.#options.deskOf(request.model).replicas > 1
          ? trailOf(request, context.affinity)
          : undefined,
    });
    const rejection = this.#takeRejection();
    if (rejection !== undefined) {
      this.#calls.delete(key);
      throw this.#toError(rejection, request.model);
    }
    this.#options.deskOf(request.model).wanted(context.keepAliveMs);
    // Only now: a request that was refused costs nothing.
    const settle = this.#allowance.spend(context, request, arrivedMs);
    const call = this.#calls.get(key);
    // A grant may have ended it already: its prompt was too large for the channel.
    if (call === undefined) settle(answer.usage, arrivedMs);
    else {
      call.settle = settle;
      signal.addEventListener('abort', onAbort);
    }
    return { id: requestId, priority, events: answer };
  }

  post(event: SchedulerEvent): void {
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

  /** Resolves as soon as nothing waits or runs. */
  async idle(): Promise<void> {
    if (this.#calls.size === 0) return;
    const idle = Promise.withResolvers<void>();
    this.#onIdle = idle.resolve;
    await idle.promise;
  }

  /** Every request fails with `error`; those that run keep their slots until their workers end. */
  failAll(error: HearthError): void {
    for (const { answer } of this.#calls.values()) answer.fail(error);
    this.post({ type: 'stop' });
    this.#onIdle?.();
  }

  /** The workers are gone: what one that could not be ended still held keeps nothing waiting. */
  end(): void {
    clearTimeout(this.#deadline);
    for (const call of [...this.#calls.values()]) this.#forget(call);
  }

  #effects(): Effects {
    return {
      rejected: (key, reason, retryAfterMs) => {
        const { priority } = this.#calls.get(key)!.context;
        this.#options.observer.rejected({ reason, priority });
        this.#rejection = { reason, retryAfterMs };
      },
      queued: (key, position) => this.#queued(this.#calls.get(key)!, position),
      granted: (key, waitMs, replica) => this.#granted(this.#calls.get(key)!, waitMs, replica),
      dropped: (key, reason, waitMs) => this.#dropped(this.#calls.get(key)!, reason, waitMs),
      preempted: (key) => this.#preempted(this.#calls.get(key)),
      interrupted: (key) => this.#calls.get(key)?.running?.cancel(),
    };
  }

  #queued(call: Call, position: number): void {
    this.#countAsWaiting(call);
    const { model } = call.request;
    call.answer.waiting(this.#whyWaiting(model), position, this.#scheduler.etaMs(model, position));
    this.#warnOfDepth();
  }

  #granted(call: Call, waitMs: number, replica: number): void {
    const { model } = call.request;
    this.#countAsWaiting(call);
    this.#uncountAsWaiting(call, { granted: true, waitMs });
    call.answer.granted(this.#options.clock.nowMs(), (tokens) => call.running?.consumed(tokens));
    try {
      const desk = this.#options.deskOf(model);
      call.running = desk.generate(replica, toJob(call), this.#listener(call));
    } catch (error) {
      call.answer.fail(toHearthError(error));
    }
    // Not sent, or nobody has wanted it since its grant was decided.
    if (call.running === undefined) this.#end(call);
    else if (call.answer.isOver) call.running.cancel();
    this.reportSlots(model);
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

  /** Once per rise, while there is still room. */
  #warnOfDepth(): void {
    const { queueDepthWarn, limits } = this.#limits;
    const { depth } = this.#scheduler;
    if (depth < queueDepthWarn / 2) this.#hasWarnedOfDepth = false;
    if (depth < queueDepthWarn || this.#hasWarnedOfDepth) return;
    this.#hasWarnedOfDepth = true;
    const { queueDepthMax } = limits;
    this.#options.log.warn({ depth, queueDepthWarn, queueDepthMax }, 'the queue is filling');
  }

  #listener(call: Call): CallListener {
    const { answer, request } = call;
    return {
      accepted: (counts) => {
        if (call.isPreempted) return;
        answer.accepted(counts);
        const { promptTokens, cachedTokens } = counts;
        this.post({ type: 'accepted', key: call.key, promptTokens, cachedTokens });
      },
      tokens: (ids, text, nowMs) => {
        if (call.isPreempted) return;
        this.post({ type: 'generated', key: call.key, tokens: ids.length });
        answer.tokens(ids, text, nowMs);
      },
      starved: () => {
        answer.fail(refusals.slowReader());
        this.post({ type: 'cancelled', key: call.key });
      },
      finished: ({ reason, stop, ...usage }: CallEnd) => {
        if (call.isPreempted) return this.#returned(call);
        const { promptTokens, cachedTokens, generatedTokens } = usage;
        if (reason === 'cancelled') {
          // Its worker had to go before it was done; nobody has seen anything of it yet.
          if (this.#canMove(call)) {
            this.#move(call);
            return;
          }
          answer.fail(refusals.endedUnasked(request.model));
        } else {
          answer.finished({ reason, stop, usage: { promptTokens, cachedTokens, generatedTokens } });
        }
        this.#end(call);
      },
      failed: (error) => {
        if (call.isPreempted) return this.#returned(call);
        answer.fail(error);
        this.#end(call);
      },
      lost: (error) => this.#lost(call, error),
    };
  }

  /** Its slot is wanted. What its run still says is not heard: it will be begun anew. */
  #preempted(call: Call | undefined): void {
    // It could not be sent: its end is on its way to the scheduler.
    if (call?.running === undefined) return;
    const { request, context, running } = call;
    call.isPreempted = true;
    this.#options.observer.preempted({ model: request.model, priority: context.priority });
    running.cancel();
  }

  #returned(call: Call): void {
    call.isPreempted = false;
    call.running = undefined;
    this.post({ type: 'returned', key: call.key });
    this.reportSlots(call.request.model);
  }

  /** Its worker has died with it. */
  #lost(call: Call, error: WorkerError): void {
    const { answer, request } = call;
    call.running = undefined;
    call.isPreempted = false;
    const isPoison = this.#poison.died(request, error, this.#options.clock.nowMs());
    if (!isPoison && this.#canMove(call)) {
      this.#move(call);
      return;
    }
    answer.fail(isPoison ? refusals.poisoned(error) : error);
    this.#end(call);
  }

  /** To another worker, once, while its client has seen nothing of it. */
  #canMove({ answer, hasMoved }: Call): boolean {
    return !answer.isOver && answer.isUntouched && !hasMoved;
  }

  #move(call: Call): void {
    const { request, context, key } = call;
    call.hasMoved = true;
    call.running = undefined;
    const { requestId } = context;
    this.#options.log.warn({ requestId, model: request.model }, 'request is tried again');
    this.post({ type: 'returned', key });
    this.reportSlots(request.model);
  }

  #assertNotPoison(request: GenerationRequest, nowMs: number): void {
    const forMs = this.#poison.refusedForMs(request, nowMs);
    if (forMs > 0) throw refusals.quarantined(request.model, forMs);
  }

  /** Its slot is free. */
  #end(call: Call): void {
    this.#forget(call);
    this.post({ type: 'ended', key: call.key });
    this.reportSlots(call.request.model);
  }

  #forget({ key, context, onAbort, answer, settle }: Call): void {
    this.#calls.delete(key);
    settle?.(answer.usage, this.#options.clock.nowMs());
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

  #toError({ reason, retryAfterMs }: Refused, model: string): HearthError {
    switch (reason) {
      case 'queue_full':
        return refusals.queueFull(this.#limits.limits.queueDepthMax, retryAfterMs);
      case 'draining':
        return refusals.draining();
      case 'model_failed':
        return this.#modelFailed(model);
    }
  }

  #modelFailed(model: string): HearthError {
    const desk = this.#options.deskOf(model);
    return desk.refusal ?? refusals.modelFailed(model, desk);
  }

  #whyWaiting(model: string): 'queue' | 'loading' {
    return this.#options.deskOf(model).isReady ? 'queue' : 'loading';
  }

  /** Tells the waiters of a model where they stand, if that has changed. */
  tellPositions(model: string): void {
    if (this.#scheduler.counts(model).waiting === 0) return;
    const why = this.#whyWaiting(model);
    this.#scheduler.forEachWaiting(model, (key, position) => {
      const etaMs = this.#scheduler.etaMs(model, position);
      this.#calls.get(key)?.answer.waiting(why, position, etaMs);
    });
  }

  /** Of those that wait for the model. */
  waitingFor(model: string): number {
    return this.#scheduler.counts(model).waiting;
  }

  rate(tenant: string): RateState | undefined {
    return this.#allowance.state(tenant, this.#options.clock.nowMs());
  }

  queue(): QueueInfo {
    const { clock } = this.#options;
    const { limits } = this.#limits;
    const [models, scheduler, calls] = [this.#models, this.#scheduler, this.#calls];
    return reportQueue({ scheduler, models, limits, calls, nowMs: clock.nowMs() });
  }

  reportSlots(model: string): void {
    const { busy, free } = this.#scheduler.counts(model);
    this.#options.observer.slots(model, { busy, free });
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
        this.post({ type: 'tick' });
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
