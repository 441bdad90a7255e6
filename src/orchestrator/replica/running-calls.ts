/**
 * The calls that a worker was given and has not ended: their order of messages, their credits, and
 * what they say about the worker's liveness.
 *
 *   given ──accepted──▶ accepted ──tokens──▶ streaming ──finished | failed──▶ over
 *      `──────────────────┴────────────────────┴────── lose(): lost ───────▶ over
 *
 * Each call is ended exactly once. A worker that speaks of a call that is already over is only
 * logged; one that invents calls, breaks the order or ignores its credits has broken the protocol.
 *
 * Units   ms of the monotonic clock, tokens.
 * Errors  Violation, which the replica answers by killing the worker. `give` throws RequestError
 *         `payload_too_large`, and the call was not given.
 */
import type { Clock } from '../../core/clock.ts';
import { fromWireError, type HearthError, type WorkerError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import {
  type FromWorkerMessage,
  type GenerateMessage,
  INITIAL_CREDIT_TOKENS,
  type ToWorkerMessage,
} from '../../ipc/protocol.ts';
import { Credit } from './credit.ts';
import type { Liveness, Work } from './liveness.ts';

export type GenerateJob = Omit<GenerateMessage, 'type' | 'call' | 'creditTokens'>;

export interface CallEnd {
  readonly reason: 'stop' | 'length' | 'cancelled';
  readonly stop?: string | undefined;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

/** Whose call it is. None of these throws or waits. */
export interface CallListener {
  accepted(counts: {
    readonly promptTokens: number;
    readonly cachedTokens: number;
    readonly promptText?: string | undefined;
  }): void;
  tokens(ids: readonly number[], text: string, nowMs: number): void;
  /** The reader has not read for `slowReaderMs`; the call goes on until it is cancelled. */
  starved(): void;
  // Exactly one of these, last.
  finished(end: CallEnd): void;
  failed(error: HearthError): void;
  lost(error: WorkerError): void;
}

/** What the giver of a call can still do with it. Both do nothing once it is over. */
export interface RunningCall {
  consumed(tokens: number): void;
  cancel(): void;
}

/** The worker did something that no worker of this protocol does. */
export class Violation extends Error {
  override name = 'Violation';
}

export interface RunningCallsOptions {
  readonly send: (message: ToWorkerMessage) => void;
  readonly liveness: Liveness;
  readonly clock: Clock;
  readonly log: Log;
  readonly slowReaderMs: number;
}

interface Call {
  readonly listener: CallListener;
  readonly credit: Credit;
  readonly givenMs: number;
  /** Those to be read; undefined until the worker has counted. */
  promptTokens: number | undefined;
  isAccepted: boolean;
  hasToken: boolean;
  hasStarved: boolean;
  cancelledMs: number | undefined;
}

type Message<T extends FromWorkerMessage['type']> = Extract<FromWorkerMessage, { type: T }>;

export class RunningCalls {
  readonly #options: RunningCallsOptions;
  readonly #calls = new Map<number, Call>();
  #last = 0;
  /** Several may wait, with more patience or with less. */
  #onIdle: (() => void)[] = [];

  constructor(options: RunningCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Calls that are over. */
  get ended(): number {
    return this.#last - this.#calls.size;
  }

  /** Resolves as soon as none is left. */
  async idle(): Promise<void> {
    if (this.#calls.size === 0) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  give(job: GenerateJob, listener: CallListener): RunningCall {
    const { send, clock, liveness } = this.#options;
    const number = ++this.#last;
    const credit = new Credit(INITIAL_CREDIT_TOKENS);
    send({ type: 'generate', call: number, ...job, creditTokens: INITIAL_CREDIT_TOKENS });
    const nowMs = clock.nowMs();
    const call: Call = {
      listener,
      credit,
      givenMs: nowMs,
      promptTokens: undefined,
      isAccepted: false,
      hasToken: false,
      hasStarved: false,
      cancelledMs: undefined,
    };
    if (this.#calls.size === 0) liveness.began(nowMs);
    else liveness.moved(nowMs);
    this.#calls.set(number, call);
    return {
      consumed: (tokens) => this.#consumed(number, call, tokens),
      cancel: () => this.#cancel(number, call),
    };
  }

  accepted(message: Message<'accepted'>, nowMs: number): void {
    const call = this.#find(message.call);
    if (call === undefined) return;
    if (call.isAccepted) throw new Violation('accepted a call twice');
    call.isAccepted = true;
    call.promptTokens = message.promptTokens - message.cachedTokens;
    this.#options.liveness.moved(nowMs);
    call.listener.accepted(message);
  }

  step({ sequences }: Message<'step'>, nowMs: number): void {
    const { liveness } = this.#options;
    for (const { call: number, ids, text } of sequences) {
      const call = this.#find(number);
      if (call === undefined) continue;
      if (!call.isAccepted) throw new Violation('sent tokens of a call before accepting it');
      call.credit.received(ids.length, nowMs);
      if (call.credit.isOverdrawn) throw new Violation('sent more tokens than it had credit for');
      if (!call.hasToken && ids.length > 0) {
        call.hasToken = true;
        liveness.prefilled(call.promptTokens ?? 0, nowMs - call.givenMs);
      }
      call.listener.tokens(ids, text, nowMs);
    }
    liveness.moved(nowMs);
  }

  finished(message: Message<'finished'>, nowMs: number): void {
    this.#over(message.call, nowMs)?.listener.finished(message);
  }

  failed({ call, error }: Message<'failed'>, nowMs: number): void {
    // Somebody else told the worker to end. The call is lost with it, and may be tried again.
    if (error.code === 'draining') return;
    this.#over(call, nowMs)?.listener.failed(fromWireError(error));
  }

  /** What the step clock must allow for. */
  work(): Omit<Work, 'isLoaded'> {
    let active = 0;
    let promptTokens = 0;
    for (const call of this.#calls.values()) {
      if (call.credit.isEmpty && call.cancelledMs === undefined) continue;
      active += 1;
      // Not counted by the worker yet: a whole chunk may be in the works for it.
      if (!call.hasToken) promptTokens += call.promptTokens ?? Number.POSITIVE_INFINITY;
    }
    return { active, promptTokens };
  }

  /** Tells the starved ones. Returns how long the longest cancellation has gone unheard. */
  look(nowMs: number): number {
    let unheardMs = 0;
    for (const call of this.#calls.values()) {
      if (call.cancelledMs !== undefined) {
        unheardMs = Math.max(unheardMs, nowMs - call.cancelledMs);
      } else if (!call.hasStarved && call.credit.emptyForMs(nowMs) >= this.#options.slowReaderMs) {
        call.hasStarved = true;
        call.listener.starved();
      }
    }
    return unheardMs;
  }

  /** Time passed that counts for nobody. */
  restartClocks(nowMs: number): void {
    for (const call of this.#calls.values()) {
      call.credit.restart(nowMs);
      if (call.cancelledMs !== undefined) call.cancelledMs = nowMs;
    }
  }

  lose(error: WorkerError): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.#tellIdle();
    for (const { listener } of calls) listener.lost(error);
  }

  #consumed(number: number, call: Call, tokens: number): void {
    if (!this.#calls.has(number)) return;
    const { liveness, clock, send } = this.#options;
    const wasEmpty = call.credit.isEmpty;
    const due = call.credit.consumed(tokens);
    if (due === 0) return;
    if (wasEmpty) liveness.moved(clock.nowMs());
    send({ type: 'credit', call: number, tokens: due });
  }

  #cancel(number: number, call: Call): void {
    if (!this.#calls.has(number) || call.cancelledMs !== undefined) return;
    call.cancelledMs = this.#options.clock.nowMs();
    this.#options.send({ type: 'cancel', call: number });
  }

  #find(number: number): Call | undefined {
    const call = this.#calls.get(number);
    if (call !== undefined) return call;
    if (number > this.#last) throw new Violation(`spoke of call ${number}, which was never given`);
    this.#options.log.warn({ call: number }, 'worker spoke of a call that is over');
    return undefined;
  }

  #over(number: number, nowMs: number): Call | undefined {
    const call = this.#find(number);
    this.#calls.delete(number);
    this.#options.liveness.moved(nowMs);
    if (this.#calls.size === 0) this.#tellIdle();
    return call;
  }

  #tellIdle(): void {
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  }
}
