/**
 * Which parts of a range are free: first fit, and neighbours that are free become one. Pure.
 *
 * The list is kept in order of offsets. It is short: a channel has a few blocks in flight at once, so
 * that walking it costs less than keeping it sorted by size would.
 *
 * Units   bytes; sizes are rounded up to `GRANULE_BYTES`.
 * Errors  BugError when something is released that was not allocated.
 */
import { BugError } from '../core/errors.ts';

/** A page: blocks that share none can be given back to the system without touching a neighbour. */
export const GRANULE_BYTES = 4096;

export interface Range {
  readonly offset: number;
  readonly bytes: number;
}

export class FreeList {
  #free: readonly Range[];
  readonly #taken = new Map<number, number>();

  constructor(bytes: number) {
    this.#free = [{ offset: 0, bytes }];
  }

  /** What is free, in order. */
  get free(): readonly Range[] {
    return this.#free;
  }

  get isUnused(): boolean {
    return this.#taken.size === 0;
  }

  /** Undefined when no gap is large enough. */
  allocate(bytes: number): Range | undefined {
    const wanted = Math.max(1, Math.ceil(bytes / GRANULE_BYTES)) * GRANULE_BYTES;
    const gap = this.#free.find((range) => range.bytes >= wanted);
    if (gap === undefined) return undefined;
    const rest = { offset: gap.offset + wanted, bytes: gap.bytes - wanted };
    this.#free = this.#free.flatMap((range) =>
      range !== gap ? [range] : rest.bytes > 0 ? [rest] : [],
    );
    this.#taken.set(gap.offset, wanted);
    return { offset: gap.offset, bytes: wanted };
  }

  release({ offset }: Range): void {
    const bytes = this.#taken.get(offset);
    if (bytes === undefined) throw new BugError('A block was released that nobody holds.');
    this.#taken.delete(offset);
    const joined: Range[] = [];
    for (const range of [...this.#free, { offset, bytes }].toSorted(byOffset)) {
      const last = joined.at(-1);
      if (last !== undefined && last.offset + last.bytes === range.offset) {
        joined[joined.length - 1] = { offset: last.offset, bytes: last.bytes + range.bytes };
      } else {
        joined.push(range);
      }
    }
    this.#free = joined;
  }
}

function byOffset(a: Range, b: Range): number {
  return a.offset - b.offset;
}
