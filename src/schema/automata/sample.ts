/**
 * One text of a set, at random: a walk that prefers to end once it is `length` long. Pure: the
 * randomness is handed in.
 *
 * Not uniform: each state chooses among its edges with equal weight, then within the range.
 */

import { distanceToEnd } from './build/distance.ts';
import { type Dfa, isEmpty } from './dfa.ts';

/** `random` gives numbers in [0, 1). Undefined for the empty set. */
export function sample(dfa: Dfa, random: () => number, length = 16): string | undefined {
  if (isEmpty(dfa)) return undefined;
  const distance = distanceToEnd(dfa);
  let text = '';
  let state = 0;
  for (let read = 0; ; read++) {
    const first = dfa.first[state]!;
    const count = dfa.first[state + 1]! - first;
    const isHurried = read >= length;
    const mayEnd = dfa.accepting[state] === 1;
    if (mayEnd && (count === 0 || isHurried || random() < 1 / (length + 1))) return text;
    let edge = first + Math.floor(random() * count);
    if (isHurried) {
      edge = first;
      while (distance[dfa.target[edge]!]! >= distance[state]!) edge++;
    }
    const span = dfa.to[edge]! - dfa.from[edge]! + 1;
    text += String.fromCodePoint(dfa.from[edge]! + Math.floor(random() * span));
    state = dfa.target[edge]!;
  }
}
