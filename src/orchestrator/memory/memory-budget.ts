/**
 * How much memory models may take together, and who has to go for another one. Pure.
 *
 * Units   bytes.
 * Errors  none.
 */
export interface Resident {
  readonly model: string;
  /** When it was last asked for. */
  readonly usedMs: number;
  /** Nobody uses it, and nobody waits for it. */
  readonly isIdle: boolean;
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

  /**
   * Idle ones first, of them the least recently used, and no more than it takes. Undefined: all of them are
   * not enough.
   */
  evictionsFor<T extends Resident>(
    bytes: number,
    residents: readonly T[],
  ): readonly T[] | undefined {
    const going: T[] = [];
    let free = this.freeBytes;
    const order = (a: T, b: T) => Number(b.isIdle) - Number(a.isIdle) || a.usedMs - b.usedMs;
    for (const resident of residents.toSorted(order)) {
      if (free >= bytes) break;
      const held = this.#heldBy(resident.model);
      free += held;
      // One that waits for memory itself has none to give.
      if (held > 0) going.push(resident);
    }
    return free >= bytes ? going : undefined;
  }

  freeBytesAfter(going: readonly Resident[]): number {
    return going.reduce((free, { model }) => free + this.#heldBy(model), this.freeBytes);
  }

  #heldBy(model: string): number {
    let held = 0;
    for (const one of this.#reserved.values()) if (one.model === model) held += one.bytes;
    return held;
  }
}
