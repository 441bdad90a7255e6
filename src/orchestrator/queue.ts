/**
 * The waiting requests of one class of one model: a FIFO that a request can leave from the middle.
 *
 * A doubly linked list through the entries themselves, so that every operation is O(1) with any
 * number of waiters. The order is the order of arrival, always: an entry that comes back is put
 * where its arrival says, so the head also has the earliest deadline.
 *
 * Errors  none; an entry is in at most one queue, which the scheduler sees to.
 */
import type { Priority } from '../core/priority.ts';

export interface Entry {
  readonly key: number;
  readonly model: string;
  readonly priority: Priority;
  readonly units: number;
  /** Position in the order of arrival over all requests. */
  readonly arrival: number;
  readonly submittedMs: number;
  readonly deadlineMs: number;
  /** Undefined while it waits. */
  grantedMs: number | undefined;
  /** Slots it occupies; 0 while it waits. */
  heldUnits: number;
  /** Cancelled while it ran: it must not be granted again. */
  isCancelled: boolean;
  previous: Entry | undefined;
  next: Entry | undefined;
}

export class ClassQueue {
  #head: Entry | undefined;
  #tail: Entry | undefined;
  #length = 0;

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
    while (next !== undefined && next.arrival < entry.arrival) next = next.next;
    this.#link(entry, next === undefined ? this.#tail : next.previous, next);
  }

  remove(entry: Entry): void {
    if (entry.previous === undefined) this.#head = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#tail = entry.previous;
    else entry.next.previous = entry.previous;
    entry.previous = undefined;
    entry.next = undefined;
    this.#length -= 1;
  }

  #link(entry: Entry, previous: Entry | undefined, next: Entry | undefined): void {
    entry.previous = previous;
    entry.next = next;
    if (previous === undefined) this.#head = entry;
    else previous.next = entry;
    if (next === undefined) this.#tail = entry;
    else next.previous = entry;
    this.#length += 1;
  }
}
