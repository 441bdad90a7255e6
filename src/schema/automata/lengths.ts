/**
 * How long the texts of a set are, in code points, and whether there are finitely many. Pure.
 *
 * Every state of an automaton is live, so that the set is infinite exactly if there is a cycle.
 */
import { type Dfa, isEmpty } from './dfa.ts';

export function isFiniteSet(dfa: Dfa): boolean {
  return topological(dfa) !== undefined;
}

/** Undefined for the empty set. */
export function minLength(dfa: Dfa): number | undefined {
  if (isEmpty(dfa)) return undefined;
  const depth = new Int32Array(dfa.accepting.length).fill(-1);
  depth[0] = 0;
  const order = [0];
  for (const state of order) {
    if (dfa.accepting[state] === 1) return depth[state];
    for (let edge = dfa.first[state]!; edge < dfa.first[state + 1]!; edge++) {
      const target = dfa.target[edge]!;
      if (depth[target] !== -1) continue;
      depth[target] = depth[state]! + 1;
      order.push(target);
    }
  }
  return undefined;
}

/** Infinity for an infinite set, undefined for the empty one. */
export function maxLength(dfa: Dfa): number | undefined {
  if (isEmpty(dfa)) return undefined;
  const order = topological(dfa);
  if (order === undefined) return Infinity;
  const depth = new Int32Array(dfa.accepting.length);
  let longest = 0;
  for (const state of order) {
    longest = Math.max(longest, depth[state]!);
    for (let edge = dfa.first[state]!; edge < dfa.first[state + 1]!; edge++) {
      const target = dfa.target[edge]!;
      depth[target] = Math.max(depth[target]!, depth[state]! + 1);
    }
  }
  return longest;
}

/** The states, each before its targets; undefined when there is a cycle. */
function topological(dfa: Dfa): readonly number[] | undefined {
  const open = new Int32Array(dfa.accepting.length);
  for (const target of dfa.target) open[target]!++;
  if (open[0]! > 0) return undefined;
  const order = [0];
  for (const state of order) {
    for (let edge = dfa.first[state]!; edge < dfa.first[state + 1]!; edge++) {
      const target = dfa.target[edge]!;
      open[target]!--;
      if (open[target] === 0) order.push(target);
    }
  }
  return order.length === dfa.accepting.length ? order : undefined;
}
