/**
 * A set of strings, as a deterministic automaton over code points. Pure and immutable.
 *
 * Every `Dfa` is minimal and numbered in one way (breadth first along ascending code points, the
 * start is 0), and has no state from which nothing is accepted: a missing edge is the dead state.
 * Equal languages therefore have equal automata, and `keyOf` decides equality.
 *
 * Shapes  the edges of state `s` are those from `first[s]` up to, but without, `first[s + 1]`:
 *         reading a code point of `from[e]…to[e]` leads to `target[e]`. They ascend and are
 *         disjoint; neighbours with the same target are one edge. No edge has a surrogate.
 */

/** An automaton in the making: any numbering, useless states and equal states are allowed. */
export interface RawDfa {
  /** 1 for each state in which a text may end. */
  readonly accepting: Uint8Array;
  readonly first: Int32Array;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly target: Int32Array;
}

export interface Dfa extends RawDfa {
  readonly isMinimal: true;
}

export function countStates(dfa: RawDfa): number {
  return dfa.accepting.length;
}

/** The state after one code point, or -1. */
function step(dfa: RawDfa, state: number, code: number): number {
  let low = dfa.first[state]!;
  let high = dfa.first[state + 1]!;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (code > dfa.to[middle]!) low = middle + 1;
    else high = middle;
  }
  const isThere = low < dfa.first[state + 1]! && code >= dfa.from[low]!;
  return isThere ? dfa.target[low]! : -1;
}

export function accepts(dfa: RawDfa, text: string): boolean {
  let state = 0;
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at)!;
    state = step(dfa, state, code);
    if (state < 0) return false;
    at += code > 0xffff ? 2 : 1;
  }
  return dfa.accepting[state] === 1;
}

/** Equal for equal languages, and only for these. */
export function keyOf(dfa: Dfa): string {
  const ends: number[] = [];
  dfa.accepting.forEach((flag, state) => {
    if (flag === 1) ends.push(state);
  });
  return `${ends.join()};${dfa.first.join()};${dfa.from.join()};${dfa.to.join()};${dfa.target.join()}`;
}

export function isEmpty(dfa: Dfa): boolean {
  return dfa.accepting.length === 1 && dfa.accepting[0] === 0;
}

/** True for the set of all texts. */
export function isAll(dfa: Dfa): boolean {
  return (
    dfa.accepting.length === 1 &&
    dfa.accepting[0] === 1 &&
    dfa.from.length === 2 &&
    dfa.from[0] === 0 &&
    dfa.to[0] === 0xd7ff &&
    dfa.from[1] === 0xe000 &&
    dfa.to[1] === 0x10ffff
  );
}
