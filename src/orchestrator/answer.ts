/**
 * One request's answer: raw messages of a worker in, GenerationEvents out, and what it took.
 *
 *   waiting ──accepted──▶ started ──tokens──▶ streaming ──finished──▶ over
 *      │                     │                    │
 *      `──── fail(error), or the reader leaves ───┴──────────────────▶ over
 *
 * The producer never waits and the reader pulls: between them stands at most one event of each
 * kind, because positions are replaced by newer ones and deltas that nobody has taken yet are joined.
 * With the worker's credits that bounds the memory of a stream whose reader is slow, and a reader
 * that has fallen behind catches up in one step.
 *
 * This is the hot path: per token it costs one call and, when the reader waits, one resolved promise.
 *
 * Units   ms of the monotonic clock, tokens.
 * Errors  `fail` is thrown by the reader's next pull, after what came before it. BugError when two
 *         pulls overlap, or a second iteration is begun.
 */
import type { FinishReason, GenerationEvent, Usage } from '../core/engine.ts';
import { BugError, type HearthError } from '../core/errors.ts';
import { measureLatency } from '../core/latency.ts';
import type { Observer, Outcome } from '../core/observer.ts';
import type { Priority } from '../core/priority.ts';

export interface AnswerOptions {
  readonly model: string;
  readonly priority: Priority;
  readonly arrivedMs: number;
  readonly observer: Observer;
  /** The reader has left before the answer was over. */
  readonly onLeave: () => void;
}

export interface AnswerEnd {
  readonly reason: FinishReason;
  readonly stop?: string | undefined;
  readonly usage: Usage;
}

type Waiting = Extract<GenerationEvent, { type: 'waiting' }>;
type Started = Extract<GenerationEvent, { type: 'started' }>;
type Ending = [
  Extract<GenerationEvent, { type: 'finished' }>,
  Extract<GenerationEvent, { type: 'done' }>,
];
type Result = IteratorResult<GenerationEvent, undefined>;

interface Reader {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class Answer implements AsyncIterable<GenerationEvent> {
  readonly #options: AnswerOptions;

  // What the reader has not taken yet, in the order in which it is handed out.
  #waiting: Waiting | undefined;
  #started: Started | undefined;
  #text = '';
  #ids: number[] = [];
  #finished: Ending[0] | undefined;
  #done: Ending[1] | undefined;
  #error: HearthError | undefined;

  #reader: Reader | undefined;
  #isIterated = false;
  #isOver = false;
  #lastWaiting = '';
  #hasStarted = false;

  #grantedMs: number | undefined;
  #promptTokens = 0;
  #cachedTokens = 0;
  #tokenTimesMs: number[] = [];
  #onConsumed: ((tokens: number) => void) | undefined;

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  /** True once the outcome is decided; the reader may still have events to take. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Prompt and answer, as far as they have been computed. */
  get usage(): Usage {
    return {
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      generatedTokens: this.#tokenTimesMs.length,
    };
  }

  get arrivedMs(): number {
    return this.#options.arrivedMs;
  }

  /** No token has been received: another worker may answer instead. */
  get isUntouched(): boolean {
    return this.#tokenTimesMs.length === 0;
  }

