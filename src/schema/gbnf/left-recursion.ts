/**
 * Which rules begin with which, and whether that goes round.
 *
 * The engine refuses left recursion, in rules that nothing reaches, too. It looks past a rule only
 * when that has an alternative with nothing in it, not when all its parts may be empty; so
 *
 *   root ::= a root "x" | "y"     a ::= b     b ::= ""
 *
 * passes its check and then grows stacks without end: we refuse what it would hang on. When nothing
 * follows the rule that goes round (`(a)*` with the rules above is one) its stacks stay the same,
 * it works, and so it does here: such rules are one *component*, and what waits for one of them
 * waits for all.
 *
 * Errors  GrammarError naming a rule that begins with itself.
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`: llama_grammar_detect_left_recursion,
 *         llama_grammar_advance_stack; R. E. Tarjan, "Depth-first search", 1972.
 */
import { GrammarError } from './error.ts';
import type { Alternatives } from './grammar.ts';
import { idOf, isRule, plainName, RULE_END } from './rule-list.ts';

export interface Components {
  readonly component: Int32Array;
  readonly members: readonly (readonly number[])[];
}

export function findComponents(grammar: Alternatives, isNullable: Uint8Array): Components {
  const seen = beginnings(grammar, hasNothing(grammar));
  refuseCycles(grammar, stronglyConnected(seen), seen, false);
  const all = beginnings(grammar, isNullable);
  const components = stronglyConnected(all);
  refuseCycles(grammar, components, all, true);
  return components;
}

/** By rule, what it may begin with, and whether something follows there. */
export interface Beginnings {
  readonly rules: readonly (readonly number[])[];
  readonly isFollowed: readonly (readonly boolean[])[];
}

/** `canSkip`: 1 for the rules that are looked past. */
export function beginnings(grammar: Alternatives, canSkip: Uint8Array): Beginnings {
  const { elements, alternatives, ofRule } = grammar;
  const rules: number[][] = [];
  const isFollowed: boolean[][] = [];
  for (let rule = 0; rule + 1 < ofRule.length; rule++) {
    const into: number[] = [];
    const followed: boolean[] = [];
    for (let i = ofRule[rule]!; i < ofRule[rule + 1]!; i++) {
      for (let at = alternatives[i]!; isRule(elements[at]!); at++) {
        const next = idOf(elements[at]!);
        into.push(next);
        followed.push(elements[at + 1] !== RULE_END);
        if (canSkip[next] === 0) break;
      }
    }
    rules.push(into);
    isFollowed.push(followed);
  }
  return { rules, isFollowed };
}

/** 1 for rules with an alternative that has no element. */
export function hasNothing({ elements, alternatives, ofRule }: Alternatives): Uint8Array {
  const found = new Uint8Array(ofRule.length - 1);
  for (let rule = 0; rule < found.length; rule++) {
    for (let i = ofRule[rule]!; i < ofRule[rule + 1]!; i++) {
      if (elements[alternatives[i]!] === RULE_END) found[rule] = 1;
    }
  }
  return found;
}

/** `isTailFine`: the rules may go round where nothing follows. */
function refuseCycles(
  grammar: Alternatives,
  { component, members }: Components,
  { rules, isFollowed }: Beginnings,
  isTailFine: boolean,
): void {
  for (let rule = 0; rule < rules.length; rule++) {
    for (let i = 0; i < rules[rule]!.length; i++) {
      const next = rules[rule]![i]!;
      if (component[next] !== component[rule] || (isTailFine && !isFollowed[rule]![i]!)) continue;
      const first = members[component[rule]!]!.reduce((a, b) => Math.min(a, b));
      throw new GrammarError(
        `The rule '${plainName(grammar.names[first]!)}' begins with itself (left recursion)`,
        'put what repeats behind something, or write it with * or +',
        grammar.placeOf(first),
      );
    }
  }
}

/** Tarjan's algorithm without recursion: a component gets its number after all that it leads to. */
export function stronglyConnected({ rules }: Beginnings): Components {
  const size = rules.length;
  const component = new Int32Array(size).fill(-1);
  const members: number[][] = [];
  const order = new Int32Array(size);
  const low = new Int32Array(size);
  const next = new Int32Array(size);
  const open: number[] = [];
  const path: number[] = [];
  let visited = 0;
  for (let start = 0; start < size; start++) {
    if (order[start] !== 0) continue;
    path.push(start);
    while (path.length > 0) {
      const rule = path.at(-1)!;
      if (order[rule] === 0) {
        order[rule] = low[rule] = ++visited;
        open.push(rule);
      }
      const child = rules[rule]![next[rule]!++];
      if (child !== undefined) {
        if (order[child] === 0) path.push(child);
        else if (component[child] === -1) low[rule] = Math.min(low[rule]!, order[child]!);
        continue;
      }
      path.pop();
      const parent = path.at(-1);
      if (parent !== undefined) low[parent] = Math.min(low[parent]!, low[rule]!);
      if (low[rule] === order[rule]) members.push(close(rule, open, component, members.length));
    }
  }
  return { component, members };
}

function close(rule: number, open: number[], component: Int32Array, id: number): number[] {
  const group: number[] = [];
  for (;;) {
    const member = open.pop()!;
    component[member] = id;
    group.push(member);
    if (member === rule) return group;
  }
}
