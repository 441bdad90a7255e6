/**
 * Whether a request may come now, by what its tenant has asked for and used: rate limits, and the
 * quota of the day. A refusal costs nothing.
 *
 * A quota is reserved like the tokens of a minute: else many requests at once would all find room in what
 * is left of it.
 *
 * Units   ms of the monotonic clock, tokens.
 * Errors  CapacityError `rate_limited` or `key_quota_exceeded`, with the time to come back.
 */
import type { CallContext, GenerationRequest, RateState, Usage } from '../../core/engine.ts';
import type { Observer } from '../../core/observer.ts';
import type { UsageBook } from '../../core/usage-book.ts';
import { estimateTokens } from '../call.ts';
import * as refusals from '../refusals.ts';
import { Limiter, type LimiterOptions } from './limiter.ts';

export interface AllowanceOptions {
  readonly rateLimits: LimiterOptions;
  readonly usageBook: UsageBook;
  readonly observer: Observer;
}

export class Allowance {
  readonly #options: AllowanceOptions;
  readonly #limiter: Limiter;
  /** Tokens that running requests of a tenant with a quota may still take of it. */
  readonly #reserved = new Map<string, number>();

  constructor(options: AllowanceOptions) {
    this.#options = options;
    this.#limiter = new Limiter(options.rateLimits);
  }

  setLimits(rateLimits: LimiterOptions): void {
    this.#limiter.setLimits(rateLimits);
  }

  /** Throws when the whole lot may not come now. */
  assertMayCome(
    { tenant, limits = {}, priority }: CallContext,
    lot: readonly GenerationRequest[],
    nowMs: number,
  ): void {
    const tokens = lot.reduce((sum, request) => sum + estimateTokens(request), 0);
    this.#limiter.fit(tenant, limits);
    const refusal = this.#limiter.refusal(tenant, tokens, nowMs);
    const error =
      refusal === undefined
        ? this.#overQuota(tenant, tokens, limits.tokensPerDay)
        : refusals.rateLimited({ ...refusal, tokens, tenant });
    if (error === undefined) return;
    this.#options.observer.rejected({ reason: 'rate_limited', priority });
    this.#options.observer.rateLimited(tenant);
    throw error;
  }

  /** One of the lot has come. What is returned is to be called once, when it is over. */
  spend(
    { tenant, limits, lot }: CallContext,
    request: GenerationRequest,
    nowMs: number,
  ): (usage: Usage, nowMs: number) => void {
    const isFirst = lot === undefined || lot.index === 0;
    if (isFirst) this.#limiter.spendRequest(tenant, nowMs);
    const tokens = estimateTokens(request);
    const settle = this.#limiter.spendTokens(tenant, tokens, nowMs);
    const hasQuota = limits?.tokensPerDay !== undefined;
    if (hasQuota) this.#reserve(tenant, tokens);
    return (usage, atMs) => {
      settle(usage.promptTokens + usage.generatedTokens, atMs);
      if (hasQuota) this.#reserve(tenant, -tokens);
      const requests = isFirst ? 1 : 0;
      this.#options.usageBook.note(tenant, usage, requests);
      this.#options.observer.used(tenant, usage, requests);
    };
  }

  state(tenant: string, nowMs: number): RateState | undefined {
    return this.#limiter.state(tenant, nowMs);
  }

  #overQuota(tenant: string, tokens: number, tokensPerDay: number | undefined) {
    if (tokensPerDay === undefined) return undefined;
    const { usageBook } = this.#options;
    const left = tokensPerDay - usageBook.tokensToday(tenant) - (this.#reserved.get(tenant) ?? 0);
    if (tokens <= left) return undefined;
    const retryAfterMs = tokens > tokensPerDay ? undefined : usageBook.msToNextDay();
    return refusals.quotaExceeded({
      tenant,
      tokens,
      tokensPerDay,
      left: Math.max(0, left),
      retryAfterMs,
    });
  }

  #reserve(tenant: string, tokens: number): void {
    const reserved = (this.#reserved.get(tenant) ?? 0) + tokens;
    if (reserved === 0) this.#reserved.delete(tenant);
    else this.#reserved.set(tenant, reserved);
  }
}
