/**
 * Who runs next. Pure: events in, effects out; no I/O, no clock, no timer, no randomness.
 *
 * Capacity per model: `model-slots.ts` says who gets a slot, `replica-slots.ts` where, `model-queue.ts` who is next. Requests that
 * run and wait are counted together over all models against one limit, less a few of the class high.
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
 * Cost    O(replicas) per decision, plus one step per request granted or dropped by it.
 */
import { BugError } from '../../core/errors.ts';
import { PRIORITIES, type Priority } from '../../core/priority.ts';
import type { Drop, Effects, Rejection, SchedulerEvent } from './effects.ts';
import type { Policy } from './model-queue.ts';
import { ModelSlots, NO_CHARGE } from './model-slots.ts';
import type { Entry } from './queue.ts';

export interface SchedulerLimits extends Policy {
  /** Requests that may run and wait, over all models. */
  readonly queueDepthMax: number;
  /** So many of the class high are not counted: a queue full of low must not turn it away. */
  readonly queueDepthHighSpare: number;
  /** How long a request of a class may wait for a slot. */
  readonly queueTimeoutMs: Readonly<Record<Priority, number>>;
}

interface Model {
  readonly slots: ModelSlots;
  hasFailed: boolean;
}

/** The shortest time after which a retry is suggested: less would be a busy loop. */
const RETRY_MIN_MS = 250;
/** Suggested while nothing has been measured yet. */
const RETRY_UNKNOWN_MS = 1_000;
/** A prompt token that was found in a cache costs nearly nothing. */
const CACHED_WEIGHT = 0.1;

export class Scheduler {
  #limits: SchedulerLimits;
  readonly #effects: Effects;
  readonly #models = new Map<string, Model>();
  readonly #entries = new Map<number, Entry>();
  /** Those of them that are of the class high. */
  #highDepth = 0;
  /** Slots that tenants with a bound of their own have now. */
  readonly #slotsOf = new Map<string, number>();
  #arrivals = 0;
  #isDraining = false;
  #isStopped = false;

  constructor(models: readonly string[], limits: SchedulerLimits, effects: Effects) {
    this.#limits = limits;
    this.#effects = effects;
    for (const name of models) this.#add(name);
  }

  /** Holds from now on, also for those that wait; a `tick` drops whose time is up by it. */
  setLimits(limits: SchedulerLimits): void {
    this.#limits = limits;
    for (const { slots } of this.#models.values()) slots.queue.policy = limits;
  }

  /** Requests that run or wait. */
  get depth(): number {
    return this.#entries.size;
  }

  /** When the next waiter's time is up; undefined when nobody waits. */
  get nextDeadlineMs(): number | undefined {
    let earliest: number | undefined;
    for (const { slots } of this.#models.values()) {
      for (const priority of PRIORITIES) {
        const oldest = slots.queue.oldest(priority);
        const deadline = oldest && this.#deadlineMs(oldest);
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
    const { slots } = this.#model(model);
    return { ...slots.counts, waiting: slots.queue.length };
  }

  waitingOf(model: string, priority: Priority): number {
    return this.#model(model).slots.queue.lengthOf(priority);
  }

  /** Visits the waiters of a model by class and arrival, near the order of grants. O(waiters). */
  forEachWaiting(model: string, visit: (key: number, position: number) => void): void {
    this.#model(model).slots.queue.forEach((entry, position) => {
      visit(entry.key, position);
    });
  }

  /** Until the waiter at the position is granted; undefined until a request has ended. */
  etaMs(model: string, position: number): number | undefined {
    const { msPerRequest } = this.#model(model).slots;
    return msPerRequest === undefined ? undefined : (position + 1) * msPerRequest;
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
        this.#ready(event, nowMs);
        break;
      case 'lost':
        this.#model(event.model).slots.replicas.remove(event.replica);
        break;
      case 'failed':
        this.#fail(event.model, nowMs);
        break;
      case 'revived':
        this.#model(event.model).hasFailed = false;
        break;
      case 'added':
        this.#add(event.model);
        break;
      case 'removed':
        this.#removeModel(event.model);
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

  #add(name: string): void {
    if (this.#models.has(name)) return;
    const slots = new ModelSlots(this.#limits, (tenant) => this.#slotsOf.get(tenant) ?? 0);
    this.#models.set(name, { slots, hasFailed: false });
  }

  #removeModel(name: string): void {
    const { slots } = this.#model(name);
    if (slots.counts.busy > 0 || slots.queue.length > 0) {
      throw new BugError(`Model ${name} was removed while requests wait or run`);
    }
    this.#models.delete(name);
  }

  #submit(event: Extract<SchedulerEvent, { type: 'submitted' }>, nowMs: number): void {
    const { key, model: name, priority, tenant, units, trail = [] } = event;
    const { tenantMax = Number.POSITIVE_INFINITY } = event;
    const model = this.#model(name);
    if (this.#entries.has(key)) throw new BugError(`Request key ${key} was submitted twice`);
    const rejection = this.#rejection(model, priority);
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
      tenantMax,
      arrival: this.#arrivals++,
      submittedMs: nowMs,
      grantedMs: undefined,
      place: undefined,
      trail,
      heldUnits: 0,
      isCancelled: false,
      isTouched: false,
      charged: NO_CHARGE,
      inClass: { previous: undefined, next: undefined },
      inTenant: { previous: undefined, next: undefined },
    };
    this.#entries.set(key, entry);
    if (priority === 'high') this.#highDepth += 1;
    const { queue } = model.slots;
    const position = queue.before(priority);
    queue.push(entry);
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
    model.slots.charge(entry, { readTokens, generatedTokens: 0 });
  }

  #generate({ key, tokens }: Extract<SchedulerEvent, { type: 'generated' }>): void {
    const { entry, model } = this.#running(key);
    entry.isTouched = true;
    model.slots.charge(entry, { readTokens: 0, generatedTokens: tokens });
  }

