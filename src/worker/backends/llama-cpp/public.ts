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
  type Llama,
  type LlamaContext,
  type LlamaContextSequence,
  type LlamaGrammarEvaluationState,
  type LlamaModel,
  type PrioritizedBatchItem,
  type SequenceEvaluateOptions,
  type Token,
  TokenBias,
} from 'node-llama-cpp';

import type { Sampling } from '../../../core/engine.ts';
import { RequestError } from '../../../core/errors.ts';
import type {
  Executor,
  SamplerHistory,
  SequenceSampler,
  StepItem,
  StepOutcome,
} from './executor.ts';
import type { Constraint } from './grammar/constraint.ts';
import { NativeGrammars } from './grammar/native.ts';
import { noToken } from './no-token.ts';
import { hasPenalties, isBanned, nativeSeed, tokenBias } from './penalties.ts';
import type { Vocabulary } from './vocabulary.ts';

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
  readonly #vocabulary: Vocabulary;
  readonly #grammars: NativeGrammars;

  constructor({
    llama,
    model,
    context,
    vocabulary,
  }: {
    llama: Llama;
    model: LlamaModel;
    context: LlamaContext;
    vocabulary: Vocabulary;
  }) {
    this.#model = model;
    this.#context = context;
    this.#vocabulary = vocabulary;
    this.#grammars = new NativeGrammars(llama, model);
    this.batchTokens = context.batchSize;
    this.#sequences = Array.from({ length: context.totalSequences }, () => context.getSequence());
  }

  createSampler(
    sampling: Sampling,
    history: SamplerHistory,
    constraint?: Constraint,
  ): SequenceSampler {
    const biased = sampling.logitBias.find(([id]) => this.#vocabulary.isEndOfGeneration(id));
    if (biased !== undefined) {
      throw unsupportedBias(`for token ${biased[0]}, an end of generation,`);
    }
    // Where all that a grammar allows is banned, an end may be chosen before its time, and only the
    // native objects could tell.
    if (constraint !== undefined && sampling.logitBias.some(([id]) => isBanned(sampling, id))) {
      throw unsupportedBias('of -100 together with response_format');
    }
    const bounds = constraint && { constraint, state: this.#grammars.begin(constraint.grammar) };
    return new PublicSampler({ model: this.#model, sampling, history, bounds });
  }

  step(items: readonly StepItem[]): Promise<readonly StepOutcome[]> {
    return Promise.all(
      items.map(async (item) => {
        const { slot, tokens, sampler } = item;
        const sequence = this.#sequences[slot]!;
        if (sampler !== undefined) return this.#sample(sampler as PublicSampler, sequence, item);
        await sequence.evaluateWithoutGeneratingNewTokens([...tokens] as Token[], {
          evaluationPriority: priorityOf(slot),
        });
        return undefined;
      }),
    );
  }

  async #sample(
    sampler: PublicSampler,
    sequence: LlamaContextSequence,
    { slot, tokens }: StepItem,
  ): Promise<StepOutcome> {
    const { sampling, constraint } = sampler;
    const isBound = constraint?.isBound === true;
    let token: number | undefined;
    try {
      token = await sampler.next(sequence, slot, tokens);
    } catch (error) {
      // The grammar does not go on with what was sampled: the library's words for it.
      const isRefused = error instanceof Error && error.message.includes('Failed to accept token');
      if (isBound && isRefused) return noToken(sampling, true, error);
      throw error;
    }
    if (token === undefined || sampler.isBanned(token)) return noToken(sampling, isBound);
    return constraint === undefined ? token : constraint.settle(token);
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

interface Bounds {
  readonly constraint: Constraint;
  readonly state: LlamaGrammarEvaluationState;
}

/** One `evaluate` generator per sequence: the native sampler, and so the seed, lives inside it. */
class PublicSampler implements SequenceSampler {
  readonly sampling: Sampling;
  readonly #model: LlamaModel;
  readonly #history: SamplerHistory;
  readonly #bounds: Bounds | undefined;
  #tokens: TokenGenerator | undefined;
  #banned: readonly number[] = [];
  #biased: TokenBias | undefined;

  constructor({
    model,
    sampling,
    history,
    bounds,
  }: {
    model: LlamaModel;
    sampling: Sampling;
    history: SamplerHistory;
    bounds: Bounds | undefined;
  }) {
    this.sampling = sampling;
    this.#model = model;
    this.#history = history;
    this.#bounds = bounds;
  }

  get constraint(): Constraint | undefined {
    return this.#bounds?.constraint;
  }

  /** Of the token that was sampled last. */
  isBanned(id: number): boolean {
    return this.#banned.includes(id);
  }

  /** Undefined when there was none that it may choose. */
  async next(
    sequence: LlamaContextSequence,
    slot: number,
    tokens: readonly number[],
  ): Promise<number | undefined> {
    const input = [...tokens] as Token[];
    let result: IteratorResult<Token, void>;
    if (this.#tokens === undefined) {
      this.#tokens = sequence.evaluate(input, this.#options(slot)) as TokenGenerator;
      result = await this.#tokens.next(undefined);
    } else {
      result = await this.#tokens.next(input);
    }
    return result.done === true ? undefined : result.value;
  }

  dispose(): void {
    // The generator waits at a yield: ending it frees the native sampler in its `finally`.
    void this.#tokens?.return();
  }

  #options(slot: number): SequenceEvaluateOptions {
    const { temperature, topP, topK, minP, seed, repeatPenalty } = this.sampling;
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
      // Asked for each token.
      grammarEvaluationState: () =>
        this.#bounds?.constraint.isBound ? this.#bounds.state : undefined,
    };
  }

  /** The class leaves out ends of generation: `ignoreEos` here means to go on after one, and a grammar
   *  never comes to where a character is open and it could end. */
  #bias(): TokenBias {
    const banned = this.constraint?.bans('straddling') ?? this.#banned;
    const isSame = banned === this.#banned && !hasPenalties(this.sampling);
    if (isSame && this.#biased !== undefined) return this.#biased;
    this.#banned = banned;
    const result = TokenBias.for(this.#model);
    const bias = tokenBias(this.sampling, this.#history.generatedCounts, banned);
    for (const [index, id] of (bias?.keys ?? []).entries()) {
      const logit = bias!.values[index]!;
      result.set(id as Token, logit === Number.NEGATIVE_INFINITY ? 'never' : { logit });
    }
    this.#biased = result;
    return result;
  }
}

function unsupportedBias(which: string): RequestError {
  return new RequestError(
    'unsupported_parameter',
    `logit_bias ${which} is not supported on this build; leave it out`,
    { param: 'logit_bias' },
  );
}
