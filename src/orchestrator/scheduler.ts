/**
 * Who runs next. Pure: events in, effects out; no I/O, no clock, no timer, no randomness.
 *
 * Capacity per model; who gets it is decided by `model-queue.ts`: classes by weighted shares of tokens
 * and age, tenants of a class by equal shares, FIFO within a tenant. Whoever is next is never overtaken
 * by a smaller request, so that a large one is not starved. Requests that run and wait are counted
 * together over all models against one limit.
 *
 * The high lane: a replica has spare slots that only the high class gets, once the shared ones are busy,
 * so a first high request never waits for a slot and nobody else loses one. When the spare is busy too,
 * the newest low request that has no token yet gives its slot back and goes to its old place in the
 * queue; one at a time.
 *
 * Tokens are charged to class and tenant as they are computed, never by estimate: one that is corrected
 * later has by then let somebody else go first.
 *
 * The states of a request are drawn in `effects.ts`. Invariants, each a property test: a request
 * ends exactly once; running units never exceed the slots; what was cancelled is never granted;
 * a waiter stands only in the queue of a model that may still serve it.
 *
 * Units   ms of the monotonic clock that the caller passes in, never going back.
 * Errors  BugError when an event names a key twice, a key that is not in the state it must be in,
 *         or a model that is not in the table: these are faults of the caller.
 * Cost    O(1) per decision, plus one step per request granted or dropped by it.
 */
import { BugError } from '../core/errors.ts';
import { PRIORITIES, type Priority } from '../core/priority.ts';
import type { Drop, Effects, Rejection, SchedulerEvent } from './effects.ts';
import { ModelQueue, type Policy } from './model-queue.ts';
import type { Charge, Entry } from './queue.ts';

export interface SchedulerLimits extends Policy {
  /** Requests that may run and wait, over all models. */
  readonly queueDepthMax: number;
  /** How long a request of a class may wait for a slot. */
  readonly queueTimeoutMs: Readonly<Record<Priority, number>>;
}

interface Model {
  readonly queue: ModelQueue;
  readonly running: Set<Entry>;
  /** 0 while no replica can answer. */
  slots: number;
  /** Beyond `slots`, for the high class. */
  spare: number;
  busyUnits: number;
  hasFailed: boolean;
  /** Gives its slot back. */
  preempting: Entry | undefined;
  /** A slot was given back for the high class, and it has not had it yet. */
  isOwedToHigh: boolean;
  /** Moving average of grant to end; undefined until a request has ended. */
  serviceMs: number | undefined;
}

/** The shortest time after which a retry is suggested: less would be a busy loop. */
const RETRY_MIN_MS = 250;
/** Suggested while nothing has been measured yet. */
const RETRY_UNKNOWN_MS = 1_000;
/** Weight of the newest sample in the moving average of service times. */
const SERVICE_WEIGHT = 0.2;
/** A prompt token that was found in a cache costs nearly nothing. */
const CACHED_WEIGHT = 0.1;
const NO_CHARGE: Charge = { readTokens: 0, generatedTokens: 0 };

export class Scheduler {
  readonly #limits: SchedulerLimits;
  readonly #effects: Effects;
  readonly #models = new Map<string, Model>();
  readonly #entries = new Map<number, Entry>();
  #arrivals = 0;
  #isDraining = false;
  #isStopped = false;

