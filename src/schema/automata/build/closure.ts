/**
 * Which nodes an automaton can be at without reading anything more. Pure.
 *
 * A condition looks at what is before it and what is after it. What is before is known when a set
 * of nodes is made: `^` is settled at once. What is after is known only when the next code point is
 * read or the text ends: `$`, `\b` and `\B` wait in the set until then.
 *
 * Errors  BudgetError, when the sets get too large to be walked.
 */
import { assertSteps } from '../budget.ts';
import type { Assertion, Nfa } from './nfa.ts';

/** What is next to a place in the text. */
export type Neighbour = 'edge' | 'word' | 'other';

export class Closure {
  readonly #nfa: Nfa;
  readonly #budget: number;
  readonly #stamp: Int32Array;
  #round = 0;
  #steps = 0;

  constructor(nfa: Nfa, budget: number) {
    this.#nfa = nfa;
    this.#budget = budget;
    this.#stamp = new Int32Array(nfa.kinds.length);
  }

  /** The nodes that read, accept or wait; `found` alone if it is among them. Ascending. */
  from(nodes: readonly number[], before: Neighbour): readonly number[] {
    return this.#walk(nodes, (kind) => kind === 'start' && before === 'edge', true);
  }

  /** The same once it is known what comes next: nothing waits any more. */
  settle(nodes: readonly number[], before: Neighbour, after: Neighbour): readonly number[] {
    return this.#walk(nodes, (kind) => holds(kind, before, after), false);
  }

  #walk(
    nodes: readonly number[],
    passes: (kind: Assertion) => boolean,
    isWaitingKept: boolean,
  ): readonly number[] {
    const { kinds, next, other, assertions } = this.#nfa;
    const round = ++this.#round;
    const open = [...nodes];
    const set: number[] = [];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node < 0 || this.#stamp[node] === round) continue;
      this.#stamp[node] = round;
      this.#steps++;
      const kind = kinds[node]!;
      if (kind === 'found') return [node];
      if (kind === 'split') open.push(next[node]!, other[node]!);
      else if (kind !== 'assert') set.push(node);
      else if (passes(assertions[node]!)) open.push(next[node]!);
      else if (isWaitingKept && assertions[node] !== 'start') set.push(node);
    }
    assertSteps(this.#steps, this.#budget);
    return set.length > 1 ? set.sort((a, b) => a - b) : set;
  }
}

function holds(kind: Assertion, before: Neighbour, after: Neighbour): boolean {
  switch (kind) {
    case 'start':
      return before === 'edge';
    case 'end':
      return after === 'edge';
    case 'word':
      return (before === 'word') !== (after === 'word');
    case 'not-word':
      return (before === 'word') === (after === 'word');
  }
}
