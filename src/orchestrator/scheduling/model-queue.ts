/**
 * The waiting requests of one model, and which of them is next. Pure.
 *
 * Each class has a share of the tokens by its weight: the class with the least weighted service is
 * next. So a higher class goes first and a lower one is never starved. Ageing moves work in time and
 * never changes shares: the waiter that has waited longest beyond the bound of its class gets one
 * grant in eight, and its class is charged for it like for any other. Hence the k-th aged waiter is
 * granted within 8·k grants of shared slots; what the high class gets beyond them is not counted.
 *
 * Units   ms of the monotonic clock, tokens.
 * Errors  none.
 */
import { byPriority, PRIORITIES, type Priority } from '../../core/priority.ts';
import { ClassQueue } from './class-queue.ts';
import { FairShare } from './fair-share.ts';
import type { Charge, Entry } from './queue.ts';

export interface Policy {
  /** Share of the tokens while all classes wait. Positive. */
  readonly weights: Readonly<Record<Priority, number>>;
  /** A waiter of the class is aged after this time. */
  readonly agedAfterMs: Readonly<Record<Priority, number>>;
}

const AGED_EVERY_GRANTS = 8;
/** Weighted: at weight 8 some 2,000 tokens. A bound and not a share, so that the shares hold. */
const HIGH_AHEAD_TOKENS = 256;

export class ModelQueue {
  /** May be changed at any time. */
  policy: Policy;
  readonly #classes: Readonly<Record<Priority, ClassQueue>>;
  readonly #share = new FairShare<Priority>();
  #grantsSinceAged = AGED_EVERY_GRANTS - 1;

  /** `canRun` says whether the entry's tenant may have one more slot. */
  constructor(policy: Policy, canRun: (entry: Entry) => boolean) {
    this.policy = policy;
    this.#classes = byPriority(() => new ClassQueue(canRun));
  }

  get length(): number {
    return PRIORITIES.reduce((sum, priority) => sum + this.#classes[priority].length, 0);
  }

  lengthOf(priority: Priority): number {
    return this.#classes[priority].length;
  }

  /** Of a class; it has waited longest of it. */
  oldest(priority: Priority): Entry | undefined {
    return this.#classes[priority].oldest;
  }

  push(entry: Entry): void {
    this.#share.enter(entry.priority);
    this.#classes[entry.priority].push(entry);
  }

  putBack(entry: Entry): void {
    this.#classes[entry.priority].putBack(entry);
  }

  /** It no longer waits. */
  remove(entry: Entry): void {
    this.#classes[entry.priority].remove(entry);
  }

  /** The request is over. To be told after the last charge. */
  leave(entry: Entry): void {
    this.#share.leave(entry.priority);
    this.#classes[entry.priority].leave(entry);
  }

  /** Who gets the next shared slot; undefined when nobody waits. */
  next(nowMs: number): Entry | undefined {
    const isDue = this.#grantsSinceAged + 1 >= AGED_EVERY_GRANTS;
    return (isDue ? this.#longestAged(nowMs) : undefined) ?? this.#byShare();
  }

  /** False while the high class is so far ahead of the low one that low must be let run. */
  get isHighDue(): boolean {
    const ahead = this.#share.serviceOf('high') - this.#share.serviceOf('low');
    return ahead <= HIGH_AHEAD_TOKENS;
  }

  nextHigh(): Entry | undefined {
    return this.#classes.high.next;
  }

  /** To be told before every grant: who may not have the slot is not owed what others get by it. */
  passBlocked(): void {
    for (const priority of PRIORITIES) this.#classes[priority].passBlocked();
    const next = this.#byShare();
    if (next === undefined) return;
    const service = this.#share.serviceOf(next.priority);
    for (const priority of PRIORITIES) {
      const { length, next: runnable } = this.#classes[priority];
      if (length > 0 && runnable === undefined) this.#share.lift(priority, service);
    }
  }

  /** To be told of every grant of a shared slot, before the entry is removed. */
  granted(entry: Entry, nowMs: number): void {
    const isByAge = entry === this.#longestAged(nowMs) && entry !== this.#byShare();
    this.#grantsSinceAged = isByAge ? 0 : this.#grantsSinceAged + 1;
  }

  charge({ priority, tenant }: Entry, charge: Charge): void {
    const tokens = charge.readTokens + charge.generatedTokens;
    this.#share.charge(priority, tokens / this.policy.weights[priority]);
    this.#classes[priority].charge(tenant, charge);
  }

  /** By class, then by arrival: near the order of grants, which nobody can know beforehand. */
  forEach(visit: (entry: Entry, position: number) => void): void {
    let position = 0;
    for (const priority of PRIORITIES) {
      for (let entry = this.oldest(priority); entry !== undefined; entry = entry.inClass.next) {
        visit(entry, position);
        position += 1;
      }
    }
  }

  /** Position in `forEach` of `entry`, or of one that joined the class now. */
  before(priority: Priority, entry?: Entry): number {
    let before = 0;
    for (const other of PRIORITIES) {
      if (other === priority) break;
      before += this.lengthOf(other);
    }
    if (entry === undefined) return before + this.lengthOf(priority);
    for (let ahead = entry.inClass.previous; ahead !== undefined; ahead = ahead.inClass.previous) {
      before += 1;
    }
    return before;
  }

  #byShare(): Entry | undefined {
    let first: Entry | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const priority of PRIORITIES) {
      const next = this.#classes[priority].next;
      const service = this.#share.serviceOf(priority);
      // Strictly less: among equals the higher class goes first.
      if (next === undefined || service >= least) continue;
      first = next;
      least = service;
    }
    return first;
  }

  #longestAged(nowMs: number): Entry | undefined {
    let longest: Entry | undefined;
    let since = nowMs;
    for (const priority of PRIORITIES) {
      const oldest = this.#classes[priority].oldestRunnable;
      if (oldest === undefined) continue;
      const agedMs = oldest.submittedMs + this.policy.agedAfterMs[priority];
      if (agedMs > since || (agedMs === since && longest !== undefined)) continue;
      longest = oldest;
      since = agedMs;
    }
    return longest;
  }
}
