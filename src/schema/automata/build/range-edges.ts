/** Collects the edges of an automaton, state by state in order; joins neighbours of one target. */
import type { RawDfa } from '../dfa.ts';

export class RangeEdges {
  readonly #first: number[] = [0];
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #target: number[] = [];

  get states(): number {
    return this.#first.length - 1;
  }

  get edges(): number {
    return this.#from.length;
  }

  /** Edges of the current state, ascending and disjoint. */
  add(from: number, to: number, target: number): void {
    const last = this.#from.length - 1;
    const isJoined =
      last >= this.#first.at(-1)! && this.#target[last] === target && this.#to[last] === from - 1;
    if (isJoined) {
      this.#to[last] = to;
      return;
    }
    this.#from.push(from);
    this.#to.push(to);
    this.#target.push(target);
  }

  endState(): void {
    this.#first.push(this.#from.length);
  }

  finish(accepting: Uint8Array): RawDfa {
    return {
      accepting,
      first: Int32Array.from(this.#first),
      from: Int32Array.from(this.#from),
      to: Int32Array.from(this.#to),
      target: Int32Array.from(this.#target),
    };
  }
}
