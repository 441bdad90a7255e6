/**
 * One request inside the orchestrator: what was asked, the answer that is being made, and the
 * worker's call that makes it.
 *
 *   admitted ──granted──▶ running ──▶ over
 *                  ▲         │
 *                  `─ lost ──'   once, and only while no token had come; or preempted, likewise
 *
 * The scheduler knows it by `key`; the client knows it by `requestId`.
 */
import type { CallContext, GenerationRequest } from '../core/engine.ts';
import { HearthError, RequestError } from '../core/errors.ts';
import type { Answer } from './answer.ts';
import type { GenerateJob, RunningCall } from './running-calls.ts';

export interface Call {
  readonly key: number;
  readonly request: GenerationRequest;
  readonly context: CallContext;
  readonly answer: Answer;
  readonly onAbort: () => void;
  /** Workers that have died with it. */
  deaths: number;
  running: RunningCall | undefined;
  /** Its run was cancelled to make room, and has not ended yet. */
  isPreempted: boolean;
  /** The observer was told that it waits, and not yet that it does so no more. */
  isCountedAsWaiting: boolean;
}

export function toJob({ request, context }: Call): GenerateJob {
  const { prompt, sampling, maxTokens, stops, echo = false } = request;
  return {
    requestId: context.requestId,
    tenant: context.tenant,
    priority: context.priority,
    prompt: prompt as GenerateJob['prompt'],
    sampling: sampling as GenerateJob['sampling'],
    maxTokens,
    stops: stops as string[],
    echo,
  };
}

/** Why a signal was aborted: a deadline of ours says so itself, anything else is the client. */
export function abortReason({ reason }: AbortSignal): HearthError {
  if (reason instanceof HearthError) return reason;
  return new RequestError(
    'client_closed_request',
    'The client left before its answer was complete.',
  );
}