  constructor(models: readonly string[], limits: SchedulerLimits, effects: Effects) {
    this.#limits = limits;
    this.#effects = effects;
    for (const name of models) {
      this.#models.set(name, {
        queue: new ModelQueue(limits),
        running: new Set(),
        slots: 0,
        spare: 0,
        busyUnits: 0,
        hasFailed: false,
        preempting: undefined,
        isOwedToHigh: false,
        serviceMs: undefined,
      });
    }
  }

  /** Requests that run or wait. */
  get depth(): number {
    return this.#entries.size;
  }

  /** When the next waiter's time is up; undefined when nobody waits. */
  get nextDeadlineMs(): number | undefined {
    let earliest: number | undefined;
    for (const { queue } of this.#models.values()) {
      for (const priority of PRIORITIES) {
        const deadline = queue.oldest(priority)?.deadlineMs;
        if (deadline !== undefined && (earliest === undefined || deadline < earliest)) {
          earliest = deadline;
        }
      }
    }
    return earliest;
  }

  /** `free` are slots that any class may have. */
  counts(model: string): {
    readonly busy: number;
    readonly free: number;
    readonly waiting: number;
  } {
    const { slots, busyUnits, queue } = this.#model(model);
    return { busy: busyUnits, free: Math.max(0, slots - busyUnits), waiting: queue.length };
  }

  waitingOf(model: string, priority: Priority): number {
    return this.#model(model).queue.lengthOf(priority);
  }

  /** Visits the waiters of a model by class and arrival, near the order of grants. O(waiters). */
  forEachWaiting(model: string, visit: (key: number, position: number) => void): void {
    this.#model(model).queue.forEach((entry, position) => {
      visit(entry.key, position);
    });
  }

  /** Until a request that came now would be granted, by what the model's requests took so far. */
  estimateWaitMs(model: string, priority: Priority): number {
    return this.#estimateMs(this.#model(model), priority);
  }

  handle(event: SchedulerEvent, nowMs: number): void {
    switch (event.type) {
      case 'submitted':
        this.#submit(event, nowMs);
        break;
      case 'cancelled':
        this.#cancel(event.key, nowMs);
        break;
      case 'ended':
        this.#end(event.key, nowMs);
        break;
      case 'accepted':
        this.#accept(event);
        break;
      case 'generated':
        this.#generate(event);
        break;
      case 'returned':
        this.#putBack(event.key, nowMs);
        break;
      case 'tick':
        this.#dropLate(nowMs);
        break;
      case 'ready':
        this.#setSlots(event.model, event, nowMs);
        break;
      case 'lost':
        this.#setSlots(event.model, { slots: 0, spare: 0 }, nowMs);
        break;
      case 'failed':
        this.#fail(event.model, nowMs);
        break;
      case 'revived':
        this.#model(event.model).hasFailed = false;
        break;
      case 'drain':
        this.#isDraining = true;
        break;
      case 'stop':
        this.#stop(nowMs);
        break;
      default:
        assertNever(event);
    }
  }

  #submit(event: Extract<SchedulerEvent, { type: 'submitted' }>, nowMs: number): void {
    const { key, model: name, priority, tenant, units } = event;
    const model = this.#model(name);
    if (this.#entries.has(key)) throw new BugError(`Request key ${key} was submitted twice`);
    const rejection = this.#rejection(model);
    if (rejection !== undefined) {
      this.#effects.rejected(key, rejection, this.#retryAfterMs(rejection, model, priority));
      return;
    }
    const entry: Entry = {
      key,
      model: name,
      priority,
      tenant,
      units,
      arrival: this.#arrivals++,
      submittedMs: nowMs,
      deadlineMs: nowMs + this.#limits.queueTimeoutMs[priority],
      grantedMs: undefined,
      heldUnits: 0,
      isCancelled: false,
      isTouched: false,
      charged: NO_CHARGE,
      inClass: { previous: undefined, next: undefined },
      inTenant: { previous: undefined, next: undefined },
    };
    this.#entries.set(key, entry);
    const position = model.queue.before(priority);
    model.queue.push(entry);
    this.#grant(model, nowMs);
    if (entry.grantedMs === undefined) this.#effects.queued(key, position);
  }

  #cancel(key: number, nowMs: number): void {
    const entry = this.#entries.get(key);
    // The end of a request and its cancellation may cross: then there is nothing to do.
    if (entry === undefined) return;
    if (entry.grantedMs !== undefined) {
      if (!entry.isCancelled) this.#effects.interrupted(key);
      entry.isCancelled = true;
      return;
    }
    const model = this.#model(entry.model);
    this.#drop(model, entry, 'cancelled', nowMs);
    // It may have been the large head that held up those behind it.
    this.#grant(model, nowMs);
  }

  #accept({
    key,
    promptTokens,
    cachedTokens,
  }: Extract<SchedulerEvent, { type: 'accepted' }>): void {
    const { entry, model } = this.#running(key);
    const readTokens = promptTokens - cachedTokens + CACHED_WEIGHT * cachedTokens;
    charge(model, entry, { readTokens, generatedTokens: 0 });
  }

  #generate({ key, tokens }: Extract<SchedulerEvent, { type: 'generated' }>): void {
    const { entry, model } = this.#running(key);
    entry.isTouched = true;
    charge(model, entry, { readTokens: 0, generatedTokens: tokens });
  }

  #end(key: number, nowMs: number): void {
    const { entry, model, grantedMs } = this.#running(key);
    this.#entries.delete(key);
    release(model, entry);
    model.queue.leave(entry);
    const tookMs = nowMs - grantedMs;
    model.serviceMs =
      model.serviceMs === undefined
        ? tookMs
        : model.serviceMs + SERVICE_WEIGHT * (tookMs - model.serviceMs);
    this.#grant(model, nowMs);
  }

  #putBack(key: number, nowMs: number): void {
    const { entry, model } = this.#running(key);
    if (model.preempting === entry) model.isOwedToHigh = true;
    release(model, entry);
    refund(model, entry);
    entry.grantedMs = undefined;
    entry.isTouched = false;
    model.queue.putBack(entry);
    const drop = this.#dropOnReturn(model, entry);
    if (drop !== undefined) this.#drop(model, entry, drop, nowMs);
    this.#grant(model, nowMs);
    if (drop === undefined && entry.grantedMs === undefined) {
      this.#effects.queued(key, model.queue.before(entry.priority, entry));
    }
  }

  #dropOnReturn(model: Model, entry: Entry): Drop | undefined {
    if (entry.isCancelled) return 'cancelled';
    if (this.#isStopped) return 'draining';
    return model.hasFailed ? 'model_failed' : undefined;
  }

  #setSlots(
    name: string,
    { slots, spare }: { readonly slots: number; readonly spare: number },
    nowMs: number,
  ): void {
    const model = this.#model(name);
    model.slots = slots;
    model.spare = spare;
    if (slots > 0) model.hasFailed = false;
    this.#grant(model, nowMs);
  }

  #fail(name: string, nowMs: number): void {
    const model = this.#model(name);
    model.slots = 0;
    model.hasFailed = true;
    this.#dropWaiting(model, 'model_failed', nowMs);
  }

  #stop(nowMs: number): void {
    this.#isDraining = true;
    this.#isStopped = true;
    for (const model of this.#models.values()) this.#dropWaiting(model, 'draining', nowMs);
  }

  #dropLate(nowMs: number): void {
    for (const model of this.#models.values()) {
      for (const priority of PRIORITIES) {
        for (
          let oldest = model.queue.oldest(priority);
          oldest !== undefined && oldest.deadlineMs <= nowMs;
          oldest = model.queue.oldest(priority)
        ) {
          this.#drop(model, oldest, 'queue_timeout', nowMs);
        }
      }
      this.#grant(model, nowMs);
    }
  }

  #dropWaiting(model: Model, reason: Drop, nowMs: number): void {
    for (const priority of PRIORITIES) {
      for (
        let oldest = model.queue.oldest(priority);
        oldest !== undefined;
        oldest = model.queue.oldest(priority)
      ) {
        this.#drop(model, oldest, reason, nowMs);
      }
    }
  }

  #drop(model: Model, entry: Entry, reason: Drop, nowMs: number): void {
    model.queue.remove(entry);
    model.queue.leave(entry);
    this.#entries.delete(entry.key);
    this.#effects.dropped(entry.key, reason, nowMs - entry.submittedMs);
  }

  #grant(model: Model, nowMs: number): void {
    while (model.slots > 0 && (this.#grantShared(model, nowMs) || this.#grantHigh(model, nowMs))) {
      // One after the other, until nobody can have anything.
    }
    this.#preempt(model);
  }

  /** A slot that any class may have. */
  #grantShared(model: Model, nowMs: number): boolean {
    const isOwed = model.isOwedToHigh && model.queue.nextHigh() !== undefined;
    model.isOwedToHigh = isOwed;
    const entry = isOwed ? model.queue.nextHigh() : model.queue.next(nowMs);
    if (entry === undefined) return false;
    const units = Math.min(entry.units, model.slots);
    if (units > model.slots - model.busyUnits) return false;
    if (!isOwed) model.queue.granted(entry, nowMs);
    model.isOwedToHigh = false;
    this.#run(model, entry, units, nowMs);
    return true;
  }

  /** A spare slot, when the shared ones do not do. */
  #grantHigh(model: Model, nowMs: number): boolean {
    const entry = model.queue.nextHigh();
    if (entry === undefined) return false;
    const units = Math.min(entry.units, model.slots);
    if (units > model.slots + model.spare - model.busyUnits) return false;
    model.isOwedToHigh = false;
    this.#run(model, entry, units, nowMs);
    return true;
  }

  #run(model: Model, entry: Entry, units: number, nowMs: number): void {
    model.queue.remove(entry);
    model.running.add(entry);
    model.busyUnits += units;
    entry.heldUnits = units;
    entry.grantedMs = nowMs;
    this.#effects.granted(entry.key, nowMs - entry.submittedMs);
  }

  /** A high request still waits: the newest low one that nobody has seen a token of makes room. */
  #preempt(model: Model): void {
    if (model.slots === 0 || model.preempting !== undefined || model.isOwedToHigh) return;
    if (model.queue.nextHigh() === undefined) return;
    let newest: Entry | undefined;
    for (const entry of model.running) {
      if (entry.priority !== 'low' || entry.isTouched || entry.isCancelled) continue;
      if (newest === undefined || entry.arrival > newest.arrival) newest = entry;
    }
    if (newest === undefined) return;
    model.preempting = newest;
    this.#effects.preempted(newest.key);
  }

  #rejection(model: Model): Rejection | undefined {
    if (this.#isDraining) return 'draining';
    if (model.hasFailed) return 'model_failed';
    return this.#entries.size >= this.#limits.queueDepthMax ? 'queue_full' : undefined;
  }

  #retryAfterMs(rejection: Rejection, model: Model, priority: Priority): number | undefined {
    switch (rejection) {
      case 'queue_full':
        return this.#estimateMs(model, priority);
      case 'draining':
        return RETRY_UNKNOWN_MS;
      case 'model_failed':
        return undefined;
    }
  }

  #estimateMs(model: Model, priority: Priority): number {
    if (model.serviceMs === undefined || model.slots === 0) return RETRY_UNKNOWN_MS;
    const before = model.queue.before(priority) + 1;
    const estimateMs = Math.ceil((before * model.serviceMs) / model.slots);
    return Math.max(
      RETRY_MIN_MS,
      Math.min(estimateMs, Math.ceil(this.#limits.queueTimeoutMs[priority])),
    );
  }

  #model(name: string): Model {
    const model = this.#models.get(name);
    if (model === undefined) throw new BugError(`Model ${name} is not in the scheduler's table`);
    return model;
  }

  #running(key: number): { entry: Entry; model: Model; grantedMs: number } {
    const entry = this.#entries.get(key);
    if (entry?.grantedMs === undefined) throw new BugError(`Request key ${key} is not running`);
    return { entry, model: this.#model(entry.model), grantedMs: entry.grantedMs };
  }
}

/** Its slots are free. */
function release(model: Model, entry: Entry): void {
  model.running.delete(entry);
  model.busyUnits -= entry.heldUnits;
  entry.heldUnits = 0;
  if (model.preempting === entry) model.preempting = undefined;
}

function charge({ queue }: Model, entry: Entry, tokens: Charge): void {
  queue.charge(entry, tokens);
  entry.charged = {
    readTokens: entry.charged.readTokens + tokens.readTokens,
    generatedTokens: entry.charged.generatedTokens + tokens.generatedTokens,
  };
}

/** It will be begun anew. */
function refund({ queue }: Model, entry: Entry): void {
  const { readTokens, generatedTokens } = entry.charged;
  queue.charge(entry, { readTokens: -readTokens, generatedTokens: -generatedTokens });
  entry.charged = NO_CHARGE;
}

function assertNever(event: never): never {
  throw new BugError(`Scheduler event of unknown type: ${JSON.stringify(event)}`);
}
