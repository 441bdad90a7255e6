/**
 * An exact sliding window: at no instant is more than `limit` spent within the `windowMs` before it.
 * A log of what was spent and when, not a counter that is refilled: a counter lets twice the limit
 * through around the moment at which it is refilled. Pure.
 *
 * Units   ms of a monotonic clock that never goes back; amounts are requests or tokens.
 * Errors  none.
 * Cost    amortised O(1), plus one step per entry that a refusal looks past; at most `limit` entries.
 */
import type { RateWindow } from '../../core/engine.ts';

export interface Spent {
  readonly atMs: number;
  amount: number;
}

export class SlidingWindow {
  /** May be changed at any time. */
  limit: number;
  readonly windowMs: number;
  readonly #log: Spent[] = [];
  /** Entries before it have left the window. */
  #first = 0;
  #used = 0;

  constructor(limit: number, windowMs: number) {
    this.limit = limit;
    this.windowMs = windowMs;
  }

  /** Until `amount` may be spent if nobody else spends; 0 is now, infinite is never. */
  delayMs(amount: number, nowMs: number): number {
    if (amount > this.limit) return Number.POSITIVE_INFINITY;
    this.#expire(nowMs);
    let over = this.#used + amount - this.limit;
    for (let index = this.#first; over > 0; index++) {
      const { atMs, amount: back } = this.#log[index]!;
      over -= back;
      if (over <= 0) return atMs + this.windowMs - nowMs;
    }
    return 0;
  }

  /** To be called only when `delayMs` says 0 for the same amount and time. */
  spend(amount: number, nowMs: number): Spent {
    const spent = { atMs: nowMs, amount };
    this.#log.push(spent);
    this.#used += amount;
    return spent;
  }

  /** It was more or less than had been thought. */
  settle(spent: Spent, amount: number, nowMs: number): void {
    this.#expire(nowMs);
    if (spent.atMs + this.windowMs > nowMs) this.#used += amount - spent.amount;
    spent.amount = amount;
  }

  state(nowMs: number): RateWindow {
    this.#expire(nowMs);
    const last = this.#log.at(-1);
    return {
      limit: this.limit,
      remaining: Math.max(0, this.limit - this.#used),
      resetMs: last === undefined ? 0 : last.atMs + this.windowMs - nowMs,
    };
  }

  #expire(nowMs: number): void {
    const log = this.#log;
    while (this.#first < log.length && log[this.#first]!.atMs + this.windowMs <= nowMs) {
      this.#used -= log[this.#first]!.amount;
      this.#first += 1;
    }
    // Moving what is left costs as much as was thrown away: O(1) for each entry in its life.
    if (this.#first * 2 > log.length) {
      log.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
