/**
 * Waiting before the next attempt: at once after one that got on, else twice as long each time, or as long
 * as the server asks for.
 *
 * Units  ms.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { TransferError } from './pull-error.ts';

export interface RetryPolicy {
  /** In a row that got nowhere. */
  readonly attempts: number;
  readonly firstMs: number;
  readonly maxMs: number;
}

/** After `failures` in a row, from 1. With jitter, so that connections that fell together do not rise together. */
export function backOffMs(
  { firstMs, maxMs }: RetryPolicy,
  failures: number,
  random: number,
): number {
  const full = Math.min(maxMs, firstMs * 2 ** (failures - 1));
  return Math.round(full * (0.5 + random / 2));
}

/** Rejects with the last failure when there are no attempts left, at once with what is no TransferError. */
export async function withRetries<Result>(
  policy: RetryPolicy,
  signal: AbortSignal,
  attempt: () => Promise<Result>,
): Promise<Result> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransferError) || failures >= policy.attempts) throw error;
      await pause(Math.max(error.afterMs ?? 0, backOffMs(policy, failures, Math.random())), signal);
    }
  }
}

/** Rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
