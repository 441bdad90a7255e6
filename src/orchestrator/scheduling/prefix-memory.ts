/**
 * Which beginnings of prompts a replica has read lately, so that the next turn of a conversation goes to where the
 * last one was read. A guess: what its cache still holds only the worker knows, and it says so in `cachedTokens`.
 * Pure.
 *
 * A trail is the prompt's beginnings, shortest first, each as a hash: up to each message of a chat, or each
 * BLOCK characters of a text.
 *
 * Errors  none; two prompts with the same hash cost a worse choice.
 */
import { createHash } from 'node:crypto';

import type { GenerationRequest } from '../../core/engine.ts';

export type Trail = readonly string[];

/** Characters, or tokens of a prompt that is given as tokens. */
const BLOCK = 512;
/** Longer ones are told apart by their first part. */
const TRAIL_MAX = 64;
/** Beginnings that are remembered for one replica. */
const MEMORY_MAX = 1_024;

/** `affinity` makes requests that have it in common begin alike, and no others. */
export function trailOf({ prompt }: Pick<GenerationRequest, 'prompt'>, affinity?: string): Trail {
  const trail: string[] = [];
  const hash = createHash('sha1');
  if (affinity !== undefined) {
    trail.push(hash.update(`key ${affinity}`).copy().digest('base64'));
  }
  for (const piece of piecesOf(prompt)) {
    trail.push(hash.update(piece).copy().digest('base64'));
    if (trail.length === TRAIL_MAX) break;
  }
  return trail;
}

function* piecesOf(prompt: GenerationRequest['prompt']): Generator<string> {
  if ('messages' in prompt) {
    for (const message of prompt.messages) yield JSON.stringify(message);
    return;
  }
  const whole = 'text' in prompt ? prompt.text : prompt.tokens;
  for (let at = 0; at + BLOCK <= whole.length; at += BLOCK) {
    const block = whole.slice(at, at + BLOCK);
    yield typeof block === 'string' ? block : block.join(' ');
  }
}

export class PrefixMemory {
  /** The oldest first. */
  readonly #seen = new Set<string>();

  /** How many of its beginnings, from the shortest on, were read here. */
  depthOf(trail: Trail): number {
    let depth = trail.length;
    while (depth > 0 && !this.#seen.has(trail[depth - 1]!)) depth -= 1;
    return depth;
  }

  read(trail: Trail): void {
    for (const beginning of trail) {
      this.#seen.delete(beginning);
      this.#seen.add(beginning);
    }
    while (this.#seen.size > MEMORY_MAX) this.#seen.delete(this.#seen.values().next().value!);
  }
}
