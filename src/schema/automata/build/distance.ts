/** How many code points each state is away from the nearest end. Pure; every state is live. */
import type { Dfa } from '../dfa.ts';
import { neighbours } from './neighbours.ts';

export function distanceToEnd(dfa: Dfa): Int32Array {
  const size = dfa.accepting.length;
  const tail = new Int32Array(dfa.target.length);
  for (let state = 0; state < size; state++) {
    tail.fill(state, dfa.first[state], dfa.first[state + 1]);
  }
  const incoming = neighbours(size, dfa.target);
  const distance = new Int32Array(size).fill(-1);
  const order: number[] = [];
  for (let state = 0; state < size; state++) {
    if (dfa.accepting[state] === 0) continue;
    distance[state] = 0;
    order.push(state);
  }
  for (const state of order) {
    for (let at = incoming.first[state]!; at < incoming.first[state + 1]!; at++) {
      const source = tail[incoming.edges[at]!]!;
      if (distance[source] !== -1) continue;
      distance[source] = distance[state]! + 1;
      order.push(source);
    }
  }
  return distance;
}
