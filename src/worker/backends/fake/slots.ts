/**
 * Slots with what their caches hold, as on a real backend: a call takes the idle slot that shares
 * the longest prefix with its prompt, and the last token of a prompt is always read anew.
 * Prefixes are shared within one tenant only.
 */

export interface Slot {
  readonly id: number;
  tenant: string;
  /** Prompt and answer, as far as they were read and produced. */
  tokens: number[];
  isBusy: boolean;
}

export class Slots {
  readonly #slots: readonly Slot[];

  constructor(count: number) {
    this.#slots = Array.from({ length: count }, (_, id) => ({
      id,
      tenant: '',
      tokens: [],
      isBusy: false,
    }));
  }

  get usedTokens(): number {
    return this.#slots.reduce((sum, { tokens }) => sum + tokens.length, 0);
  }

  /** Undefined when every slot is busy. */
  take(
    tenant: string,
    prompt: readonly number[],
  ): { slot: Slot; cachedTokens: number } | undefined {
    let best: Slot | undefined;
    let cachedTokens = 0;
    for (const slot of this.#slots) {
      if (slot.isBusy) continue;
      const shared = slot.tenant === tenant ? sharedPrefix(slot.tokens, prompt) : 0;
      if (best && shared <= cachedTokens) continue;
      best = slot;
      cachedTokens = shared;
    }
    if (!best) return undefined;
    best.isBusy = true;
    best.tenant = tenant;
    best.tokens = [...prompt];
    return { slot: best, cachedTokens };
  }
}

function sharedPrefix(cached: readonly number[], prompt: readonly number[]): number {
  const limit = Math.min(cached.length, prompt.length - 1);
  let length = 0;
  while (length < limit && cached[length] === prompt[length]) length++;
  return Math.max(0, length);
}
