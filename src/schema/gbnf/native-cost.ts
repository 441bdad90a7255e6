/**
 * What a grammar costs the engine, where that can be far more than its size.
 *
 * The check for left recursion walks every way from a rule to what it begins with, again for each
 * way, and by recursion. A step copies every stack, opens rules for each and compares every new
 * stack with all the others. None of it is bounded there, so it is measured here before.
 *
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`: llama_grammar_detect_left_recursion (does not
 *         ask `rules_visited` when it recurses), llama_grammar_advance_stack.
 */
import type { Automaton, State } from './automaton.ts';
import { hasCodePoint } from './char-set.ts';
import type { Grammar } from './grammar.ts';
import { beginnings, hasNothing, stronglyConnected } from './left-recursion.ts';
import { idOf, isRule, plainName, RULE_END } from './rule-list.ts';
import { BOTTOM } from './tails.ts';

export interface CheckCost {
  /** Calls that the check for left recursion makes. */
  readonly calls: number;
  /** How deep they stand inside each other. */
  readonly depth: number;
}

/** Both may be Infinity: ways multiply. */
export function checkCost(grammar: Grammar): CheckCost {
  const begun = beginnings(grammar, hasNothing(grammar));
  const { rules } = begun;
  const calls = new Float64Array(rules.length);
  const depth = new Int32Array(rules.length);
  // There are no cycles in it: every component is one rule, after those that it begins with.
  for (const [rule] of stronglyConnected(begun).members as [number][]) {
    calls[rule] = 1;
    for (const next of rules[rule]!) {
      calls[rule]! += calls[next]!;
      depth[rule] = Math.max(depth[rule]!, depth[next]!);
    }
    depth[rule]!++;
  }
  // Every rule that was visited is not started from again.
  const isVisited = new Uint8Array(rules.length);
  let sum = 0;
  let deepest = 0;
  for (let rule = 0; rule < rules.length; rule++) {
    if (isVisited[rule] === 1) continue;
    sum += calls[rule]!;
    deepest = Math.max(deepest, depth[rule]!);
    const open = [rule];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (isVisited[next] === 1) continue;
      isVisited[next] = 1;
      for (const child of rules[next]!) open.push(child);
    }
  }
  return { calls: sum, depth: deepest };
}

/**
 * Finds a rule at which one stack becomes more than `limit` while it is opened, those on the way
 * included; of several one that the others only lead to.
 */
export function findWideRule(
  grammar: Grammar,
  limit: number,
): { readonly stacks: number; readonly rule: string } | undefined {
  const { elements, alternatives, ofRule, isNullable, names, members } = grammar;
  // 0 while a component is being counted: what it opens again of itself is no new stack.
  const opened = new Float64Array(names.length);
  for (const group of members) {
    let sum = 0;
    for (const rule of group) {
      for (let i = ofRule[rule]!; i < ofRule[rule + 1]!; i++) {
        sum++;
        for (let at = alternatives[i]!; isRule(elements[at]!); at++) {
          sum += 1 + opened[idOf(elements[at]!)]!;
          if (isNullable[idOf(elements[at]!)] === 0) break;
        }
      }
    }
    if (sum > limit) return { stacks: sum, rule: plainName(names[group[0]!]!) };
    for (const rule of group) opened[rule] = sum;
  }
  // Inside of alternatives, where they go on after something was taken.
  for (let rule = 0; rule < names.length; rule++) {
    let stacks = 0;
    for (let at = endOf(grammar, rule); at >= alternatives[ofRule[rule]!]!; at--) {
      const element = elements[at]!;
      const canPass = isRule(element) && isNullable[idOf(element)] === 1;
      stacks = 1 + (canPass ? stacks : 0) + (isRule(element) ? opened[idOf(element)]! : 0);
      if (stacks > limit) return { stacks, rule: plainName(names[rule]!) };
    }
  }
  return undefined;
}

function endOf({ elements, alternatives, ofRule }: Grammar, rule: number): number {
  let at = alternatives[ofRule[rule + 1]! - 1]!;
  while (elements[at] !== RULE_END) at++;
  return at;
}

/**
 * Counts the stacks that the engine has where the matcher has one state: those that differ in their
 * positions, from the top to the bottom. Infinity when counting takes more than `work`.
 */
export class StackCounter {
  readonly #automaton: Automaton;
  readonly #counts = new Map<number, number>();
  #workLeft: number;

  constructor(automaton: Automaton, work: number) {
    this.#automaton = automaton;
    this.#workLeft = work;
  }

  /** Of the stacks of a state, those that take a code point. */
  countTaking(state: State, codePoint: number): number {
    let stacks = 0;
    for (let i = 0; i < state.sets.length; i++) {
      const ranges = this.#automaton.grammar.sets[state.sets[i]!]!;
      if (hasCodePoint(ranges, codePoint)) stacks += this.#ofTail(state.tails[i]!);
    }
    return stacks;
  }

  count(state: State): number {
    let stacks = state.isAccepting ? 1 : 0;
    for (const tail of state.tails) stacks += this.#ofTail(tail);
    return stacks;
  }

  /** By a stack of our own: tails may be as deep as the text is long, and deeper. */
  #ofTail(start: number): number {
    const counts = this.#counts;
    const todo = [start];
    for (let tail = todo.at(-1); tail !== undefined; tail = todo.at(-1)) {
      if (counts.has(tail)) {
        todo.pop();
        continue;
      }
      const { hasBottom, below } = this.#below(tail);
      if (this.#workLeft < 0) return Number.POSITIVE_INFINITY;
      let sum = hasBottom ? 1 : 0;
      let isComplete = true;
      for (const next of below) {
        const count = counts.get(next);
        if (count === undefined) {
          todo.push(next);
          isComplete = false;
        } else {
          sum += count;
        }
      }
      if (isComplete) counts.set(tail, sum);
    }
    return counts.get(start)!;
  }

  /** What lies below, joined where the position is the same: there stacks may become equal. */
  #below(tail: number): { readonly hasBottom: boolean; readonly below: readonly number[] } {
    const { tails } = this.#automaton;
    const byPosition = new Map<number, number[]>();
    let hasBottom = false;
    for (const frame of tails.framesOf(tail)) {
      const position = tails.positions[frame]!;
      const below = byPosition.get(position);
      if (frame === BOTTOM) hasBottom = true;
      else if (below === undefined) byPosition.set(position, [tails.below[frame]!]);
      else below.push(tails.below[frame]!);
    }
    const below: number[] = [];
    for (const parts of byPosition.values()) {
      this.#workLeft -= tails.sizeOf(parts);
      below.push(tails.union(parts));
    }
    return { hasBottom, below };
  }
}
