/**
 * The executor on node-llama-cpp's public API: the fallback for a library whose internals are not
 * those of `addon.ts`, and a check on it (the conformance suite runs on both).
 *
 *   loaded ──close()──▶ closed
 *
 * All items of a step are asked for in one turn of the event loop, so the library's own queue holds
 * them together; our strategy then hands them to llama.cpp by ascending slot, which its arrival
 * order does not promise. Slower than `addon.ts` by the library's bookkeeping per token.
 *
 * Source  node-llama-cpp 3.21.1: `LlamaContextSequence.evaluate`, `CustomBatchingPrioritizationStrategy`.
 */
import {
  type EvaluationPriority,
  type LlamaContext,
  type LlamaContextSequence,
  type LlamaModel,
  type PrioritizedBatchItem,
  type SequenceEvaluateOptions,
  type Token,
  TokenBias,
} from 'node-llama-cpp';

import type { Sampling } from '../../../core/engine.ts';
import { RequestError } from '../../../core/errors.ts';
import type { Executor, SamplerHistory, SequenceSampler, StepItem } from './executor.ts';
import { nativeSeed, tokenBias } from './penalties.ts';

/** Cells the library keeps free per sequence before it would shift the context. */
export const RESERVED_TOKENS = 2;

/** For `createContext`: `evaluationPriority` carries the slot, see `priorityOf`. */
export const inSlotOrder = {
  itemPrioritizationStrategy({
    items,
    size,
  }: {
    items: readonly { tokens: readonly Token[]; evaluationPriority: EvaluationPriority }[];
    size: number;
  }): PrioritizedBatchItem[] {
    let left = size;
    return [...items]
      .sort((a, b) => a.evaluationPriority - b.evaluationPriority)
      .map((item) => {
        const processAmount = Math.min(item.tokens.length, left);
        left -= processAmount;
        return { item: item as PrioritizedBatchItem['item'], processAmount };
      })
      .filter(({ processAmount }) => processAmount > 0);
  },
};

export class PublicExecutor implements Executor {
  readonly batchTokens: number;
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #sequences: readonly LlamaContextSequence[];
  readonly #banned: () => readonly number[];

  constructor({
    model,
    context,
    endsOfGeneration,
  }: {
    model: LlamaModel;
    context: LlamaContext;
    endsOfGeneration: () => readonly number[];
  }) {
    this.#model = model;
    this.#context = context;
    this.#banned = endsOfGeneration;
    this.batchTokens = context.batchSize;
    this.#sequences = Array.from({ length: context.totalSequences }, () => context.getSequence());
  }

  createSampler(sampling: Sampling, history: SamplerHistory): SequenceSampler {
    const ends = new Set(this.#banned());
    const biased = sampling.logitBias.find(([id]) => ends.has(id));
    if (biased !== undefined) {
      throw new RequestError(
        'unsupported_parameter',
        `logit_bias for token ${biased[0]}, an end of generation, is not supported on this build; leave it out`,
        { param: 'logit_bias' },
      );
    }
    return new PublicSampler(this.#model, sampling, history);
  }

  step(items: readonly StepItem[]): Promise<readonly (number | undefined)[]> {
    return Promise.all(
      items.map(async ({ slot, tokens, sampler }) => {
        const sequence = this.#sequences[slot]!;
        if (sampler !== undefined) return (sampler as PublicSampler).next(sequence, slot, tokens);
        await sequence.evaluateWithoutGeneratingNewTokens([...tokens] as Token[], {
          evaluationPriority: priorityOf(slot),
        });
        return undefined;
      }),
    );
  }

  async truncate(slot: number, keepTokens: number): Promise<boolean> {
    const sequence = this.#sequences[slot]!;
    if (sequence.nextTokenIndex > keepTokens) {
      await sequence.eraseContextTokenRanges([{ start: keepTokens, end: sequence.nextTokenIndex }]);
    }
    return true;
  }

  get threads(): number {
    return this.#context.currentThreads;
  }

  /** The library sets its own before each decode. */
  setThreads(): void {}

  close(): Promise<void> {
    return this.#context.dispose();
  }
}

type TokenGenerator = AsyncGenerator<Token, void, Token | Token[] | undefined>;

/** The library passes the number through to our strategy and does nothing else with it. */
function priorityOf(slot: number): EvaluationPriority {
  return slot as EvaluationPriority;
}

/** One `evaluate` generator per sequence: the native sampler, and so the seed, lives inside it. */
class PublicSampler implements SequenceSampler {
  readonly #model: LlamaModel;
  readonly #sampling: Sampling;
  readonly #history: SamplerHistory;
  #tokens: TokenGenerator | undefined;

  constructor(model: LlamaModel, sampling: Sampling, history: SamplerHistory) {
    this.#model = model;
    this.#sampling = sampling;
    this.#history = history;
  }

  async next(
    sequence: LlamaContextSequence,
    slot: number,
    tokens: readonly number[],
  ): Promise<number> {
    const input = [...tokens] as Token[];
    let result: IteratorResult<Token, void>;
    if (this.#tokens === undefined) {
      this.#tokens = sequence.evaluate(input, this.#options(slot)) as TokenGenerator;
      result = await this.#tokens.next(undefined);
    } else {
      result = await this.#tokens.next(input);
    }
    if (result.done === true) throw new Error('The sampler found no token that it may choose');
    return result.value;
  }

  dispose(): void {
    // The generator waits at a yield: ending it frees the native sampler in its `finally`.
    void this.#tokens?.return();
  }

  #options(slot: number): SequenceEvaluateOptions {
    const { temperature, topP, topK, minP, seed, repeatPenalty } = this.#sampling;
    return {
      temperature,
      topP,
      topK,
      minP,
      seed: nativeSeed(seed),
      yieldEogToken: true,
      evaluationPriority: priorityOf(slot),
      ...(repeatPenalty === 1
        ? {}
        : {
            repeatPenalty: {
              punishTokens: () => [...this.#history.lastTokens()] as Token[],
              penalty: repeatPenalty,
            },
          }),
      tokenBias: () => this.#bias(),
    };
  }

  /** The class leaves out ends of generation, so `ignoreEos` here means: go on after one. */
  #bias(): TokenBias {
    const result = TokenBias.for(this.#model);
    const bias = tokenBias(this.#sampling, this.#history.generatedCounts, []);
    for (const [index, id] of (bias?.keys ?? []).entries()) {
      const logit = bias!.values[index]!;
      result.set(id as Token, logit === Number.NEGATIVE_INFINITY ? 'never' : { logit });
    }
    return result;
  }
}
