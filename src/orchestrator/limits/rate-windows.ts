/**
 * The sliding windows of one party, and what they say to a request. Pure.
 *
 * A limit may change while the party is at work: what was spent before counts against the new one, but for
 * that of a window of another length, which begins anew.
 *
 * Units   ms of the monotonic clock, requests, tokens.
 * Errors  none.
 */
import type { RateState, RateWindow } from '../../core/engine.ts';
import type { RateLimits } from '../../core/tenant.ts';
import { SlidingWindow, type Spent } from './sliding-window.ts';

/** Why a request cannot come now. */
export interface Refusal {
  readonly limit: keyof RateLimits;
  /** What the limit allows within its window. */
  readonly allows: number;
  /** After it the same request is let in, if nobody else comes. Infinite: it never fits. */
  readonly delayMs: number;
}

const MINUTE_MS = 60_000;

export class RateWindows {
  readonly #windows = new Map<keyof RateLimits, SlidingWindow>();

  fit({ requestsPerMinute, burst, tokensPerMinute }: RateLimits, burstWindowMs: number): void {
    this.#fitOne('requestsPerMinute', requestsPerMinute, MINUTE_MS);
    this.#fitOne('burst', burst, burstWindowMs);
    this.#fitOne('tokensPerMinute', tokensPerMinute, MINUTE_MS);
  }

  /** The limit that holds it up longest; undefined when it may come now. */
  refusal(tokens: number, nowMs: number): Refusal | undefined {
    let longest: Refusal | undefined;
    for (const [limit, window] of this.#windows) {
      const delayMs = window.delayMs(limit === 'tokensPerMinute' ? tokens : 1, nowMs);
      if (delayMs > (longest?.delayMs ?? 0)) longest = { limit, allows: window.limit, delayMs };
    }
    return longest;
  }

  spendRequest(nowMs: number): void {
    this.#windows.get('requestsPerMinute')?.spend(1, nowMs);
    this.#windows.get('burst')?.spend(1, nowMs);
  }

  /** What is returned settles them, at most once. */
  spendTokens(tokens: number, nowMs: number): (tokens: number, nowMs: number) => void {
    const window = this.#windows.get('tokensPerMinute');
    const spent: Spent | undefined = window?.spend(tokens, nowMs);
    return (actual, atMs) => {
      if (spent !== undefined) window!.settle(spent, actual, atMs);
    };
  }

  state(nowMs: number): RateState {
    const of = (limit: keyof RateLimits): RateWindow | undefined =>
      this.#windows.get(limit)?.state(nowMs);
    return { requests: of('requestsPerMinute'), tokens: of('tokensPerMinute') };
  }

  #fitOne(name: keyof RateLimits, limit: number | undefined, windowMs: number): void {
    const window = this.#windows.get(name);
    if (limit === undefined) this.#windows.delete(name);
    else if (window?.windowMs === windowMs) window.limit = limit;
    else this.#windows.set(name, new SlidingWindow(limit, windowMs));
  }
}
