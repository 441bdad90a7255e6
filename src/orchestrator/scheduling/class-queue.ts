/**
 * The waiting requests of one class of one model. Pure.
 *
 * Between tenants the one that has had the least service is next; within a tenant the oldest. One that
 * has all the slots it may have is passed over until it gives one back.
 *
 * Units   tokens.
 * Errors  none.
 * Cost    O(tenants that wait) to choose, O(1) for the rest.
 */
import { FairShare } from './fair-share.ts';
import { type Charge, type Entry, Fifo } from './queue.ts';

/** A generated token takes a step of its own, a prompt token only its part of one. Source: VTC. */
const GENERATED_WEIGHT = 2;

export class ClassQueue {
  readonly #canRun: (entry: Entry) => boolean;
  readonly #all = new Fifo('inClass');
  readonly #tenants = new Map<string, Fifo>();
  readonly #share = new FairShare<string>();

  constructor(canRun: (entry: Entry) => boolean) {
    this.#canRun = canRun;
  }

  get length(): number {
    return this.#all.length;
  }

  /** Of all tenants: it has waited longest. */
  get oldest(): Entry | undefined {
    return this.#all.head;
  }

  /** Of those tenants that may have a slot. */
  get oldestRunnable(): Entry | undefined {
    const { head } = this.#all;
    if (head === undefined || this.#canRun(head)) return head;
    let oldest: Entry | undefined;
    for (const { head: first } of this.#tenants.values()) {
      if (!this.#canRun(first!)) continue;
      if (oldest === undefined || first!.arrival < oldest.arrival) oldest = first;
    }
    return oldest;
  }

  get next(): Entry | undefined {
    let best: Entry | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [tenant, waiting] of this.#tenants) {
      const head = waiting.head!;
      if (!this.#canRun(head)) continue;
      const service = this.#share.serviceOf(tenant);
      if (service < least || (service === least && head.arrival < best!.arrival)) {
        best = head;
        least = service;
      }
    }
    return best;
  }

  /** A slot is about to be granted: tenants that may not have it are not owed what others get by it. */
  passBlocked(): void {
    const next = this.next;
    if (next === undefined) return;
    const service = this.#share.serviceOf(next.tenant);
    for (const [tenant, { head }] of this.#tenants) {
      if (!this.#canRun(head!)) this.#share.lift(tenant, service);
    }
  }

  push(entry: Entry): void {
    this.#share.enter(entry.tenant);
    this.#all.push(entry);
    this.#tenant(entry).push(entry);
  }

  putBack(entry: Entry): void {
    this.#all.putBack(entry);
    this.#tenant(entry).putBack(entry);
  }

  remove(entry: Entry): void {
    this.#all.remove(entry);
    const tenant = this.#tenants.get(entry.tenant)!;
    tenant.remove(entry);
    if (tenant.length === 0) this.#tenants.delete(entry.tenant);
  }

  /** The request is over. */
  leave({ tenant }: Entry): void {
    this.#share.leave(tenant);
  }

  charge(tenant: string, { readTokens, generatedTokens }: Charge): void {
    this.#share.charge(tenant, readTokens + GENERATED_WEIGHT * generatedTokens);
  }

  #tenant({ tenant: name }: Entry): Fifo {
    const known = this.#tenants.get(name);
    if (known !== undefined) return known;
    const tenant = new Fifo('inTenant');
    this.#tenants.set(name, tenant);
    return tenant;
  }
}
