/**
 * What a matcher returns to: stacks with shared tails.
 *
 *   frame  (position, tail): where a rule that was entered goes on, and what lies below
 *   tail   a set of frames: all the ways to go on; the bottom, "the text is complete", is one of them
 *
 * Both have numbers, and equal ones the same number, whenever they were made: so a state that comes
 * back is recognised. The engine keeps every stack by itself; a tail stands for all of them at once,
 * which may be exponentially many.
 *
 * Source  M. Tomita, "Efficient Parsing for Natural Language", 1985 (the graph-structured stack).
 */
import { Interner } from './interner.ts';

/** The frame below all others. */
export const BOTTOM = 0;

/** Positions are below it, and pairs of a position and a tail fit into 2^53. */
const POSITIONS = 2 ** 22;

export class Tails {
  readonly #frames = new Map<number, number>();
  readonly #sets = new Interner();
  /** By frame. */
  readonly positions: number[] = [-1];
  readonly below: number[] = [-1];
  /** By frame: the tail that holds nothing else. */
  readonly #alone: number[] = [];
  /** The tail that holds the bottom alone. */
  readonly bottom: number;

  constructor() {
    this.bottom = this.#sets.idOf([BOTTOM]);
    this.#alone.push(this.bottom);
  }

  get size(): number {
    return this.positions.length + this.#sets.lists.length;
  }

  framesOf(tail: number): readonly number[] {
    return this.#sets.lists[tail]!;
  }

  /** The tail of one frame. */
  push(position: number, below: number): number {
    const key = below * POSITIONS + position;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      frame = this.positions.push(position) - 1;
      this.below.push(below);
      this.#alone.push(this.#sets.idOf([frame]));
      this.#frames.set(key, frame);
    }
    return this.#alone[frame]!;
  }

  /** All frames of several tails. */
  union(tails: readonly number[]): number {
    if (tails.length === 1) return tails[0]!;
    const frames = new Set<number>();
    for (const tail of tails) for (const frame of this.framesOf(tail)) frames.add(frame);
    return this.#sets.idOf([...frames].sort((a, b) => a - b));
  }

  /** How many frames a union of these looks at. */
  sizeOf(tails: readonly number[]): number {
    let size = 0;
    for (const tail of tails) size += this.framesOf(tail).length;
    return size;
  }
}
