/**
 * The native samplers of one sequence: one that knows no grammar, and one that goes through the whole
 * vocabulary with it.
 *
 * Errors  none here. Configured while a native call runs, a sampler is freed under it: nobody may.
 */
import type { Sampling } from '../../../core/engine.ts';
import type { SamplerHistory, SequenceSampler } from './executor.ts';
import type { Constraint } from './grammar/constraint.ts';
import {
  hasPenalties,
  isBanned,
  nativeSeed,
  REPEAT_WINDOW_TOKENS,
  tokenBias,
} from './penalties.ts';

export interface NativeSampler {
  applyConfig(config: Record<string, unknown>): void;
  dispose(): void;
}

/** Where one sequence is in its grammar. */
export type NativeState = object;

export interface Bounds {
  readonly constraint: Constraint;
  readonly state: NativeState;
}

export interface AddonSamplerOptions {
  readonly create: () => NativeSampler;
  readonly sampling: Sampling;
  readonly history: SamplerHistory;
  /** Where there is no constraint: it knows its own. */
  readonly banned: readonly number[];
  readonly bounds: Bounds | undefined;
}

const NONE: readonly number[] = [];

export class AddonSampler implements SequenceSampler {
  readonly sampling: Sampling;
  readonly bounds: Bounds | undefined;
  readonly #options: AddonSamplerOptions;
  readonly #free: Chain;
  /** Most sequences under a grammar need it, but not from the start. */
  #bound: Chain | undefined;

  constructor(options: AddonSamplerOptions) {
    this.#options = options;
    this.sampling = options.sampling;
    this.bounds = options.bounds;
    this.#free = new Chain(options);
  }

  /** Without the grammar. `rejected` are not drawn again. */
  free(rejected = NONE): NativeSampler {
    return this.#free.prepare(this.#bans, rejected);
  }

  /** With it, and it goes on with what is drawn. */
  bound(): NativeSampler {
    this.#bound ??= new Chain(this.#options, this.bounds?.state);
    return this.#bound.prepare(this.#bans, NONE);
  }

  /** A native sampler takes any token where all are banned. */
  isBanned(id: number): boolean {
    return this.#bans.includes(id) || isBanned(this.sampling, id);
  }

  dispose(): void {
    this.#free.dispose();
    this.#bound?.dispose();
  }

  /** The same list as long as nothing has changed. */
  get #bans(): readonly number[] {
    return this.bounds?.constraint.bans('ends') ?? this.#options.banned;
  }
}

/** One native sampler. Its configuration is sent again only where part of it can have changed. */
class Chain {
  readonly #native: NativeSampler;
  readonly #options: AddonSamplerOptions;
  readonly #grammar: NativeState | undefined;
  readonly #alwaysChanges: boolean;
  #bans: readonly number[] | undefined;

  constructor(options: AddonSamplerOptions, grammar?: NativeState) {
    const { create, sampling } = options;
    this.#native = create();
    this.#options = options;
    this.#grammar = grammar;
    this.#alwaysChanges = hasPenalties(sampling) || sampling.repeatPenalty !== 1;
  }

  prepare(bans: readonly number[], rejected: readonly number[]): NativeSampler {
    const isSame = rejected.length === 0 && bans === this.#bans;
    if (!isSame || this.#alwaysChanges) {
      this.#native.applyConfig(this.#config([...bans, ...rejected]));
      this.#bans = rejected.length === 0 ? bans : undefined;
    }
    return this.#native;
  }

  dispose(): void {
    this.#native.dispose();
  }

  #config(banned: readonly number[]): Record<string, unknown> {
    const { sampling, history } = this.#options;
    const { temperature, topP, topK, minP, seed, repeatPenalty } = sampling;
    const config: Record<string, unknown> = { temperature, seed: nativeSeed(seed) };
    // A key that is absent leaves the step out of the native chain: off costs nothing.
    if (topK > 0) config.topK = topK;
    if (topP < 1) config.topP = topP;
    if (minP > 0) config.minP = minP;
    if (repeatPenalty !== 1) {
      config.repeatPenalty = repeatPenalty;
      config.repeatPenaltyMaxTokens = REPEAT_WINDOW_TOKENS;
      config.repeatPenaltyTokens = Uint32Array.from(history.lastTokens());
    }
    const bias = tokenBias(sampling, history.generatedCounts, banned);
    if (bias !== undefined) {
      config.tokenBiasKeys = bias.keys;
      config.tokenBiasValues = bias.values;
    }
    if (this.#grammar !== undefined) config.grammarEvaluationState = this.#grammar;
    return config;
  }
}
