/**
 * A non-deterministic automaton in the making. It is built from its end: each method is given the
 * node that comes next and returns the node to enter by, so that nothing is patched afterwards.
 *
 *   char    reads one code point of a set      split   goes on at both of two nodes
 *   assert  passes where its condition holds   accept  the text may end here
 *   found   the text may end here, or go on with anything
 *
 * Errors  BudgetError.
 */
import { assertNodes } from '../budget.ts';
import type { RawDfa } from '../dfa.ts';
import type { Ranges } from '../ranges.ts';

export type NodeKind = 'char' | 'split' | 'assert' | 'accept' | 'found';
export type Assertion = 'start' | 'end' | 'word' | 'not-word';

export interface Repeat {
  readonly min: number;
  readonly max: number;
  readonly isSkipping?: boolean;
}

export class Nfa {
  readonly kinds: NodeKind[] = [];
  /** Where a node leads; -1 where it does not. */
  readonly next: number[] = [];
  readonly other: number[] = [];
  readonly assertions: (Assertion | undefined)[] = [];
  /** Of a `char` node, the index of its set in `sets`; else -1. */
  readonly setOf: number[] = [];
  readonly sets: Ranges[] = [];

  readonly #setIds = new Map<Ranges, number>();
  readonly #budget: number;

  constructor(budget: number) {
    this.#budget = budget;
  }

  get hasWordAssertions(): boolean {
    return this.assertions.some((kind) => kind === 'word' || kind === 'not-word');
  }

  char(set: Ranges, next: number): number {
    const node = this.#add('char', next);
    this.setOf[node] = this.#idOf(set);
    return node;
  }

  split(next: number, other: number): number {
    const node = this.#add('split', next);
    this.other[node] = other;
    return node;
  }

  assert(kind: Assertion, next: number): number {
    const node = this.#add('assert', next);
    this.assertions[node] = kind;
    return node;
  }

  accept(): number {
    return this.#add('accept', -1);
  }

  /** `universe` is everything that a text can go on with. */
  found(universe: Ranges): number {
    this.#idOf(universe);
    return this.#add('found', -1);
  }

  /** `build(next)` any number of times, then `next`. */
  star(build: (next: number) => number, next: number): number {
    const loop = this.split(next, -1);
    this.other[loop] = build(loop);
    return loop;
  }

  /**
   * `build(next)` from `min` to `max` times (Infinity is allowed), then `next`.
   *
   * `x{0,2}` is `(x(x)?)?`: one way per text, and one node per state behind an anchor. With
   * `isSkipping` it is `x?x?`: several ways, but what may still come after a later start is part of
   * what may come after an earlier one, so that `x.{0,50}y` has 50 states instead of 2⁵⁰.
   */
  repeat(
    build: (next: number) => number,
    { min, max, isSkipping = false }: Repeat,
    next: number,
  ): number {
    let entry = max === Infinity ? this.star(build, next) : next;
    for (let count = max === Infinity ? min : max; count > 0; count--) {
      const size = this.kinds.length;
      const after = entry;
      entry = build(after);
      // What reads nothing and asks nothing may be repeated a billion times in a pattern.
      if (this.kinds.length === size) return entry;
      if (count > min) entry = this.split(entry, isSkipping ? after : next);
    }
    return entry;
  }

  /** A whole automaton, then `next`. */
  embed(dfa: RawDfa, next: number): number {
    const base = this.kinds.length;
    const states = dfa.accepting.length;
    for (let state = 0; state < states; state++) this.split(-1, -1);
    for (let state = 0; state < states; state++) {
      let entry = dfa.accepting[state] === 1 ? next : -1;
      for (const [target, pairs] of setsByTarget(dfa, state)) {
        const read = this.char(pairs, base + target);
        entry = entry === -1 ? read : this.split(read, entry);
      }
      this.next[base + state] = entry;
    }
    return base;
  }

  #idOf(set: Ranges): number {
    let id = this.#setIds.get(set);
    if (id === undefined) {
      id = this.sets.push(set) - 1;
      this.#setIds.set(set, id);
    }
    return id;
  }

  #add(kind: NodeKind, next: number): number {
    assertNodes(this.kinds.length + 1, this.#budget);
    this.kinds.push(kind);
    this.next.push(next);
    this.other.push(-1);
    this.assertions.push(undefined);
    this.setOf.push(-1);
    return this.kinds.length - 1;
  }
}

/** What leads from a state to each of its targets, in the order of the edges. */
export function setsByTarget(dfa: RawDfa, state: number): Map<number, number[]> {
  const sets = new Map<number, number[]>();
  for (let edge = dfa.first[state]!; edge < dfa.first[state + 1]!; edge++) {
    const set = sets.get(dfa.target[edge]!);
    if (set === undefined) sets.set(dfa.target[edge]!, [dfa.from[edge]!, dfa.to[edge]!]);
    else set.push(dfa.from[edge]!, dfa.to[edge]!);
  }
  return sets;
}
