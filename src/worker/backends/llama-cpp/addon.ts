/**
 * The executor on node-llama-cpp's native objects: the only file that touches what the library does
 * not export. Its version is pinned exactly; `tests/integration/llama-addon.test.ts` fails on an
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
import {
  hasPenalties,
  isBanned,
  nativeSeed,
  REPEAT_WINDOW_TOKENS,
  tokenBias,
} from './penalties.ts';
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

interface NativeSampler {
  applyConfig(config: Record<string, unknown>): void;
  dispose(): void;
}

/** Where one sequence is in its grammar. */
type NativeState = object;

interface NativeSamplerClass {
  new (model: unknown): NativeSampler;
  canBeNextTokenForGrammarEvaluationState(state: NativeState, token: number): boolean;
}

interface Native {
  readonly context: NativeContext;
  readonly createSampler: () => NativeSampler;
  readonly canBeNext: (state: NativeState, token: number) => boolean;
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
  else if (typeof inside.AddonSampler.canBeNextTokenForGrammarEvaluationState !== 'function') {
    missing.push('AddonSampler.canBeNextTokenForGrammarEvaluationState');
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
      native: this.#native.createSampler(),
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
    const isBound = bounds?.constraint.isBound === true;
    let token: number;
    try {
      token = await this.#native.context.sampleToken(logit, sampler.prepare());
    } catch (error) {
      // Where all are banned the native sampler takes any, and the grammar does not go on with it.
      if (isBound) return noToken(sampling, true, error);
      throw error;
    }
    if (token < 0) return noToken(sampling, isBound);
    if (bounds === undefined) return token;
    if (isBound) {
      const isEnd = this.#vocabulary.isEndOfGeneration(token);
      const isEarly = isEnd && !this.#native.canBeNext(bounds.state, token);
      if (isEarly || sampler.isBanned(token)) return noToken(sampling, true);
    }
    return bounds.constraint.settle(token);
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

type Ends = Pick<Vocabulary, 'endsOfGeneration' | 'isEndOfGeneration'>;

interface Bounds {
  readonly constraint: Constraint;
  readonly state: NativeState;
}

/** One sequence's native sampler. The configuration is sent again only when part of it can change. */
class AddonSampler implements SequenceSampler {
  readonly sampling: Sampling;
  readonly bounds: Bounds | undefined;
  readonly #native: NativeSampler;
  readonly #history: SamplerHistory;
  /** The same list as long as nothing has changed. */
  #banned: readonly number[];
  #isBound = false;
  #isConfigured = false;

  constructor({
    native,
    sampling,
    history,
    banned,
    bounds,
  }: {
    native: NativeSampler;
    sampling: Sampling;
    history: SamplerHistory;
    banned: readonly number[];
    bounds: Bounds | undefined;
  }) {
    this.#native = native;
    this.sampling = sampling;
    this.bounds = bounds;
    this.#history = history;
    this.#banned = banned;
  }

  /** Must not be called while a native call runs. */
  prepare(): NativeSampler {
    let changes = hasPenalties(this.sampling) || this.sampling.repeatPenalty !== 1;
    if (this.bounds !== undefined) {
      const { isBound } = this.bounds.constraint;
      const bans = this.bounds.constraint.bans('ends');
      if (bans !== this.#banned || isBound !== this.#isBound) changes = true;
      this.#banned = bans;
      this.#isBound = isBound;
    }
    if (!this.#isConfigured || changes) {
      this.#native.applyConfig(this.#config());
      this.#isConfigured = true;
    }
    return this.#native;
  }

  /** Of the token that was sampled last. */
  isBanned(id: number): boolean {
    return this.#banned.includes(id) || isBanned(this.sampling, id);
  }

  dispose(): void {
    this.#native.dispose();
  }

  #config(): Record<string, unknown> {
    const { temperature, topP, topK, minP, seed, repeatPenalty } = this.sampling;
    const config: Record<string, unknown> = { temperature, seed: nativeSeed(seed) };
    // A key that is absent leaves the step out of the native chain: off costs nothing.
    if (topK > 0) config.topK = topK;
    if (topP < 1) config.topP = topP;
    if (minP > 0) config.minP = minP;
    if (repeatPenalty !== 1) {
      config.repeatPenalty = repeatPenalty;
      config.repeatPenaltyMaxTokens = REPEAT_WINDOW_TOKENS;
      config.repeatPenaltyTokens = Uint32Array.from(this.#history.lastTokens());
    }
    const bias = tokenBias(this.sampling, this.#history.generatedCounts, this.#banned);
    if (bias !== undefined) {
      config.tokenBiasKeys = bias.keys;
      config.tokenBiasValues = bias.values;
    }
    // A configuration without it takes it away.
    if (this.#isBound) config.grammarEvaluationState = this.bounds!.state;
    return config;
  }
}

function nativeOf(llama: Llama, model: LlamaModel, context: LlamaContext): Native {
  const mismatch = addonMismatch(llama, model, context);
  if (mismatch !== undefined) throw new Error(mismatch);
  const inside = internals(llama, model, context);
  const Sampler = inside.AddonSampler!;
  return {
    context: inside.context as unknown as NativeContext,
    createSampler: () => new Sampler(inside.model),
    canBeNext: (state, token) => Sampler.canBeNextTokenForGrammarEvaluationState(state, token),
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
