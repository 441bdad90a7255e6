/**
 * Server-sent events as a byte stream that is pulled.
 *
 *   waiting ──first text──▶ sending ──▶ ended           [DONE] was sent by the source
 *      │                       │  └───▶ failed          an error event, no [DONE]
 *      └───────────────────────┴─────▶ left            cancelled by the reader
 *
 * One piece is made per pull and nothing is buffered here: a reader that stops reading stops the
 * engine. It cannot stop for ever: a stream that is not pulled for `slowReaderMs` is cut. While
 * the first text is awaited a comment goes out every `commentIntervalMs`, so that neither client
 * nor proxy takes silence for death.
 *
 * Source  WHATWG HTML §9.2; openai-node takes a bare end for success, so a failure is said in-band.
 */
import type { HearthError } from '../core/errors.ts';
import { RequestError } from '../core/errors.ts';
import { clientLeft } from './exchange.ts';

export const SSE_CONTENT_TYPE = 'text/event-stream; charset=utf-8';
export const SSE_HEADERS = { 'cache-control': 'no-store', 'x-accel-buffering': 'no' } as const;
export const DONE = 'data: [DONE]\n\n';

export interface SsePiece {
  /** Whole events. */
  readonly text: string;
  /** Ends the stream with it: a client may hang up at [DONE], and has not left too early. */
  readonly isLast: boolean;
}

export interface SseSource {
  /** Not called again after the last piece. Rejects with any reason. */
  next(): Promise<SsePiece>;
  /** Text of a comment while no token has come; undefined from the first token on. */
  waiting(): string | undefined;
  /** The event that tells a failure. */
  failure(reason: unknown): { readonly error: HearthError; readonly text: string };
  /** Exactly once. `error` is undefined when all was said. */
  ended(error: HearthError | undefined): void;
  /** Destroys the connection of a reader that does not read; false when there is none. */
  cut(): boolean;
}

export interface SseOptions {
  readonly commentIntervalMs: number;
  readonly slowReaderMs: number;
}

export function sseEvent(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

export function sseStream(source: SseSource, options: SseOptions): ReadableStream<Uint8Array> {
  return new ReadableStream(new SsePump(source, options), { highWaterMark: 0 });
}

class SsePump {
  readonly #source: SseSource;
  readonly #options: SseOptions;
  readonly #encoder = new TextEncoder();
  readonly #watchdog: NodeJS.Timeout;
  #next: Promise<SsePiece> | undefined;
  #isPulling = false;
  /** The headers went out because nothing has come yet: then the first comment follows at once. */
  #silenceMaxMs = 0;
  /** Watchdog turns since the last pull. */
  #idleTurns = 0;
  #hasEnded = false;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(source: SseSource, options: SseOptions) {
    this.#source = source;
    this.#options = options;
    // Two turns without a pull: between one and two intervals of silence from the reader.
    this.#watchdog = setInterval(() => this.#watch(), options.slowReaderMs / 2);
    this.#watchdog.unref();
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#isPulling = true;
    this.#idleTurns = 0;
    try {
      const piece = await this.#piece();
      if (this.#hasEnded) return;
      controller.enqueue(this.#encoder.encode(piece.text));
      if (!piece.isLast) return;
      this.#end(undefined);
      controller.close();
    } catch (reason) {
      if (this.#hasEnded) return;
      const { error, text } = this.#source.failure(reason);
      this.#end(error);
      controller.enqueue(this.#encoder.encode(text));
      controller.close();
    } finally {
      this.#isPulling = false;
    }
  }

  cancel(): void {
    this.#end(clientLeft());
  }

  /** What there is to send, or a comment when there is nothing for too long. */
  async #piece(): Promise<SsePiece> {
    this.#next ??= this.#source.next();
    const next = this.#next;
    if (this.#source.waiting() !== undefined && !(await this.#isSettled(next))) {
      return { text: `: ${this.#source.waiting() ?? 'waiting'}\n\n`, isLast: false };
    }
    try {
      return await next;
    } finally {
      this.#next = undefined;
    }
  }

  /** False after a comment's time without the next piece. A rejection is seen by who awaits it. */
  #isSettled(next: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), this.#silenceMaxMs);
      this.#silenceMaxMs = this.#options.commentIntervalMs;
      const settled = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      next.then(settled, settled);
    });
  }

  #watch(): void {
    if (this.#isPulling) return;
    this.#idleTurns += 1;
    if (this.#idleTurns <= 2) return;
    const error = new RequestError(
      'slow_reader',
      'The stream was not read in time and was cut; read it while it is written',
    );
    this.#end(error);
    // A reader that reads nothing cannot be told: the connection is all that can be taken back.
    if (!this.#source.cut()) this.#controller?.error(error);
  }

  #end(error: HearthError | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearInterval(this.#watchdog);
    this.#source.ended(error);
  }
}
