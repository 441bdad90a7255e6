/**
 * The events of one HTTP request, from one or several tickets, taken one at a time.
 *
 *   submitting ──▶ open ──▶ ended                every ticket gave its `done`
 *                     └───▶ failed               a ticket threw, or the signal was aborted
 *
 * Pull-driven: of each ticket at most one event is held that the reader has not asked for, so a
 * slow reader holds the engine back. An abort ends the wait at once, whether or not the engine
 * looks at its signal: nothing here can hang on it.
 *
 * Errors  `take` rejects with what a ticket threw or with the abort's reason, every time from then on.
 */
import type { GenerationEvent, Ticket } from '../core/engine.ts';
import { BugError } from '../core/errors.ts';

export interface FeedEvent {
  /** Which of the requests it belongs to. */
  readonly index: number;
  readonly event: GenerationEvent;
}

interface Waiter {
  readonly resolve: (event: FeedEvent | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

export class EventFeed {
  readonly #iterators: (AsyncIterator<GenerationEvent> | undefined)[];
  readonly #ready: FeedEvent[] = [];
  readonly #signal: AbortSignal;
  #open: number;
  #waiter: Waiter | undefined;
  #failure: { readonly reason: unknown } | undefined;

  constructor(tickets: readonly Promise<Ticket>[], signal: AbortSignal) {
    this.#open = tickets.length;
    this.#iterators = tickets.map(() => undefined);
    this.#signal = signal;
    for (const [index, ticket] of tickets.entries()) {
      ticket.then(
        ({ events }) => this.#start(index, events),
        (reason: unknown) => this.#fail(reason),
      );
    }
    if (signal.aborted) this.#fail(signal.reason);
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The next event; undefined when every ticket is done. One call at a time. */
  take(): Promise<FeedEvent | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    const event = this.takeReady();
    if (event !== undefined) return Promise.resolve(event);
    if (this.#open === 0) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** An event that is there already, else undefined. */
  takeReady(): FeedEvent | undefined {
    if (this.#failure !== undefined) return undefined;
    const event = this.#ready.shift();
    if (event !== undefined) this.#handedOver(event);
    return event;
  }

  /** What `takeReady` would return, left in its place. */
  peekReady(): FeedEvent | undefined {
    return this.#failure === undefined ? this.#ready[0] : undefined;
  }

  #onAbort = (): void => this.#fail(this.#signal.reason);

  #start(index: number, events: AsyncIterable<GenerationEvent>): void {
    const iterator = events[Symbol.asyncIterator]();
    this.#iterators[index] = iterator;
    if (this.#failure === undefined) this.#advance(index);
    else leave(iterator);
  }

  #advance(index: number): void {
    this.#iterators[index]!.next().then(
      (result) => {
        if (result.done !== true) this.#deliver({ index, event: result.value });
        else this.#fail(new BugError('The engine ended a ticket without `done`'));
      },
      (reason: unknown) => this.#fail(reason),
    );
  }

  #deliver(event: FeedEvent): void {
    if (this.#failure !== undefined) return;
    if (event.event.type === 'done') this.#complete(event.index);
    const waiter = this.#waiter;
    if (waiter === undefined) {
      this.#ready.push(event);
      return;
    }
    this.#waiter = undefined;
    waiter.resolve(event);
    this.#handedOver(event);
  }

  /** Lets a generator run to its end. Nothing follows `done`, so the answer does not matter. */
  #complete(index: number): void {
    const iterator = this.#iterators[index]!;
    this.#iterators[index] = undefined;
    iterator.next().catch(() => {});
  }

  #handedOver({ index, event }: FeedEvent): void {
    if (event.type !== 'done') {
      this.#advance(index);
      return;
    }
    this.#open -= 1;
    if (this.#open === 0) this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #fail(reason: unknown): void {
    if (this.#failure !== undefined || this.#open === 0) return;
    this.#failure = { reason };
    this.#ready.length = 0;
    this.#signal.removeEventListener('abort', this.#onAbort);
    for (const iterator of this.#iterators) if (iterator !== undefined) leave(iterator);
    this.#waiter?.reject(reason);
    this.#waiter = undefined;
  }
}

/** Tells the engine that nobody listens. Its own last word is of no interest any more. */
function leave(iterator: AsyncIterator<GenerationEvent>): void {
  iterator.return?.().catch(() => {});
}
