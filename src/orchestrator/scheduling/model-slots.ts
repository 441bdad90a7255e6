/**
 * The slots of one model: who runs, and who of those that wait runs next. Pure.
 *
 *   waiting ──grantNext()──▶ running ──release()──▶ over, or back in the queue
 *
 * The high lane: beyond the shared slots there are spare ones that only the high class gets, once the
 * shared ones are busy; so a first high request never waits for a slot, and nobody else loses one. When
 * the spare is busy too, the newest low request that has no token yet is named to give its slot back,
 * one at a time, and the slot is then owed to the high class. That is for a high class that comes now
 * and then: one that has had more than its share waits for its turn.
 *
 * Whoever is next is never overtaken by a smaller request, so that a large one is not starved. A tenant that
 * has all the slots it may have is not next.
 *
 * Units   ms of the monotonic clock, tokens; a unit is one sequence.
 * Errors  none.
 */
import { ModelQueue, type Policy } from './model-queue.ts';
import type { Charge, Entry } from './queue.ts';
import { type Place, ReplicaSlots } from './replica-slots.ts';

export const NO_CHARGE: Charge = { readTokens: 0, generatedTokens: 0 };

/** Weight of the newest sample in the moving average of service times. */
const SERVICE_WEIGHT = 0.2;

interface Next {
  readonly entry: Entry;
  readonly place: Place;
}

export class ModelSlots {
  readonly queue: ModelQueue;
  readonly #running = new Set<Entry>();
  readonly replicas = new ReplicaSlots();
  /** Also on replicas that take no more. */
  #busyUnits = 0;
  /** Gives its slot back. */
  #preempting: Entry | undefined;
  /** A slot was given back for the high class, and it has not had it yet. */
  #isOwedToHigh = false;
  /** Moving average of grant to end; undefined until a request has ended. */
  #serviceMs: number | undefined;

  /** `runningOf` counts the slots that a tenant has over all models. */
  constructor(policy: Policy, runningOf: (tenant: string) => number) {
    this.queue = new ModelQueue(
      policy,
      (entry) =>
        entry.tenantMax === Number.POSITIVE_INFINITY ||
        runningOf(entry.tenant) + this.#unitsOf(entry) <= entry.tenantMax,
    );
  }

  /** Slots that are busy, and those that any class may have. */
  get counts(): { readonly busy: number; readonly free: number } {
    return { busy: this.#busyUnits, free: this.replicas.free };
  }

  /** Mean time that a slot was busy for one request, divided by the slots; undefined until known. */
  get msPerRequest(): number | undefined {
    const { total } = this.replicas;
    if (this.#serviceMs === undefined || total === 0) return undefined;
    return this.#serviceMs / total;
  }

  /** Takes the next request out of the queue and gives it its slots. Undefined when none can be. */
  grantNext(nowMs: number): Entry | undefined {
    if (this.replicas.largest === 0) return undefined;
    const next = this.#nextShared(nowMs) ?? this.#nextSpare();
    if (next === undefined) return undefined;
    const { entry, place } = next;
    this.queue.passBlocked();
    this.queue.remove(entry);
    this.#running.add(entry);
    entry.heldUnits = this.#unitsOf(entry);
    entry.grantedMs = nowMs;
    entry.place = place;
    place.busyUnits += entry.heldUnits;
    place.prefixes.read(entry.trail);
    this.#busyUnits += entry.heldUnits;
    return entry;
  }

  /** Who must give its slot back now, because a high request still waits. Named once. */
  preemptNext(): Entry | undefined {
    if (this.#preempting !== undefined || this.#isOwedToHigh) return undefined;
    // Without the second a busy high class would take from low what low was granted as its share.
    if (this.queue.nextHigh() === undefined || !this.queue.isHighDue) return undefined;
    let newest: Entry | undefined;
    for (const entry of this.#running) {
      if (entry.priority !== 'low' || entry.isTouched || entry.isCancelled) continue;
      // A slot of a replica that takes no more is of no use.
      if (!this.replicas.has(entry.place!)) continue;
      if (newest === undefined || entry.arrival > newest.arrival) newest = entry;
    }
    this.#preempting = newest;
    return newest;
  }

  charge(entry: Entry, tokens: Charge): void {
    this.queue.charge(entry, tokens);
    entry.charged = {
      readTokens: entry.charged.readTokens + tokens.readTokens,
      generatedTokens: entry.charged.generatedTokens + tokens.generatedTokens,
    };
  }

  /** The request is over. */
  end(entry: Entry, nowMs: number): void {
    const tookMs = nowMs - entry.grantedMs!;
    const before = this.#serviceMs;
    this.#serviceMs = before === undefined ? tookMs : before + SERVICE_WEIGHT * (tookMs - before);
    this.#release(entry);
    this.queue.leave(entry);
  }

  /** Back to its place in the queue, and to be begun anew. */
  putBack(entry: Entry): void {
    if (this.#preempting === entry) this.#isOwedToHigh = true;
    this.#release(entry);
    const { readTokens, generatedTokens } = entry.charged;
    this.queue.charge(entry, { readTokens: -readTokens, generatedTokens: -generatedTokens });
    entry.charged = NO_CHARGE;
    entry.grantedMs = undefined;
    entry.isTouched = false;
    this.queue.putBack(entry);
  }

  #release(entry: Entry): void {
    this.#running.delete(entry);
    this.#busyUnits -= entry.heldUnits;
    entry.place!.busyUnits -= entry.heldUnits;
    entry.place = undefined;
    entry.heldUnits = 0;
    if (this.#preempting === entry) this.#preempting = undefined;
  }

  /** For a slot that any class may have. */
  #nextShared(nowMs: number): Next | undefined {
    const owed = this.#isOwedToHigh ? this.queue.nextHigh() : undefined;
    this.#isOwedToHigh = owed !== undefined;
    const entry = owed ?? this.queue.next(nowMs);
    const place = entry && this.replicas.placeFor(this.#unitsOf(entry), entry.trail, false);
    if (entry === undefined || place === undefined) return undefined;
    if (owed === undefined) this.queue.granted(entry, nowMs);
    this.#isOwedToHigh = false;
    return { entry, place };
  }

  /** For a spare slot, when the shared ones do not do. */
  #nextSpare(): Next | undefined {
    const entry = this.queue.nextHigh();
    if (entry === undefined) return undefined;
    const place = this.replicas.placeFor(this.#unitsOf(entry), entry.trail, true);
    if (place === undefined) return undefined;
    this.#isOwedToHigh = false;
    return { entry, place };
  }

  /** More than a replica has means: all that it has. */
  #unitsOf(entry: Entry): number {
    return Math.min(entry.units, this.replicas.largest, entry.tenantMax);
  }
}
