/**
 * How much each tenant may ask for: requests and tokens a minute, and a burst of requests within a
 * shorter window. Pure; a refusal changes nothing.
 *
 * Tokens are reserved when a request comes (prompt and `max_tokens`) and settled to what they were when
 * it is over, so that a request that asks for much and says little holds its tenant up only while it runs.
 *
 * Units   ms of the monotonic clock, requests, tokens.
 * Errors  none: a refusal says after what time the same request is let in if nobody else comes.
 */
import type { RateState } from '../core/engine.ts';
import { SlidingWindow, type Spent } from './sliding-window.ts';

export interface RateLimits {
  readonly requestsPerMinute: number;
  readonly burst: { readonly requests: number; readonly windowMs: number };
  /** Undefined: tokens are not limited. */
  readonly tokensPerMinute: number | undefined;
}

interface Tenant {
  readonly requests: SlidingWindow;
  readonly burst: SlidingWindow;
  readonly tokens: SlidingWindow | undefined;
}

const MINUTE_MS = 60_000;

export class Limiter {
  readonly #limits: RateLimits;
  readonly #tenants = new Map<string, Tenant>();

  constructor(limits: RateLimits) {
    this.#limits = limits;
  }

  /** 0: it may come now. Infinite: it asks for more tokens than ever fit. */
  delayMs(tenant: string, tokens: number, nowMs: number): number {
    const windows = this.#windowsOf(tenant);
    return Math.max(
      windows.requests.delayMs(1, nowMs),
      windows.burst.delayMs(1, nowMs),
      windows.tokens?.delayMs(tokens, nowMs) ?? 0,
    );
  }

  /** To be called only when `delayMs` said 0, for a request and then for each part of its tokens. */
  spendRequest(tenant: string, nowMs: number): void {
    const { requests, burst } = this.#windowsOf(tenant);
    requests.spend(1, nowMs);
    burst.spend(1, nowMs);
  }

  /** What is returned settles them, at most once. */
  spendTokens(
    tenant: string,
    tokens: number,
    nowMs: number,
  ): (tokens: number, nowMs: number) => void {
    const windows = this.#windowsOf(tenant);
    const spent: Spent | undefined = windows.tokens?.spend(tokens, nowMs);
    return (actual, atMs) => {
      if (spent !== undefined) windows.tokens!.settle(spent, actual, atMs);
    };
  }

  state(tenant: string, nowMs: number): RateState {
    const { requests, tokens } = this.#windowsOf(tenant);
    return { requests: requests.state(nowMs), tokens: tokens?.state(nowMs) };
  }

  #windowsOf(name: string): Tenant {
    const known = this.#tenants.get(name);
    if (known !== undefined) return known;
    const { requestsPerMinute, burst, tokensPerMinute } = this.#limits;
    const tenant: Tenant = {
      requests: new SlidingWindow(requestsPerMinute, MINUTE_MS),
      burst: new SlidingWindow(burst.requests, burst.windowMs),
      tokens:
        tokensPerMinute === undefined ? undefined : new SlidingWindow(tokensPerMinute, MINUTE_MS),
    };
    this.#tenants.set(name, tenant);
    return tenant;
  }
}
