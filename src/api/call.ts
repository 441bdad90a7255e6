/**
 * The engine's part of one HTTP request, under one abort.
 *
 * Three things end it early, each with its own error as the abort's reason: the client leaves
 * (`client_closed_request`), the request deadline passes (`deadline_exceeded`), the reader of a
 * stream stalls (`slow_reader`).
 */
import type { CallContext, GenerationRequest } from '../core/engine.ts';
import { type HearthError, RequestError, toHearthError } from '../core/errors.ts';
import type { Priority } from '../core/priority.ts';
import { EventFeed } from './event-feed.ts';
import { clientLeft, type Exchange } from './exchange.ts';

/** What setTimeout can hold: 24 days. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export interface CallOptions {
  readonly exchange: Exchange;
  readonly requests: readonly GenerationRequest[];
  readonly priority: Priority;
  readonly affinity: string | undefined;
  readonly keepAliveMs: number | undefined;
}

export class Call implements Disposable {
  readonly feed: EventFeed;
  readonly #abort = new AbortController();
  readonly #client: AbortSignal;
  readonly #deadline: NodeJS.Timeout;

  constructor({ exchange, requests, priority, affinity, keepAliveMs }: CallOptions) {
    const { engine, settings, clock } = exchange.deps;
    this.#client = exchange.c.req.raw.signal;
    if (this.#client.aborted) this.#onClientLeft();
    else this.#client.addEventListener('abort', this.#onClientLeft, { once: true });
    const leftMs = settings.requestDeadlineMs - (clock.nowMs() - exchange.startedMs);
    this.#deadline = setTimeout(
      () => this.abort(deadlineExceeded(settings.requestDeadlineMs)),
      Math.min(Math.max(0, leftMs), TIMER_MAX_MS),
    );

    const { signal } = this.#abort;
    const { name: tenant, limits } = exchange.knownCaller;
    const context: CallContext = {
      requestId: exchange.id,
      tenant,
      limits,
      priority,
      signal,
      ...(affinity === undefined ? {} : { affinity }),
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    };
    this.feed = new EventFeed(
      requests.map(async (request, index) => {
        const id = requests.length === 1 ? exchange.id : `${exchange.id}-${index}`;
        try {
          const ticket = await engine.submit(request, {
            ...context,
            requestId: id,
            lot: { index, requests },
          });
          exchange.priority = ticket.priority;
          return ticket;
        } finally {
          exchange.rate = engine.rate(tenant);
        }
      }),
      signal,
    );
  }

  abort(reason: HearthError): void {
    this.#abort.abort(reason);
  }

  /** What to tell the client: the reason of our own abort counts over what it led to. */
  errorOf(reason: unknown): HearthError {
    const { signal } = this.#abort;
    return toHearthError(signal.aborted ? signal.reason : reason);
  }

  /** Lets go of timer and listener, and of everything at the engine that still runs. */
  [Symbol.dispose](): void {
    clearTimeout(this.#deadline);
    this.#client.removeEventListener('abort', this.#onClientLeft);
    this.#abort.abort(clientLeft());
  }

  #onClientLeft = (): void => this.abort(clientLeft());
}

function deadlineExceeded(deadlineMs: number): RequestError {
  return new RequestError(
    'deadline_exceeded',
    `The request took longer than ${deadlineMs / 1000} s; ` +
      'ask for fewer tokens, or raise `[server] request_deadline_s`',
  );
}
