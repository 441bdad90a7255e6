/**
 * What is left of the rate limits, for programs that pace themselves.
 *
 * Source  OpenAI's `x-ratelimit-*` (durations such as `12ms`, `6m0s`), and `RateLimit` with
 *         `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10 (whole seconds).
 */
import type { RateState, RateWindow } from '../core/engine.ts';

const WINDOW_S = 60;

export function rateHeaders({ requests, tokens }: RateState): Record<string, string> {
  const headers: Record<string, string> = {};
  if (requests !== undefined) {
    Object.assign(headers, openaiHeaders('requests', requests), {
      'ratelimit-policy': `"default";q=${requests.limit};w=${WINDOW_S}`,
      ratelimit: `"default";r=${requests.remaining};t=${Math.ceil(requests.resetMs / 1000)}`,
    });
  }
  if (tokens !== undefined) Object.assign(headers, openaiHeaders('tokens', tokens));
  return headers;
}

function openaiHeaders(
  of: 'requests' | 'tokens',
  { limit, remaining, resetMs }: RateWindow,
): Record<string, string> {
  return {
    [`x-ratelimit-limit-${of}`]: String(limit),
    [`x-ratelimit-remaining-${of}`]: String(remaining),
    [`x-ratelimit-reset-${of}`]: duration(resetMs),
  };
}

/** `12ms`, `1.5s`, `6m0s`. */
function duration(ms: number): string {
  const rounded = Math.ceil(ms);
  if (rounded < 1000) return `${rounded}ms`;
  const minutes = Math.floor(rounded / 60_000);
  const seconds = (rounded % 60_000) / 1000;
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}