  waiting(why: Waiting['why'], position: number, etaMs?: number): void {
    const said = `${why} ${position}`;
    // A second worker may have to be waited for; to the reader it has started long ago.
    if (this.#isOver || this.#hasStarted || said === this.#lastWaiting) return;
    this.#lastWaiting = said;
    this.#waiting = { type: 'waiting', why, position, etaMs };
    this.#wake();
  }

  granted(nowMs: number, onConsumed: (tokens: number) => void): void {
    this.#grantedMs = nowMs;
    this.#onConsumed = onConsumed;
    this.#waiting = undefined;
  }

  /** `started` is told once, also when a second worker begins anew. */
  accepted({ promptTokens, cachedTokens, promptText }: Omit<Started, 'type'>): void {
    if (this.#isOver) return;
    this.#promptTokens = promptTokens;
    this.#cachedTokens = cachedTokens;
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#started = { type: 'started', promptTokens, cachedTokens, promptText };
    this.#wake();
  }

  tokens(ids: readonly number[], text: string, nowMs: number): void {
    if (this.#isOver) return;
    const { model, priority, arrivedMs, observer } = this.#options;
    const before = this.#tokenTimesMs.at(-1);
    if (ids.length > 0) {
      if (before === undefined) observer.firstToken({ model, priority, ttftMs: nowMs - arrivedMs });
      else observer.tokenGap(nowMs - before);
    }
    for (const id of ids) {
      this.#tokenTimesMs.push(nowMs);
      this.#ids.push(id);
    }
    this.#text += text;
    this.#wake();
  }

  finished({ reason, stop, usage }: AnswerEnd): void {
    if (this.#isOver) return;
    const { arrivedMs } = this.#options;
    const grantedMs = this.#grantedMs ?? arrivedMs;
    const first = this.#tokenTimesMs[0];
    this.accepted({ promptTokens: usage.promptTokens, cachedTokens: usage.cachedTokens });
    this.#finished = { type: 'finished', choice: 0, reason, stop };
    this.#done = {
      type: 'done',
      usage,
      timings: {
        queueMs: grantedMs - arrivedMs,
        prefillMs: first === undefined ? undefined : first - grantedMs,
        decodeMs: first === undefined ? 0 : this.#tokenTimesMs.at(-1)! - first,
      },
    };
    this.#settle(reason, usage);
  }

  fail(error: HearthError): void {
    if (this.#isOver) return;
    this.#error = error;
    this.#settle('failed', this.#usage());
  }

  /** Nobody wants it any more: what was not read is dropped, a pull gets the reason. */
  abandon(reason: HearthError): void {
    if (this.#isOver) return;
    this.#waiting = undefined;
    this.#started = undefined;
    this.#text = '';
    this.#ids = [];
    this.#error = reason;
    this.#settle('cancelled', this.#usage());
  }

  [Symbol.asyncIterator](): AsyncIterator<GenerationEvent, undefined> {
    if (this.#isIterated) throw new BugError('The events of a ticket were iterated twice');
    this.#isIterated = true;
    return {
      next: () => this.#next(),
      return: () => {
        if (!this.#isOver) this.#options.onLeave();
        this.#error = undefined;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #next(): Promise<Result> {
    if (this.#reader !== undefined) {
      return Promise.reject(new BugError('The events of a ticket were pulled twice at a time'));
    }
    const value = this.#take();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** Hands the next thing to a reader that is waiting for it. */
  #wake(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const value = this.#take();
    if (value !== undefined) {
      this.#reader = undefined;
      reader.resolve({ done: false, value });
    } else if (this.#error !== undefined) {
      this.#reader = undefined;
      const error = this.#error;
      this.#error = undefined;
      reader.reject(error);
    }
  }

  #take(): GenerationEvent | undefined {
    let event: GenerationEvent | undefined;
    if (this.#waiting !== undefined) {
      event = this.#waiting;
      this.#waiting = undefined;
    } else if (this.#started !== undefined) {
      event = this.#started;
      this.#started = undefined;
    } else if (this.#ids.length > 0 || this.#text !== '') {
      event = { type: 'delta', choice: 0, text: this.#text, ids: this.#ids };
      this.#text = '';
      this.#ids = [];
      if (!this.#isOver) this.#onConsumed?.(event.ids.length);
    } else if (this.#finished !== undefined) {
      event = this.#finished;
      this.#finished = undefined;
    } else if (this.#done !== undefined) {
      event = this.#done;
      this.#done = undefined;
    }
    return event;
  }

  #settle(outcome: Outcome, usage: Usage): void {
    const { model, priority, arrivedMs, observer } = this.#options;
    this.#isOver = true;
    this.#onConsumed = undefined;
    const latency = measureLatency(arrivedMs, this.#tokenTimesMs);
    observer.ended({ model, priority, outcome, usage, latency });
    this.#wake();
  }

  #usage(): Usage {
    return {
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      generatedTokens: this.#tokenTimesMs.length,
    };
  }
}
