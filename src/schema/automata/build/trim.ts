/** Leaves out the states that cannot be reached, and those from which nothing is accepted. Pure. */
import type { LabelledDfa } from './labelled.ts';
import { type Neighbours, neighbours } from './neighbours.ts';

/** Undefined when nothing at all is accepted. */
export function trim(dfa: LabelledDfa): LabelledDfa | undefined {
  const size = dfa.accepting.length;
  const forward = flood(neighbours(size, dfa.tail), dfa.head, [0], size);
  const ends: number[] = [];
  for (let state = 0; state < size; state++) if (dfa.accepting[state] === 1) ends.push(state);
  const backward = flood(neighbours(size, dfa.head), dfa.tail, ends, size);
  const number = new Int32Array(size).fill(-1);
  let count = 0;
  for (let state = 0; state < size; state++) {
    if (forward[state] === 1 && backward[state] === 1) number[state] = count++;
  }
  if (number[0] === -1) return undefined;
  if (count === size) return dfa;
  const accepting = new Uint8Array(count);
  for (const state of ends) if (number[state]! >= 0) accepting[number[state]!] = 1;
  const kept: number[] = [];
  for (let edge = 0; edge < dfa.tail.length; edge++) {
    if (number[dfa.tail[edge]!]! >= 0 && number[dfa.head[edge]!]! >= 0) kept.push(edge);
  }
  return {
    accepting,
    tail: Int32Array.from(kept, (edge) => number[dfa.tail[edge]!]!),
    label: Int32Array.from(kept, (edge) => dfa.label[edge]!),
    head: Int32Array.from(kept, (edge) => number[dfa.head[edge]!]!),
    alphabet: dfa.alphabet,
  };
}

function flood(
  { first, edges }: Neighbours,
  other: Int32Array,
  from: readonly number[],
  size: number,
): Uint8Array {
  const seen = new Uint8Array(size);
  const open = [...from];
  for (const state of from) seen[state] = 1;
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (let at = first[state]!; at < first[state + 1]!; at++) {
      const next = other[edges[at]!]!;
      if (seen[next] === 1) continue;
      seen[next] = 1;
      open.push(next);
    }
  }
  return seen;
}
