/**
 * How long the shortest text of each rule is, in code points: 0 for a rule that may be empty,
 * Infinity for one that never ends.
 *
 * Source  D. E. Knuth, "A generalization of Dijkstra's algorithm", 1977: rules are settled by
 *         ascending length, so each is looked at once, whatever refers to what.
 */
import type { Alternatives } from './grammar.ts';
import { MinHeap } from './min-heap.ts';
import { idOf, isRule, RULE_END } from './rule-list.ts';

/** A text can be 2^n long in n rules; beyond this only "finite" matters. */
const LONGEST = 2 ** 40;

export function leastLengths(grammar: Alternatives): Float64Array {
  const { elements, alternatives, ofRule, sets } = grammar;
  const ruleCount = ofRule.length - 1;
  const count = alternatives.length;
  const length = new Float64Array(ruleCount).fill(Number.POSITIVE_INFINITY);
  const ownerOf = new Int32Array(count);
  const sum = new Float64Array(count);
  const unsettled = new Int32Array(count);
  const users: number[][] = Array.from({ length: ruleCount }, () => []);
  const heap = new MinHeap();

  for (let rule = 0; rule < ruleCount; rule++) {
    for (let i = ofRule[rule]!; i < ofRule[rule + 1]!; i++) {
      ownerOf[i] = rule;
      for (let at = alternatives[i]!; elements[at] !== RULE_END; at++) {
        const element = elements[at]!;
        if (isRule(element)) {
          unsettled[i]!++;
          users[idOf(element)]!.push(i);
        } else {
          sum[i]! += sets[idOf(element)]!.length === 0 ? Number.POSITIVE_INFINITY : 1;
        }
      }
      if (unsettled[i] === 0 && sum[i]! < Number.POSITIVE_INFINITY) heap.push(sum[i]!, rule);
    }
  }
  const isSettled = new Uint8Array(ruleCount);
  for (;;) {
    const rule = heap.pop();
    if (rule === undefined) return length;
    if (isSettled[rule] === 1) continue;
    isSettled[rule] = 1;
    length[rule] = heap.lastKey;
    for (const i of users[rule]!) {
      if (sum[i]! < LONGEST) sum[i] = Math.min(sum[i]! + length[rule]!, LONGEST);
      if (--unsettled[i]! === 0 && sum[i]! < Number.POSITIVE_INFINITY) {
        heap.push(sum[i]!, ownerOf[i]!);
      }
    }
  }
}
