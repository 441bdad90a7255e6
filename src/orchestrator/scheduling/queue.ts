/**
 * A request as the scheduler sees it, and the FIFO in which it waits.
 *
 * A doubly linked list through the entries themselves, so that every operation is O(1) with any
 * number of waiters. An entry stands in two lists at a time, that of its class and that of its
 * tenant within the class, each through links of its own. The order is the order of arrival, always:
 * an entry that comes back is put where its arrival says, so the head of a class has waited longest.
 *
 * Units   ms, tokens.
 * Errors  none; an entry is in at most one queue of a kind, which the scheduler sees to.
 */
import type { Priority } from '../../core/priority.ts';
import type { Trail } from './prefix-memory.ts';
import type { Place } from './replica-slots.ts';

export interface Entry {
  readonly key: number;
  readonly model: string;
  readonly priority: Priority;
  readonly tenant: string;
  readonly units: number;
  /** Slots that its tenant may have at once, over all models. */
  readonly tenantMax: number;
  /** Position in the order of arrival over all requests. */
  readonly arrival: number;
  readonly submittedMs: number;
  /** Undefined while it waits. */
  grantedMs: number | undefined;
  /** Where it runs; undefined while it waits. */
  place: Place | undefined;
  /** The beginnings of its prompt. */
  readonly trail: Trail;
  /** Slots it occupies; 0 while it waits. */
  heldUnits: number;
  /** Cancelled while it ran: it must not be granted again. */
  isCancelled: boolean;
  /** A token of it has come: it cannot be begun anew. */
  isTouched: boolean;
  /** What its class and its tenant have been charged for since it was granted. */
  charged: Charge;
  readonly inClass: Links;
  readonly inTenant: Links;
}

export interface Charge {
  /** Prompt tokens; those that were found in a cache weigh less. */
  readonly readTokens: number;
  readonly generatedTokens: number;
}

export interface Links {
  previous: Entry | undefined;
  next: Entry | undefined;
}

export class Fifo {
  readonly #links: 'inClass' | 'inTenant';
  #head: Entry | undefined;
  #tail: Entry | undefined;
  #length = 0;

  constructor(links: 'inClass' | 'inTenant') {
    this.#links = links;
  }

  get head(): Entry | undefined {
    return this.#head;
  }

  get length(): number {
    return this.#length;
  }

  push(entry: Entry): void {
    this.#link(entry, this.#tail, undefined);
  }

  /** Walks from the head: what comes back arrived before nearly everything that waits. */
  putBack(entry: Entry): void {
    let next = this.#head;
    while (next !== undefined && next.arrival < entry.arrival) next = next[this.#links].next;
    this.#link(entry, next === undefined ? this.#tail : next[this.#links].previous, next);
  }

  remove(entry: Entry): void {
    const links = entry[this.#links];
    if (links.previous === undefined) this.#head = links.next;
    else links.previous[this.#links].next = links.next;
    if (links.next === undefined) this.#tail = links.previous;
    else links.next[this.#links].previous = links.previous;
    links.previous = undefined;
    links.next = undefined;
    this.#length -= 1;
  }

  #link(entry: Entry, previous: Entry | undefined, next: Entry | undefined): void {
    const links = entry[this.#links];
    links.previous = previous;
    links.next = next;
    if (previous === undefined) this.#head = entry;
    else previous[this.#links].next = entry;
    if (next === undefined) this.#tail = entry;
    else next[this.#links].previous = entry;
    this.#length += 1;
  }
}
