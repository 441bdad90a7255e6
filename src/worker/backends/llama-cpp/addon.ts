/**
 * The executor on node-llama-cpp's native objects: with `addon-sampler.ts` all that touches what the library
 * does not export. Its version is pinned exactly; `tests/integration/llama-addon.test.ts` fails on an
 * upgrade that changes what is used here, and `public.ts` is the way out.
 *
 *   loaded ──close()──▶ closed
 *
 * What it buys over the public API: sequences stand in a batch by ascending id whatever order they
 * asked in, prompts are read in chunks that can be cancelled, and a step is one native decode.
 *
 * Source  node-llama-cpp 3.21.1, `llama/addon/AddonContext.cpp`, `AddonSampler.cpp`.
 */
import type { Llama, LlamaContext, LlamaGrammarEvaluationState, LlamaModel } from 'node-llama-cpp';

import type { Sampling } from '../../../core/engine.ts';
import { BugError } from '../../../core/errors.ts';
import {
  AddonSampler,
  type Bounds,
  type NativeSampler,
  type NativeState,
} from './addon-sampler.ts';
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
import type { Vocabulary } from './vocabulary.ts';

interface NativeContext {
  initBatch(size: number): void;
  addToBatch(
    sequence: number,
    position: number,
    tokens: Uint32Array,
    logitIndexes: Uint32Array,
  ): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(logitIndex: number, sampler: NativeSampler): Promise<number>;
  removeTokenCellsFromSequence(sequence: number, start: number, end: number): boolean;
  disposeSequence(sequence: number): void;
  getThreads(): number;
  setThreads(threads: number): void;
}

interface NativeSamplerClass {
  new (model: unknown): NativeSampler;
  canBeNextTokenForGrammarEvaluationState(state: NativeState, token: number): boolean;
  acceptGrammarEvaluationStateToken(state: NativeState, token: number): void;
}

const GRAMMAR_METHODS = [
  'canBeNextTokenForGrammarEvaluationState',
  'acceptGrammarEvaluationStateToken',
] as const;

interface Native {
  readonly context: NativeContext;
  readonly createSampler: () => NativeSampler;
  readonly canBeNext: (state: NativeState, token: number) => boolean;
  readonly accept: (state: NativeState, token: number) => void;
}

/** Says what is missing when the library's internals are not those that this file was written for. */
export function addonMismatch(
  llama: Llama,
  model: LlamaModel,
  context: LlamaContext,
): string | undefined {
  const inside = internals(llama, model, context);
  const methods = [
    'initBatch',
    'addToBatch',
    'decodeBatch',
    'sampleToken',
    'removeTokenCellsFromSequence',
    'disposeSequence',
    'getThreads',
    'setThreads',
  ];
  const missing = methods.filter((name) => typeof inside.context?.[name] !== 'function');
  if (typeof inside.AddonSampler !== 'function') missing.push('AddonSampler');
  else {
    for (const name of GRAMMAR_METHODS) {
      if (typeof inside.AddonSampler[name] !== 'function') missing.push(`AddonSampler.${name}`);
    }
  }
  if (inside.model === undefined) missing.push('model._model');
  return missing.length === 0 ? undefined : `missing in node-llama-cpp: ${missing.join(', ')}`;
}