  #end(key: number, nowMs: number): void {
    const { entry, model } = this.#running(key);
    this.#remove(entry);
    this.#countSlots(entry, -entry.heldUnits);
    model.slots.end(entry, nowMs);
    this.#grantAfter(entry, model, nowMs);
  }

  #putBack(key: number, nowMs: number): void {
    const { entry, model } = this.#running(key);
    this.#countSlots(entry, -entry.heldUnits);
    model.slots.putBack(entry);
    const drop = this.#dropOnReturn(model, entry);
    if (drop !== undefined) this.#drop(model, entry, drop, nowMs);
    this.#grantAfter(entry, model, nowMs);
    if (drop === undefined && entry.grantedMs === undefined) {
      this.#effects.queued(key, model.slots.queue.before(entry.priority, entry));
    }
  }

  #dropOnReturn(model: Model, entry: Entry): Drop | undefined {
    if (entry.isCancelled) return 'cancelled';
    if (this.#isStopped) return 'draining';
    return model.hasFailed ? 'model_failed' : undefined;
  }

  #ready(event: Extract<SchedulerEvent, { type: 'ready' }>, nowMs: number): void {
    const model = this.#model(event.model);
    model.slots.replicas.add(event.replica, event);
    model.hasFailed = false;
    this.#grant(model, nowMs);
  }

  #fail(name: string, nowMs: number): void {
    const model = this.#model(name);
    model.slots.replicas.clear();
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
      this.#dropWhile(model, (entry) => this.#deadlineMs(entry) <= nowMs, 'queue_timeout', nowMs);
      this.#grant(model, nowMs);
    }
  }

  #deadlineMs({ submittedMs, priority }: Entry): number {
    return submittedMs + this.#limits.queueTimeoutMs[priority];
  }

  #dropWaiting(model: Model, reason: Drop, nowMs: number): void {
    this.#dropWhile(model, () => true, reason, nowMs);
  }

  /** The oldest of each class, for as long as they are to go. */
  #dropWhile(model: Model, must: (entry: Entry) => boolean, reason: Drop, nowMs: number): void {
    const { queue } = model.slots;
    for (const priority of PRIORITIES) {
      for (
        let oldest = queue.oldest(priority);
        oldest !== undefined && must(oldest);
        oldest = queue.oldest(priority)
      ) {
        this.#drop(model, oldest, reason, nowMs);
      }
    }
  }

  #remove({ key, priority }: Entry): void {
    this.#entries.delete(key);
    if (priority === 'high') this.#highDepth -= 1;
  }

  #drop({ slots }: Model, entry: Entry, reason: Drop, nowMs: number): void {
    slots.queue.remove(entry);
    slots.queue.leave(entry);
    this.#remove(entry);
    this.#effects.dropped(entry.key, reason, nowMs - entry.submittedMs);
  }

  /** `entry` gave its slots back: where its tenant is bounded, the other models may go on with them. */
  #grantAfter({ tenantMax }: Entry, model: Model, nowMs: number): void {
    this.#grant(model, nowMs);
    if (tenantMax === Number.POSITIVE_INFINITY) return;
    for (const other of this.#models.values()) if (other !== model) this.#grant(other, nowMs);
  }

  #countSlots({ tenant, tenantMax }: Entry, units: number): void {
    if (tenantMax === Number.POSITIVE_INFINITY) return;
    const slots = (this.#slotsOf.get(tenant) ?? 0) + units;
    if (slots === 0) this.#slotsOf.delete(tenant);
    else this.#slotsOf.set(tenant, slots);
  }

  #grant({ slots }: Model, nowMs: number): void {
    for (let entry = slots.grantNext(nowMs); entry !== undefined; entry = slots.grantNext(nowMs)) {
      this.#countSlots(entry, entry.heldUnits);
      this.#effects.granted(entry.key, nowMs - entry.submittedMs, entry.place!.replica);
    }
    const preempted = slots.preemptNext();
    if (preempted !== undefined) this.#effects.preempted(preempted.key);
  }

  #rejection(model: Model, priority: Priority): Rejection | undefined {
    if (this.#isDraining) return 'draining';
    if (model.hasFailed) return 'model_failed';
    const { queueDepthMax, queueDepthHighSpare } = this.#limits;
    if (priority === 'high' && this.#highDepth < queueDepthHighSpare) return undefined;
    // Were the spare ones counted, a busy high class would keep everybody else out.
    const depth = this.#entries.size - Math.min(this.#highDepth, queueDepthHighSpare);
    return depth >= queueDepthMax ? 'queue_full' : undefined;
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
    const { msPerRequest, queue } = model.slots;
    if (msPerRequest === undefined) return RETRY_UNKNOWN_MS;
    const estimateMs = Math.ceil((queue.before(priority) + 1) * msPerRequest);
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

  #running(key: number): { entry: Entry; model: Model } {
    const entry = this.#entries.get(key);
    if (entry?.grantedMs === undefined) throw new BugError(`Request key ${key} is not running`);
    return { entry, model: this.#model(entry.model) };
  }
}

function assertNever(event: never): never {
  throw new BugError(`Scheduler event of unknown type: ${JSON.stringify(event)}`);
}
