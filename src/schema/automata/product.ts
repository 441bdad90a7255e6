/**
 * Union, intersection and difference: two automata walked at once. Pure.
 *
 * A state of the product is a pair; -1 stands for the dead state on either side. Pairs from which
 * the operation can no longer accept are not explored.
 *
 * Errors  BudgetError.
 */
import { assertEdges, assertStates, DEFAULT_STATES } from './budget.ts';
import { RangeEdges } from './build/range-edges.ts';
import type { Dfa, RawDfa } from './dfa.ts';
import { minimise } from './minimise.ts';

interface Operation {
  readonly accepts: (a: boolean, b: boolean) => boolean;
  /** What can still be accepted once the other side is dead. */
  readonly keepsA: boolean;
  readonly keepsB: boolean;
}

export function union(a: Dfa, b: Dfa, budget = DEFAULT_STATES): Dfa {
  return combine(a, b, { accepts: (x, y) => x || y, keepsA: true, keepsB: true }, budget);
}

export function intersection(a: Dfa, b: Dfa, budget = DEFAULT_STATES): Dfa {
  return combine(a, b, { accepts: (x, y) => x && y, keepsA: false, keepsB: false }, budget);
}

/** The texts of `a` that are not in `b`. */
export function difference(a: Dfa, b: Dfa, budget = DEFAULT_STATES): Dfa {
  return combine(a, b, { accepts: (x, y) => x && !y, keepsA: true, keepsB: false }, budget);
}

function combine(a: RawDfa, b: RawDfa, operation: Operation, budget: number): Dfa {
  const width = b.accepting.length + 1;
  const numberOf = new Map<number, number>([[0, 0]]);
  const pairs: number[] = [0, 0];
  const edges = new RangeEdges();
  const lead = (from: number, to: number, p: number, q: number): void => {
    if ((p < 0 && !(operation.keepsB && q >= 0)) || (q < 0 && !operation.keepsA)) return;
    const key = (p + 1) * width + q + 1 - (width + 1);
    let number = numberOf.get(key);
    if (number === undefined) {
      number = numberOf.size;
      numberOf.set(key, number);
      pairs.push(p, q);
      assertStates(number + 1, budget);
    }
    edges.add(from, to, number);
  };
  const accepting: number[] = [];
  for (let at = 0; at < pairs.length; at += 2) {
    const p = pairs[at]!;
    const q = pairs[at + 1]!;
    accepting.push(operation.accepts(flagOf(a, p), flagOf(b, q)) ? 1 : 0);
    walk(a, p, b, q, lead);
    edges.endState();
    assertEdges(edges.edges, budget);
  }
  return minimise(edges.finish(Uint8Array.from(accepting)), budget);
}

function flagOf(dfa: RawDfa, state: number): boolean {
  return state >= 0 && dfa.accepting[state] === 1;
}

/** Calls `lead` for each piece of the line of code points on which neither side changes. */
function walk(
  a: RawDfa,
  p: number,
  b: RawDfa,
  q: number,
  lead: (from: number, to: number, p: number, q: number) => void,
): void {
  let i = p < 0 ? 0 : a.first[p]!;
  let j = q < 0 ? 0 : b.first[q]!;
  const endA = p < 0 ? 0 : a.first[p + 1]!;
  const endB = q < 0 ? 0 : b.first[q + 1]!;
  for (let code = 0; i < endA || j < endB; ) {
    const fromA = i < endA ? Math.max(a.from[i]!, code) : Infinity;
    const fromB = j < endB ? Math.max(b.from[j]!, code) : Infinity;
    const from = Math.min(fromA, fromB);
    const isA = fromA === from;
    const isB = fromB === from;
    const to = Math.min(isA ? a.to[i]! : fromA - 1, isB ? b.to[j]! : fromB - 1);
    lead(from, to, isA ? a.target[i]! : -1, isB ? b.target[j]! : -1);
    code = to + 1;
    if (isA && a.to[i] === to) i++;
    if (isB && b.to[j] === to) j++;
  }
}
