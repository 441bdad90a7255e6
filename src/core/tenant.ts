/** What one tenant may have: the owner of an API key, or everybody who needs none. */

export interface RateLimits {
  /** Within any 60 s. Undefined: not limited, here and below. */
  readonly requestsPerMinute?: number | undefined;
  /** Requests within a shorter window, the same for everybody. */
  readonly burst?: number | undefined;
  /** Within any 60 s, prompt and answer. */
  readonly tokensPerMinute?: number | undefined;
}

export interface TenantLimits extends RateLimits {
  /** Prompt and answer, within a day of UTC. */
  readonly tokensPerDay?: number | undefined;
  /** Slots at once, over all models; what is beyond waits. */
  readonly concurrencyMax?: number | undefined;
}