export class AddonExecutor implements Executor {
  readonly batchTokens: number;
  readonly #context: LlamaContext;
  readonly #native: Native;
  readonly #vocabulary: Ends;
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
    vocabulary: Ends;
  }) {
    this.#context = context;
    this.#native = nativeOf(llama, model, context);
    this.#vocabulary = vocabulary;
    this.#grammars = new NativeGrammars(llama, model);
    this.batchTokens = context.batchSize;
  }

  createSampler(
    sampling: Sampling,
    history: SamplerHistory,
    constraint?: Constraint,
  ): SequenceSampler {
    // Before the sampler, which has to be freed: a grammar that is refused leaves nothing behind.
    const bounds = constraint && {
      constraint,
      state: nativeState(this.#grammars.begin(constraint.grammar)),
    };
    return new AddonSampler({
      create: this.#native.createSampler,
      sampling,
      history,
      banned: sampling.ignoreEos ? this.#vocabulary.endsOfGeneration : [],
      bounds,
    });
  }

  async step(items: readonly StepItem[]): Promise<readonly StepOutcome[]> {
    const { context } = this.#native;
    let size = 0;
    for (const item of items) size += item.tokens.length;
    context.initBatch(size);
    const logits = items.map(({ slot, position, tokens, sampler }) => {
      const wanted = sampler === undefined ? NONE : Uint32Array.of(tokens.length - 1);
      return context.addToBatch(slot, position, Uint32Array.from(tokens), wanted)[0];
    });
    await context.decodeBatch();

    // One after the other: two native calls on one context at a time would read each other's logits.
    const sampled: StepOutcome[] = [];
    for (const [index, { sampler }] of items.entries()) {
      sampled.push(await this.#sample(logits[index]!, sampler as AddonSampler | undefined));
    }
    return sampled;
  }

  async #sample(logit: number | undefined, sampler?: AddonSampler): Promise<StepOutcome> {
    if (sampler === undefined || logit === undefined) return undefined;
    const { sampling, bounds } = sampler;
    if (bounds?.constraint.isBound) return this.#sampleBound(logit, sampler, bounds);
    const token = await this.#native.context.sampleToken(logit, sampler.free());
    if (token < 0) return noToken(sampling, false);
    return bounds === undefined ? token : bounds.constraint.settle(token);
  }

  /**
   * Draws without the grammar, and again without what it rejects: that is to draw from what it allows, and
   * takes microseconds, where to ask it of every token takes milliseconds. What is rarely allowed
   * is left to the native sampler, which asks it of every token.
   */
  async #sampleBound(
    logit: number,
    sampler: AddonSampler,
    { constraint, state }: Bounds,
  ): Promise<StepOutcome> {
    const { context, canBeNext, accept } = this.#native;
    const rejected: number[] = [];
    while (rejected.length < DRAWS_MAX) {
      const token = await context.sampleToken(logit, sampler.free(rejected));
      if (token < 0 || sampler.isBanned(token)) break;
      if (canBeNext(state, token)) {
        if (!this.#vocabulary.isEndOfGeneration(token)) accept(state, token);
        return constraint.settle(token);
      }
      rejected.push(token);
    }
    return this.#sampleAmongAll(logit, sampler, { constraint, state });
  }

  async #sampleAmongAll(
    logit: number,
    sampler: AddonSampler,
    { constraint, state }: Bounds,
  ): Promise<StepOutcome> {
    const { sampling } = sampler;
    let token: number;
    try {
      token = await this.#native.context.sampleToken(logit, sampler.bound());
    } catch (error) {
      // Where all are banned the native sampler takes any, and the grammar does not go on with it.
      return noToken(sampling, true, error);
    }
    if (token < 0) return noToken(sampling, true);
    const isEnd = this.#vocabulary.isEndOfGeneration(token);
    const isEarly = isEnd && !this.#native.canBeNext(state, token);
    if (isEarly || sampler.isBanned(token)) return noToken(sampling, true);
    return constraint.settle(token);
  }

  async truncate(slot: number, keepTokens: number): Promise<boolean> {
    const { context } = this.#native;
    if (keepTokens > 0 && context.removeTokenCellsFromSequence(slot, keepTokens, -1)) return true;
    context.disposeSequence(slot);
    return keepTokens === 0;
  }

  get threads(): number {
    return this.#native.context.getThreads();
  }

  setThreads(threads: number): void {
    this.#native.context.setThreads(threads);
  }

  close(): Promise<void> {
    return this.#context.dispose();
  }
}

const NONE = new Uint32Array();
/** Then half of those that were rejected first have an allowed one; each more helps fewer than it costs. */
const DRAWS_MAX = 6;

type Ends = Pick<Vocabulary, 'endsOfGeneration' | 'isEndOfGeneration'>;

function nativeOf(llama: Llama, model: LlamaModel, context: LlamaContext): Native {
  const mismatch = addonMismatch(llama, model, context);
  if (mismatch !== undefined) throw new Error(mismatch);
  const inside = internals(llama, model, context);
  const Sampler = inside.AddonSampler!;
  return {
    context: inside.context as unknown as NativeContext,
    createSampler: () => new Sampler(inside.model),
    canBeNext: (state, token) => Sampler.canBeNextTokenForGrammarEvaluationState(state, token),
    accept: (state, token) => Sampler.acceptGrammarEvaluationStateToken(state, token),
  };
}

function internals(llama: Llama, model: LlamaModel, context: LlamaContext) {
  const hidden = { llama, model, context } as unknown as {
    llama: { _bindings?: { AddonSampler?: NativeSamplerClass } };
    model: { _model?: unknown };
    context: { _ctx?: Record<string, unknown> };
  };
  return {
    AddonSampler: hidden.llama._bindings?.AddonSampler,
    model: hidden.model._model,
    context: hidden.context._ctx,
  };
}

function nativeState(state: LlamaGrammarEvaluationState): NativeState {
  const { _state } = state as unknown as { _state?: NativeState };
  if (_state === undefined) throw new BugError('missing in node-llama-cpp: grammar._state');
  return _state;
}
