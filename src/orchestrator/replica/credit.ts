/**
 * How far a worker may run ahead of the reader of one stream.
 *
 * The worker starts with a window of credits, uses one per token and pauses the sequence at none.
 * The reader's consumption gives credits back, a quarter of the window at a time: one small frame
 * per 64 tokens. A slow reader thereby holds up its own sequence and nothing else, and what waits
 * for it here is bounded by the window.
 *
 * Units  tokens, ms. Pure: time is passed in.
 */
export class Credit {
  readonly #windowTokens: number;
  #sent = 0;
  #received = 0;
  #consumed = 0;
  #emptySinceMs: number | undefined;

  constructor(windowTokens: number) {
    this.#windowTokens = windowTokens;
    this.#sent = windowTokens;
  }

  /** True when the worker has sent a window more than it may: it does not know credits. */
  get isOverdrawn(): boolean {
    return this.#received > this.#sent + this.#windowTokens;
  }

  /** True while the worker must pause. */
  get isEmpty(): boolean {
    return this.#received >= this.#sent;
  }

  received(tokens: number, nowMs: number): void {
    this.#received += tokens;
    if (this.isEmpty) this.#emptySinceMs ??= nowMs;
  }

  /** The credits that must be sent to the worker now, 0 for none. */
  consumed(tokens: number): number {
    this.#consumed += tokens;
    const due = this.#consumed + this.#windowTokens - this.#sent;
    if (due < this.#windowTokens / 4) return 0;
    this.#sent += due;
    if (!this.isEmpty) this.#emptySinceMs = undefined;
    return due;
  }

  /** How long the worker has been pausing; 0 when it is not. */
  emptyForMs(nowMs: number): number {
    return this.#emptySinceMs === undefined ? 0 : nowMs - this.#emptySinceMs;
  }

  /** The machine slept: that is no time in which the reader could have read. */
  restart(nowMs: number): void {
    if (this.#emptySinceMs !== undefined) this.#emptySinceMs = nowMs;
  }
}
