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
import type { CallContext, GenerationRequest, Prompt, Usage } from '../core/engine.ts';
import { HearthError, RequestError } from '../core/errors.ts';
import type { Answer } from './answer.ts';
import type { GenerateJob, RunningCall } from './replica/running-calls.ts';

export interface Call {
  readonly key: number;
  readonly request: GenerationRequest;
  readonly context: CallContext;
  readonly answer: Answer;
  readonly onAbort: () => void;
  /** Replaces the tokens that were reserved for it by those that it took. */
  settle: ((usage: Usage, nowMs: number) => void) | undefined;
  /** A worker has died with it, and it was given to another one. */
  hasMoved: boolean;
  running: RunningCall | undefined;
  /** Its run was cancelled to make room, and has not ended yet. */
  isPreempted: boolean;
  /** The observer was told that it waits, and not yet that it does so no more. */
  isCountedAsWaiting: boolean;
}

export function toJob({ request, context }: Call): GenerateJob {
  const { prompt, sampling, maxTokens, stops, grammar, echo = false } = request;
  return {
    requestId: context.requestId,
    tenant: context.tenant,
    priority: context.priority,
    prompt: prompt as GenerateJob['prompt'],
    sampling: sampling as GenerateJob['sampling'],
    maxTokens,
    stops: stops as string[],
    grammar,
    echo,
  };
}

/** Until a worker has counted: near enough to reserve by, and settled when the request is over. */
const CHARS_PER_TOKEN = 3;
/** What a template writes around a message. */
const MESSAGE_TOKENS = 4;
/** Reserved for an answer whose length is not bounded by the request. */
const ANSWER_TOKENS = 1024;

export function estimateTokens({ prompt, maxTokens = ANSWER_TOKENS }: GenerationRequest): number {
  return promptTokens(prompt) + maxTokens;
}

function promptTokens(prompt: Prompt): number {
  if ('tokens' in prompt) return prompt.tokens.length;
  if ('text' in prompt) return Math.ceil(prompt.text.length / CHARS_PER_TOKEN);
  let tokens = 0;
  for (const { parts } of prompt.messages) {
    tokens += MESSAGE_TOKENS;
    for (const { text } of parts) tokens += Math.ceil(text.length / CHARS_PER_TOKEN);
  }
  return tokens;
}

/** Why a signal was aborted: a deadline of ours says so itself, anything else is the client. */
export function abortReason({ reason }: AbortSignal): HearthError {
  if (reason instanceof HearthError) return reason;
  return new RequestError(
    'client_closed_request',
    'The client left before its answer was complete.',
  );
}
