/**
 * The errors that the orchestrator itself gives to requests: one line each, with what happened,
 * which value, and what to do.
 */
import { CapacityError, RequestError, WorkerError } from '../core/errors.ts';
import type { Priority } from '../core/priority.ts';
import type { Refusal } from './limits/rate-windows.ts';

/** When models that are busy now may be idle. */
const MEMORY_AFTER_MS = 5_000;
/** After this a server that is stopped may be back. */
const BACK_AFTER_MS = 1_000;

export function unknownModel(model: string, known: readonly string[]): RequestError {
  const message = `The model ${JSON.stringify(model)} is not configured. Configured: ${known.join(', ')}.`;
  return new RequestError('model_not_found', message, { param: 'model' });
}

/** `retryAfterMs` undefined: no attempt is planned, so no time helps. */
export function modelFailed(
  model: string,
  {
    reason = 'its worker died too often.',
    retryAfterMs,
  }: { readonly reason: string | undefined; readonly retryAfterMs: number | undefined },
): CapacityError {
  const message = `The model ${model} has failed: ${reason}`;
  return new CapacityError('model_failed', message, { retryAfterMs });
}

const LIMIT_NAMES = {
  requestsPerMinute: 'requests_per_minute',
  burst: 'burst',
  tokensPerMinute: 'tokens_per_minute',
} as const;

/** `tokens` is what the request may need. */
export function rateLimited(
  refused: Refusal & {
    readonly of: 'tenant' | 'all';
    readonly tokens: number;
    readonly tenant: string;
  },
): CapacityError {
  const { limit, allows, delayMs, tokens, of, tenant } = refused;
  const whose = of === 'all' ? 'all callers together' : JSON.stringify(tenant);
  const name = `${LIMIT_NAMES[limit]} of ${whose}, which is ${allows}`;
  if (delayMs === Number.POSITIVE_INFINITY) {
    const message = `The request may need ${tokens} tokens, more than ${name}. Ask for fewer max_tokens, or raise the limit.`;
    return new CapacityError('rate_limited', message, { retryAfterMs: undefined });
  }
  const message = `The request would go over ${name}. Try again after ${Math.ceil(delayMs)} ms, or raise the limit.`;
  return new CapacityError('rate_limited', message, { retryAfterMs: delayMs });
}

/** `retryAfterMs` undefined: no day has so many. */
export function quotaExceeded(quota: {
  readonly tenant: string;
  readonly tokens: number;
  readonly tokensPerDay: number;
  readonly left: number;
  readonly retryAfterMs: number | undefined;
}): CapacityError {
  const { tenant, tokens, tokensPerDay, left, retryAfterMs } = quota;
  const message = `The request may need ${tokens} tokens, and ${JSON.stringify(tenant)} has ${left} left of its ${tokensPerDay} a day (UTC). Ask for fewer max_tokens, or raise tokens_per_day.`;
  return new CapacityError('key_quota_exceeded', message, { retryAfterMs });
}

export function insufficientMemory(
  model: string,
  memory: { readonly needBytes: number; readonly budgetBytes: number; readonly freeBytes: number },
): CapacityError {
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const { needBytes, budgetBytes, freeBytes } = memory;
  const message = `The model ${model} needs ${gb(needBytes)}, and of the budget of ${gb(budgetBytes)} only ${gb(freeBytes)} is free. Unload a model, lower slots or context_tokens, or raise memory_budget_bytes.`;
  // One that never fits is not helped by time.
  const retryAfterMs = needBytes > budgetBytes ? undefined : MEMORY_AFTER_MS;
  return new CapacityError('insufficient_memory', message, { retryAfterMs });
}

export function queueFull(depthMax: number, retryAfterMs: number | undefined): CapacityError {
  const message = `As many requests run and wait as the limit of ${depthMax} allows. Try again later, or raise queue_depth_max.`;
  return new CapacityError('queue_full', message, { retryAfterMs });
}

export function queueTimeout(
  model: string,
  { priority, waitMs, retryAfterMs }: { priority: Priority; waitMs: number; retryAfterMs: number },
): CapacityError {
  const message = `The request waited ${Math.round(waitMs)} ms for a slot of ${model}, the limit of its class. Try again later, or raise queue_timeout_${priority}_s.`;
  return new CapacityError('queue_timeout', message, { retryAfterMs });
}

export function draining(cause?: unknown): CapacityError {
  const message = 'The server is shutting down. Send the request again once it is back.';
  return new CapacityError('draining', message, { retryAfterMs: BACK_AFTER_MS, cause });
}

export function slowReader(): RequestError {
  const message = 'The stream was not read for too long and was cut. Read it while it is written.';
  return new RequestError('slow_reader', message);
}

export function poisoned({ code, message }: WorkerError): WorkerError {
  const known = code as 'worker_crashed' | 'worker_protocol' | 'worker_hung';
  return new WorkerError(
    known,
    `Two workers died with this request, it is not tried again. ${message}`,
  );
}

export function quarantined(model: string, forMs: number): WorkerError {
  const seconds = Math.ceil(forMs / 1000);
  const message = `Two workers of ${model} died with this very prompt; it is refused for ${seconds} s more. Send another one.`;
  return new WorkerError('worker_crashed', message);
}

export function endedUnasked(model: string): WorkerError {
  const message = `The worker of ${model} gave the request up without a reason.`;
  return new WorkerError('worker_crashed', message);
}
