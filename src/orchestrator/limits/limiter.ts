/**
 * How much each tenant may ask for, and all of them together: requests and tokens a minute, and a burst
 * of requests within a shorter window. Pure; a refusal changes nothing.
 *
 * Tokens are reserved when a request comes (prompt and `max_tokens`) and settled to what they were when
 * it is over, so that a request that asks for much and says little holds its tenant up only while it runs.
 *
 * Units   ms of the monotonic clock, requests, tokens.
 * Errors  none: a refusal says after what time the same request is let in if nobody else comes.
 */
import type { RateState, RateWindow } from '../../core/engine.ts';
import type { RateLimits } from '../../core/tenant.ts';
import { RateWindows, type Refusal } from './rate-windows.ts';

export interface LimiterOptions {
  /** What a tenant may have that brings no limit of its own. */
  readonly each: RateLimits;
  readonly all: RateLimits;
  readonly burstWindowMs: number;
}

export type Settle = (tokens: number, nowMs: number) => void;

export class Limiter {
  #options: LimiterOptions;
  readonly #all = new RateWindows();
  readonly #tenants = new Map<string, RateWindows>();

  constructor(options: LimiterOptions) {
    this.#options = options;
    this.#all.fit(options.all, options.burstWindowMs);
  }

  /** Hold from now on, also for what was spent; for a tenant from its next `fit` on. */
  setLimits(options: LimiterOptions): void {
    this.#options = options;
    this.#all.fit(options.all, options.burstWindowMs);
  }

  /** Holds from now on, also for what was spent. Absent ones are those of everybody. */
  fit(tenant: string, limits: RateLimits): void {
    const { each, burstWindowMs } = this.#options;
    const fitted = {
      requestsPerMinute: limits.requestsPerMinute ?? each.requestsPerMinute,
      burst: limits.burst ?? each.burst,
      tokensPerMinute: limits.tokensPerMinute ?? each.tokensPerMinute,
    };
    this.#windowsOf(tenant).fit(fitted, burstWindowMs);
  }

  /** Undefined: it may come now. */
  refusal(
    tenant: string,
    tokens: number,
    nowMs: number,
  ): (Refusal & { readonly of: 'tenant' | 'all' }) | undefined {
    const own = this.#windowsOf(tenant).refusal(tokens, nowMs);
    const all = this.#all.refusal(tokens, nowMs);
    if (all !== undefined && all.delayMs > (own?.delayMs ?? 0)) return { ...all, of: 'all' };
    return own && { ...own, of: 'tenant' };
  }

  /** To be called only when nothing was refused, for a request and then for each part of its tokens. */
  spendRequest(tenant: string, nowMs: number): void {
    this.#windowsOf(tenant).spendRequest(nowMs);
    this.#all.spendRequest(nowMs);
  }

  /** What is returned settles them, at most once. */
  spendTokens(tenant: string, tokens: number, nowMs: number): Settle {
    const own = this.#windowsOf(tenant).spendTokens(tokens, nowMs);
    const all = this.#all.spendTokens(tokens, nowMs);
    return (actual, atMs) => {
      own(actual, atMs);
      all(actual, atMs);
    };
  }

  /** Of the tenant's own windows and those of everybody, the one with less left. Undefined: no limit. */
  state(tenant: string, nowMs: number): RateState | undefined {
    const own = this.#windowsOf(tenant).state(nowMs);
    const all = this.#all.state(nowMs);
    const requests = tighter(own.requests, all.requests);
    const tokens = tighter(own.tokens, all.tokens);
    return requests === undefined && tokens === undefined ? undefined : { requests, tokens };
  }

  #windowsOf(name: string): RateWindows {
    const known = this.#tenants.get(name);
    if (known !== undefined) return known;
    const tenant = new RateWindows();
    tenant.fit(this.#options.each, this.#options.burstWindowMs);
    this.#tenants.set(name, tenant);
    return tenant;
  }
}

function tighter(a: RateWindow | undefined, b: RateWindow | undefined): RateWindow | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.remaining < a.remaining ? b : a;
}
