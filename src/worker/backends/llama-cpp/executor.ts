/**
 * What the step loop needs of a loaded model: run one decode batch, forget the end of a sequence.
 * Two implementations: `addon.ts` on the library's native objects, `public.ts` on its public API.
 *
 * Shapes  a step is a list of items with ascending, distinct slots; the answer has one entry per item:
 *         the token that was sampled, or why this call cannot go on.
 * Units   positions and lengths in tokens.
 * Errors  `step` rejects when the native call failed; the loop then fails every call in the batch.
 *
 * One call at a time: nothing here may be called between `step` and its promise, because the native
 * context, its samplers and its grammars are not safe to touch while a decode runs.
 */
import type { Sampling } from '../../../core/engine.ts';
import type { HearthError } from '../../../core/errors.ts';
import type { Constraint } from './grammar/constraint.ts';

export interface StepItem {
  readonly slot: number;
  /** Position of `tokens[0]` in the sequence: as many tokens are in the slot's KV cache. */
  readonly position: number;
  readonly tokens: readonly number[];
  /** Present when the logits of the last token are to be sampled. */
  readonly sampler?: SequenceSampler | undefined;
}

/** Native sampling state of one sequence: seed and configuration live on from step to step. */
export interface SequenceSampler {
  dispose(): void;
}

/** Undefined where no token was asked for. */
export type StepOutcome = number | HearthError | undefined;

/** What may change between two tokens of one sequence. */
export interface SamplerHistory {
  /** Tokens that `repeatPenalty` looks at: the last 64 of prompt and answer. */
  lastTokens(): readonly number[];
  /** Generated tokens with their counts, for frequency and presence penalty. */
  readonly generatedCounts: ReadonlyMap<number, number>;
}

export interface Executor {
  /** Most tokens that fit into one step. */
  readonly batchTokens: number;
  /** Throws a RequestError for what this executor cannot honour. */
  createSampler(
    sampling: Sampling,
    history: SamplerHistory,
    constraint?: Constraint,
  ): SequenceSampler;
  step(items: readonly StepItem[]): Promise<readonly StepOutcome[]>;
  /** Forgets everything from position `keepTokens` on. False when the model cannot forget a part
   *  (recurrent and sliding-window models): then the whole sequence has been forgotten. */
  truncate(slot: number, keepTokens: number): Promise<boolean>;
  /** CPU threads of a step. One that cannot be told keeps those that it was loaded with. */
  readonly threads: number;
  setThreads(threads: number): void;
  close(): Promise<void>;
}
