/**
 * A generated answer as pieces of an event stream: engine events in, OpenAI's chunks out.
 *
 *   opened() ──▶ next()* ──▶ [DONE]
 *
 * Deltas that wait because the reader is slow are merged into one chunk: the fewer, the longer.
 *
 * Source  OpenAI's streaming rules: the role only in the first chunk, one `finish_reason` per
 *         choice, with `include_usage` every chunk carries `usage: null` and one last chunk without
 *         choices carries it; nothing after [DONE].
 */
import { type HearthError, toHearthError } from '../core/errors.ts';
import { type AnswerFormat, type Head, UsageSum, usageBody } from './answer-format.ts';
import type { Call } from './call.ts';
import type { Constrained } from './constrained.ts';
import { errorBody, statusOf } from './error-response.ts';
import type { FeedEvent } from './event-feed.ts';
import type { Exchange } from './exchange.ts';
import { DONE, type SsePiece, type SseSource, sseEvent } from './sse.ts';

/** A merged chunk is sent when it has grown to this, so that a reader gets on. */
const MERGED_CHARACTERS_MAX = 16_384;
/** An event that waits in the engine needs a few turns of promises to get here. */
const MERGE_TURNS = 4;

interface StreamOptions {
  readonly exchange: Exchange;
  readonly call: Call;
  readonly head: Head;
  readonly format: AnswerFormat;
  readonly includeUsage: boolean;
  readonly constrained: Constrained | undefined;
}

export class AnswerStream implements SseSource {
  readonly #exchange: Exchange;
  readonly #call: Call;
  readonly #format: AnswerFormat;
  readonly #chunkHead: object;
  readonly #chunkTail: { readonly usage?: null };
  readonly #includeUsage: boolean;
  readonly #constrained: Constrained | undefined;
  /** Of answers that are looked at when they are finished. */
  readonly #texts = new Map<number, string>();
  readonly #total = new UsageSum();
  /** Choices whose first piece has been sent. */
  readonly #begun = new Set<number>();
  /** Text of the prompts, to stand before the answers. */
  readonly #echoes = new Map<number, string>();

  #pending: Promise<FeedEvent | undefined> | undefined;
  /** The event that opened the stream. */
  #first: FeedEvent | undefined;
  #waiting: string | undefined = 'waiting';
  #isComplete = false;

  constructor({ exchange, call, head, format, includeUsage, constrained }: StreamOptions) {
    this.#exchange = exchange;
    this.#call = call;
    this.#format = format;
    this.#includeUsage = includeUsage;
    this.#constrained = constrained;
    this.#chunkHead = {
      id: head.id,
      object: format.chunkObject,
      created: head.created,
      model: head.model,
    };
    this.#chunkTail = includeUsage ? { usage: null } : {};
  }

  /** Resolves at the first token or after `maxMs`. Rejects while a status is still possible. */
  async opened(maxMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, maxMs, 'late');
    });
    try {
      for (;;) {
        this.#pending ??= this.#call.feed.take();
        const got = await Promise.race([this.#pending, late]);
        if (got === 'late') return;
        this.#pending = undefined;
        if (got !== undefined && this.#isBeforeFirstToken(got)) continue;
        this.#first = got;
        this.#waiting = undefined;
        return;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  waiting(): string | undefined {
    return this.#waiting;
  }

  async next(): Promise<SsePiece> {
    for (;;) {
      const got = await this.#event();
      if (got === undefined) {
        this.#isComplete = true;
        return { text: this.#end(), isLast: true };
      }
      if (this.#isBeforeFirstToken(got)) continue;
      this.#waiting = undefined;
      const text = await this.#render(got);
      if (text !== '') return { text, isLast: false };
    }
  }

  failure(reason: unknown): { error: HearthError; text: string } {
    const error = this.#call.errorOf(reason);
    return { error, text: sseEvent(errorBody(error, this.#exchange.id)) };
  }

  ended(error: HearthError | undefined): void {
    this.#exchange.usage = this.#isComplete ? this.#total.usage : undefined;
    if (error !== undefined) this.#call.abort(error);
    this.#call[Symbol.dispose]();
    this.#exchange.finish(error === undefined ? 200 : statusOf(toHearthError(error)), error);
  }

  cut(): boolean {
    return this.#exchange.destroyConnection();
  }

  #event(): Promise<FeedEvent | undefined> | FeedEvent {
    const first = this.#first;
    if (first !== undefined) {
      this.#first = undefined;
      return first;
    }
    const pending = this.#pending ?? this.#call.feed.take();
    this.#pending = undefined;
    return pending;
  }

  /** Keeps what such an event says. */
  #isBeforeFirstToken({ index, event }: FeedEvent): boolean {
    if (event.type === 'waiting') {
      const { position, etaMs } = event;
      const place = position === undefined ? '' : `, position ${position}`;
      const time = etaMs === undefined ? '' : `, about ${Math.ceil(etaMs / 1000)} s`;
      if (this.#waiting !== undefined) {
        this.#waiting =
          event.why === 'queue' ? `waiting in queue${place}${time}` : 'waiting for the model';
      }
      return true;
    }
    if (event.type !== 'started') return false;
    if (event.promptText !== undefined) this.#echoes.set(index, event.promptText);
    return true;
  }

  async #render({ index, event }: FeedEvent): Promise<string> {
    if (event.type === 'done') {
      this.#total.add(event.usage);
      return '';
    }
    if (event.type === 'delta') {
      const text = await this.#merged(index, event.text);
      if (this.#constrained) this.#texts.set(index, (this.#texts.get(index) ?? '') + text);
      return this.#begin(index, text);
    }
    if (event.type === 'finished') {
      const text = this.#texts.get(index) ?? '';
      const reason = (await this.#constrained?.settle(text, event)) ?? event.reason;
      return this.#begin(index, '') + this.#chunk(this.#format.closing(index, reason));
    }
    return '';
  }

  /** The choice's opening and its echo, if they are due, then the text, if there is any. */
  #begin(index: number, text: string): string {
    let events = '';
    let piece = text;
    if (!this.#begun.has(index)) {
      this.#begun.add(index);
      const opening = this.#format.opening(index);
      if (opening !== undefined) events += this.#chunk(opening);
      piece = (this.#echoes.get(index) ?? '') + text;
    }
    if (piece !== '') events += this.#chunk(this.#format.piece(index, piece));
    return events;
  }

  async #merged(index: number, first: string): Promise<string> {
    const { feed } = this.#call;
    let text = first;
    while (text.length < MERGED_CHARACTERS_MAX) {
      let waiting = feed.peekReady();
      for (let turn = 0; waiting === undefined && turn < MERGE_TURNS; turn += 1) {
        await undefined;
        waiting = feed.peekReady();
      }
      if (waiting === undefined || waiting.index !== index || waiting.event.type !== 'delta') break;
      text += waiting.event.text;
      feed.takeReady();
    }
    return text;
  }

  #end(): string {
    if (!this.#includeUsage) return DONE;
    const usage = { ...this.#chunkHead, choices: [], usage: usageBody(this.#total.usage) };
    return sseEvent(usage) + DONE;
  }

  #chunk(choice: object): string {
    return sseEvent({ ...this.#chunkHead, choices: [choice], ...this.#chunkTail });
  }
}
