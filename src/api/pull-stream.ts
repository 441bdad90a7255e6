/**
 * A pull as an event stream: what it tells, as it tells it.
 *
 *   opened() ──▶ next()* ──▶ done, [DONE]
 *                  └───────▶ an error event, no [DONE]
 *
 * A reader that is slow sees fewer steps of the progress, and all the rest. One that leaves stops the pull; what
 * was fetched stays.
 */
import { type HearthError, toHearthError } from '../core/errors.ts';
import { type PullEvent, type Puller, type PullRequest, pullEventBody } from '../core/puller.ts';
import { errorBody, statusOf } from './error-response.ts';
import { clientLeft, type Exchange } from './exchange.ts';
import { DONE, type SsePiece, type SseSource, sseEvent } from './sse.ts';

/** Notes of a pull that has much to tell to one who does not read. */
const HELD_MAX = 256;

export class PullStream implements SseSource {
  readonly #exchange: Exchange;
  readonly #abort = new AbortController();
  readonly #client: AbortSignal;
  readonly #held: PullEvent[] = [];
  #failure: { readonly reason: unknown } | undefined;
  #news = Promise.withResolvers<void>();

  constructor(exchange: Exchange, puller: Puller, request: PullRequest) {
    this.#exchange = exchange;
    this.#client = exchange.c.req.raw.signal;
    if (this.#client.aborted) this.#onClientLeft();
    else this.#client.addEventListener('abort', this.#onClientLeft, { once: true });
    const { signal } = this.#abort;
    puller.pull(request, { signal, onEvent: (event) => this.#take(event) }).then(
      (done) => this.#take(done),
      (reason: unknown) => {
        this.#failure = { reason };
        this.#news.resolve();
      },
    );
  }

  /** Resolves at the first event or after `maxMs`. Rejects while a status is still possible. */
  async opened(maxMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, maxMs);
    });
    try {
      await Promise.race([this.#news.promise, late]);
    } finally {
      clearTimeout(timer);
    }
    if (this.#held.length === 0 && this.#failure !== undefined) {
      this.#letGo();
      throw this.#error(this.#failure.reason);
    }
  }

  waiting(): string {
    return 'pulling';
  }

  async next(): Promise<SsePiece> {
    await this.#news.promise;
    const event = this.#held.shift();
    if (event === undefined) throw this.#failure?.reason;
    if (this.#held.length === 0 && this.#failure === undefined) {
      this.#news = Promise.withResolvers<void>();
    }
    const text = sseEvent(pullEventBody(event));
    return event.event === 'done' ? { text: text + DONE, isLast: true } : { text, isLast: false };
  }

  failure(reason: unknown): { error: HearthError; text: string } {
    const error = this.#error(reason);
    return { error, text: sseEvent(errorBody(error, this.#exchange.id)) };
  }

  ended(error: HearthError | undefined): void {
    this.#letGo();
    if (error !== undefined) this.#abort.abort(error);
    this.#exchange.finish(error === undefined ? 200 : statusOf(error), error);
  }

  cut(): boolean {
    return this.#exchange.destroyConnection();
  }

  #take(event: PullEvent): void {
    const last = this.#held.at(-1);
    if (event.event === 'progress' && last?.event === 'progress') this.#held.pop();
    if (event.event === 'note' && this.#held.length >= HELD_MAX) return;
    this.#held.push(event);
    this.#news.resolve();
  }

  #error(reason: unknown): HearthError {
    const { signal } = this.#abort;
    return toHearthError(signal.aborted ? signal.reason : reason);
  }

  #letGo(): void {
    this.#client.removeEventListener('abort', this.#onClientLeft);
  }

  readonly #onClientLeft = (): void => this.#abort.abort(clientLeft());
}
