/**
 * Who runs next. Pure: events in, effects out; no I/O, no clock, no timer, no randomness.
 *
 * Strict order of classes (high, normal, low), FIFO within (model, class), capacity per model.
 * The head of the order is never overtaken by a smaller request, so that a large one is not
 * starved. Requests that run and wait are counted together over all models against one limit.
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
import { ClassQueue, type Entry } from './queue.ts';

export interface SchedulerLimits {
  /** Requests that may run and wait, over all models. */
  readonly queueDepthMax: number;
  /** How long a request of a class may wait for a slot. */
  readonly queueTimeoutMs: Readonly<Record<Priority, number>>;
}

interface Model {
  readonly queues: Readonly<Record<Priority, ClassQueue>>;
  /** 0 while no replica can answer. */
  slots: number;
  busyUnits: number;
  waiting: number;
  hasFailed: boolean;
  /** Moving average of grant to end; undefined until a request has ended. */
  serviceMs: number | undefined;
}

/** The shortest time after which a retry is suggested: less would be a busy loop. */
const RETRY_MIN_MS = 250;
/** Suggested while nothing has been measured yet. */
const RETRY_UNKNOWN_MS = 1_000;
/** Weight of the newest sample in the moving average of service times. */
const SERVICE_WEIGHT = 0.2;

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
        queues: { high: new ClassQueue(), normal: new ClassQueue(), low: new ClassQueue() },
        slots: 0,
        busyUnits: 0,
        waiting: 0,
        hasFailed: false,
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
    for (const { queues } of this.#models.values()) {
      for (const priority of PRIORITIES) {
        const deadline = queues[priority].head?.deadlineMs;
        if (deadline !== undefined && (earliest === undefined || deadline < earliest)) {
          earliest = deadline;
        }
      }
    }
    return earliest;
  }

  counts(model: string): {
    readonly busy: number;
    readonly free: number;
    readonly waiting: number;
  } {
    const { slots, busyUnits, waiting } = this.#model(model);
    return { busy: busyUnits, free: Math.max(0, slots - busyUnits), waiting };
  }

  /** Visits the waiters of a model in the order in which they will be granted. O(waiters). */
  forEachWaiting(model: string, visit: (key: number, position: number) => void): void {
    const { queues } = this.#model(model);
    let position = 0;
    for (const priority of PRIORITIES) {
      for (let entry = queues[priority].head; entry !== undefined; entry = entry.next) {
        visit(entry.key, position);
        position += 1;
      }
    }
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
      case 'returned':
        this.#putBack(event.key, nowMs);
        break;
      case 'tick':
        this.#dropLate(nowMs);
        break;
      case 'ready':
        this.#setSlots(event.model, event.slots, nowMs);
        break;
      case 'lost':
        this.#setSlots(event.model, 0, nowMs);
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

  #submit(
    { key, model: name, priority, units }: Extract<SchedulerEvent, { type: 'submitted' }>,
    nowMs: number,
  ): void {
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
      units,
      arrival: this.#arrivals++,
      submittedMs: nowMs,
      deadlineMs: nowMs + this.#limits.queueTimeoutMs[priority],
      grantedMs: undefined,
      heldUnits: 0,
      isCancelled: false,
      previous: undefined,
      next: undefined,
    };
    this.#entries.set(key, entry);
    const position = waitingBefore(model, priority);
    model.queues[priority].push(entry);
    model.waiting += 1;
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

  #end(key: number, nowMs: number): void {
    const { entry, model, grantedMs } = this.#running(key);
    this.#entries.delete(key);
    model.busyUnits -= entry.heldUnits;
    const tookMs = nowMs - grantedMs;
    model.serviceMs =
      model.serviceMs === undefined
        ? tookMs
        : model.serviceMs + SERVICE_WEIGHT * (tookMs - model.serviceMs);
    this.#grant(model, nowMs);
  }

  #putBack(key: number, nowMs: number): void {
    const { entry, model } = this.#running(key);
    model.busyUnits -= entry.heldUnits;
    entry.heldUnits = 0;
    entry.grantedMs = undefined;
    model.queues[entry.priority].putBack(entry);
    model.waiting += 1;
    const drop = this.#dropOnReturn(model, entry);
    if (drop !== undefined) {
      this.#drop(model, entry, drop, nowMs);
      return;
    }
    this.#grant(model, nowMs);
    if (entry.grantedMs === undefined) {
      this.#effects.queued(key, waitingBefore(model, entry.priority, entry));
    }
  }

  #dropOnReturn(model: Model, entry: Entry): Drop | undefined {
    if (entry.isCancelled) return 'cancelled';
    if (this.#isStopped) return 'draining';
    return model.hasFailed ? 'model_failed' : undefined;
  }

  #setSlots(name: string, slots: number, nowMs: number): void {
    const model = this.#model(name);
    model.slots = slots;
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
        const queue = model.queues[priority];
        for (
          let head = queue.head;
          head !== undefined && head.deadlineMs <= nowMs;
          head = queue.head
        ) {
          this.#drop(model, head, 'queue_timeout', nowMs);
        }
      }
      this.#grant(model, nowMs);
    }
  }

  #dropWaiting(model: Model, reason: Drop, nowMs: number): void {
    for (const priority of PRIORITIES) {
      const queue = model.queues[priority];
      for (let head = queue.head; head !== undefined; head = queue.head) {
        this.#drop(model, head, reason, nowMs);
      }
    }
  }

  #drop(model: Model, entry: Entry, reason: Drop, nowMs: number): void {
    model.queues[entry.priority].remove(entry);
    model.waiting -= 1;
    this.#entries.delete(entry.key);
    this.#effects.dropped(entry.key, reason, nowMs - entry.submittedMs);
  }

  #grant(model: Model, nowMs: number): void {
    while (model.waiting > 0) {
      const head = firstWaiting(model);
      if (head === undefined || model.slots === 0) return;
      const units = Math.min(head.units, model.slots);
      if (units > model.slots - model.busyUnits) return;
      model.queues[head.priority].remove(head);
      model.waiting -= 1;
      model.busyUnits += units;
      head.heldUnits = units;
      head.grantedMs = nowMs;
      this.#effects.granted(head.key, nowMs - head.submittedMs);
    }
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
    const before = waitingBefore(model, priority) + 1;
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

function firstWaiting({ queues }: Model): Entry | undefined {
  return queues.high.head ?? queues.normal.head ?? queues.low.head;
}

/** Waiters that will be granted before `entry`, or before one that joined the class now. */
function waitingBefore({ queues }: Model, priority: Priority, entry?: Entry): number {
  let before = 0;
  for (const other of PRIORITIES) {
    if (other === priority) break;
    before += queues[other].length;
  }
  if (entry === undefined) return before + queues[priority].length;
  for (let ahead = entry.previous; ahead !== undefined; ahead = ahead.previous) before += 1;
  return before;
}

function assertNever(event: never): never {
  throw new BugError(`Scheduler event of unknown type: ${JSON.stringify(event)}`);
}
