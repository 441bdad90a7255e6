/**
 * Which slot a new sequence gets. Pure.
 *
 * A slot keeps its KV cache after its sequence has ended, so the next turn of a conversation finds
 * its prefix there. llama.cpp computes neighbouring sequence ids in one pass, and every gap between
 * running ids costs one pass more.
 *
 * Source  design rule 4 of gguf.md, except that where no prefix is worth reusing the slot is not
 *         simply the lowest free one: two conversations in turn would erase each other's cache.
 */

export interface SlotView {
  readonly id: number;
  readonly busy: boolean;
  /** Token ids in the KV cache. */
  readonly cached: readonly number[];
  /** Whose text is cached: a prefix is never shared between tenants. */
  readonly tenant: string;
  /** Grows with every use. */
  readonly lastUsed: number;
}

export interface SlotChoice {
  readonly id: number;
  readonly cachedTokens: number;
}

/** A shorter prefix is cheaper to read again than a good cache is to lose. */
const WORTH_TOKENS = 64;
const WORTH_SHARE = 0.25;

/** Undefined when every slot is busy. `cachedTokens` leaves at least one prompt token to evaluate. */
export function chooseSlot(
  slots: readonly SlotView[],
  prompt: readonly number[],
  tenant: string,
): SlotChoice | undefined {
  const idle = slots.filter((slot) => !slot.busy);
  if (idle.length === 0) return undefined;

  let best: SlotChoice | undefined;
  for (const slot of idle) {
    if (slot.tenant !== tenant) continue;
    const length = commonPrefix(slot.cached, prompt);
    if (best === undefined || length > best.cachedTokens) {
      best = { id: slot.id, cachedTokens: length };
    }
  }
  if (best !== undefined && isWorthIt(best.cachedTokens, prompt.length)) return best;

  const running = new Set(slots.filter((slot) => slot.busy).map((slot) => slot.id));
  const [first, ...others] = idle.map((slot) => ({
    slot,
    passes: countRuns(running, slot.id),
    keeps: slot.cached.length >= WORTH_TOKENS ? 1 : 0,
  }));
  const chosen = others.reduce((a, b) => (isBefore(b, a) ? b : a), first!).slot;
  const cachedTokens = chosen.tenant === tenant ? commonPrefix(chosen.cached, prompt) : 0;
  return { id: chosen.id, cachedTokens };
}

interface Candidate {
  readonly slot: SlotView;
  /** Passes a decode step takes when this slot joins. */
  readonly passes: number;
  /** 1 when the slot holds a cache that somebody may come back to. */
  readonly keeps: number;
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return (
    (a.passes - b.passes ||
      a.keeps - b.keeps ||
      (a.keeps === 1 ? a.slot.lastUsed - b.slot.lastUsed : 0) ||
      a.slot.id - b.slot.id) < 0
  );
}

function isWorthIt(savedTokens: number, promptTokens: number): boolean {
  return savedTokens >= WORTH_TOKENS || savedTokens >= promptTokens * WORTH_SHARE;
}

/** Length of the common prefix, at most one less than the prompt: one token must be evaluated. */
function commonPrefix(cached: readonly number[], prompt: readonly number[]): number {
  const limit = Math.min(cached.length, prompt.length - 1);
  let length = 0;
  while (length < limit && cached[length] === prompt[length]) length++;
  return Math.max(0, length);
}

/** Number of contiguous runs of ids among `running` and `joining`. */
function countRuns(running: ReadonlySet<number>, joining: number): number {
  let runs = running.has(joining - 1) ? 0 : 1;
  for (const id of running) if (id - 1 !== joining && !running.has(id - 1)) runs++;
  return runs;
}
