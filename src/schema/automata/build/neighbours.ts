/** The edges of each state, by a counting sort. Pure. */

export interface Neighbours {
  /** State `s` has `edges[first[s]…first[s + 1] - 1]`. */
  readonly first: Int32Array;
  readonly edges: Int32Array;
}

/** `stateOf[e]` is the state to which edge `e` is counted. */
export function neighbours(states: number, stateOf: Int32Array): Neighbours {
  const first = new Int32Array(states + 1);
  for (let edge = 0; edge < stateOf.length; edge++) first[stateOf[edge]! + 1]!++;
  for (let state = 0; state < states; state++) first[state + 1]! += first[state]!;
  const next = first.slice(0, states);
  const edges = new Int32Array(stateOf.length);
  for (let edge = 0; edge < stateOf.length; edge++) edges[next[stateOf[edge]!]!++] = edge;
  return { first, edges };
}
