/**
 * How much memory models may take together, and who has to go for another one. Pure.
 *
 * Units   bytes.
 * Errors  none.
 */
export interface Evictable {
  readonly model: string;
  /** When it was last asked for. */
  readonly usedMs: number;
}

export class MemoryBudget {
  readonly budgetBytes: number;
  /** By holder: one worker. */
  readonly #reserved = new Map<string, { readonly model: string; readonly bytes: number }>();

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  get isEmpty(): boolean {
    return this.#reserved.size === 0;
  }

  /** Never below 0: what was measured may be more than was thought. */
  get freeBytes(): number {
    let free = this.budgetBytes;
    for (const { bytes } of this.#reserved.values()) free -= bytes;
    return Math.max(0, free);
  }

  /** Also for what is found out later about a model that is there. */
  reserve(holder: string, model: string, bytes: number): void {
    this.#reserved.set(holder, { model, bytes });
  }

  has(holder: string): boolean {
    return this.#reserved.has(holder);
  }

  release(holder: string): void {
    this.#reserved.delete(holder);
  }

  /** The least recently used first, no more than it takes. Undefined: all of them are not enough. */
  evictionsFor(bytes: number, candidates: readonly Evictable[]): readonly string[] | undefined {
    const models: string[] = [];
    let free = this.freeBytes;
    for (const { model } of candidates.toSorted((a, b) => a.usedMs - b.usedMs)) {
      if (free >= bytes) break;
      for (const held of this.#reserved.values()) if (held.model === model) free += held.bytes;
      models.push(model);
    }
    return free >= bytes ? models : undefined;
  }
}
