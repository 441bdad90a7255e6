/**
 * Frequency and presence penalty and logit bias as one additive bias per token. Pure.
 *
 * The native penalty sampler has one token window for all its penalties; ours differ: frequency and
 * presence count generated tokens only (OpenAI's definition), `repeat_penalty` looks at the last 64
 * tokens of prompt and answer. So the additive ones become a bias, which is the same arithmetic:
 * logit - count × frequency - (count > 0) × presence.
 *
 * Shapes  `keys` and `values` are parallel, keys distinct.
 * Source  OpenAI API reference, "frequency_penalty"; llama.cpp `llama_sampler_penalties_apply`.
 */
import type { Sampling } from '../../../core/engine.ts';

/** How far back `repeat_penalty` looks, over prompt and answer. */
export const REPEAT_WINDOW_TOKENS = 64;

export interface TokenBias {
  readonly keys: Uint32Array;
  readonly values: Float32Array;
}

/** OpenAI: "-100 or 100 should result in a ban or exclusive selection". */
const BAN = -100;

/** Undefined when no logit changes. `banned` are ids that must never be sampled. */
export function tokenBias(
  sampling: Pick<Sampling, 'frequencyPenalty' | 'presencePenalty' | 'logitBias'>,
  generatedCounts: ReadonlyMap<number, number>,
  banned: readonly number[],
): TokenBias | undefined {
  const bias = new Map<number, number>();
  for (const [id, value] of sampling.logitBias) {
    bias.set(id, value <= BAN ? Number.NEGATIVE_INFINITY : value);
  }
  if (hasPenalties(sampling)) {
    for (const [id, count] of generatedCounts) {
      const penalty = count * sampling.frequencyPenalty + sampling.presencePenalty;
      bias.set(id, (bias.get(id) ?? 0) - penalty);
    }
  }
  for (const id of banned) bias.set(id, Number.NEGATIVE_INFINITY);
  if (bias.size === 0) return undefined;
  return { keys: Uint32Array.from(bias.keys()), values: Float32Array.from(bias.values()) };
}

/** By the request itself. */
export function isBanned({ logitBias }: Pick<Sampling, 'logitBias'>, id: number): boolean {
  return logitBias.some(([biased, value]) => biased === id && value <= BAN);
}

export function hasPenalties({
  frequencyPenalty,
  presencePenalty,
}: Pick<Sampling, 'frequencyPenalty' | 'presencePenalty'>): boolean {
  return frequencyPenalty !== 0 || presencePenalty !== 0;
}

/** llama.cpp takes the largest seed for "draw one at random"; its neighbour gives what was asked. */
export function nativeSeed(seed: number): number {
  return Math.min(seed, 0xffff_fffe);
}
