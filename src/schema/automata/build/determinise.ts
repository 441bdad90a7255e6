/**
 * From a non-deterministic automaton to the minimal deterministic one: the subset construction over
 * classes of code points. Pure.
 *
 * A state is a set of nodes, and, where a condition waits in it, what was read last.
 *
 * Errors  BudgetError.
 */

import { assertEdges, assertStates, DEFAULT_STATES } from '../budget.ts';
import type { Dfa } from '../dfa.ts';
import { minimiseLabelled } from '../minimise.ts';
import { hasCodePoint, type Ranges } from '../ranges.ts';
import { type Alphabet, classify } from './alphabet.ts';
import { Closure, type Neighbour } from './closure.ts';
import type { Nfa } from './nfa.ts';

/** `\w` of ECMA-262 without the flags `iu`. */
export const WORD: Ranges = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];

interface State {
  readonly nodes: readonly number[];
  readonly before: Neighbour;
}

export function determinise(nfa: Nfa, start: number, budget = DEFAULT_STATES): Dfa {
  const hasWords = nfa.hasWordAssertions;
  const { alphabet, classesOf } = classesOfSets(hasWords ? [...nfa.sets, WORD] : nfa.sets);
  const classCount = alphabet.piecesOf.length;
  const afterOf = alphabet.piecesOf.map(
    ([piece]): Neighbour =>
      hasWords && hasCodePoint(WORD, alphabet.from[piece!]!) ? 'word' : 'other',
  );
  const closure = new Closure(nfa, budget);
  const numbers = new Map<string, number>();
  const states: State[] = [];
  const enter = (nodes: readonly number[], before: Neighbour): number => {
    const isWaiting = nodes.some((node) => nfa.kinds[node] === 'assert');
    const key = isWaiting ? `${before} ${nodes.join()}` : nodes.join();
    let number = numbers.get(key);
    if (number === undefined) {
      number = states.length;
      numbers.set(key, number);
      states.push({ nodes, before });
      assertStates(states.length, budget);
    }
    return number;
  };
  const entered = new Map<number, number>();
  const follow = (targets: readonly number[], before: Neighbour): number => {
    if (targets.length > 1) return enter(closure.from(targets, before), before);
    const key = targets[0]! * 2 + (before === 'word' ? 1 : 0);
    let number = entered.get(key);
    if (number === undefined) {
      number = enter(closure.from(targets, before), before);
      entered.set(key, number);
    }
    return number;
  };

  enter(closure.from([start], 'edge'), 'edge');
  const accepting: number[] = [];
  const tail: number[] = [];
  const label: number[] = [];
  const head: number[] = [];
  const targetsOf: number[][] = Array.from({ length: classCount }, () => []);
  for (let state = 0; state < states.length; state++) {
    const { nodes, before } = states[state]!;
    const isWaiting = nodes.some((node) => nfa.kinds[node] === 'assert');
    const atEnd = isWaiting ? closure.settle(nodes, before, 'edge') : nodes;
    accepting.push(atEnd.some((node) => isEnd(nfa, node)) ? 1 : 0);
    const afters: readonly Neighbour[] = isWaiting && hasWords ? ['word', 'other'] : ['other'];
    for (const after of afters) {
      const settled = isWaiting ? closure.settle(nodes, before, after) : nodes;
      for (const node of settled) {
        const kind = nfa.kinds[node];
        if (kind === 'accept') continue;
        const target = kind === 'found' ? node : nfa.next[node]!;
        const classes = kind === 'found' ? undefined : classesOf[nfa.setOf[node]!]!;
        const count = classes?.length ?? classCount;
        for (let i = 0; i < count; i++) {
          const id = classes?.[i] ?? i;
          if (afters.length === 1 || afterOf[id] === after) targetsOf[id]!.push(target);
        }
      }
    }
    for (let id = 0; id < classCount; id++) {
      const targets = targetsOf[id]!;
      if (targets.length === 0) continue;
      tail.push(state);
      label.push(id);
      head.push(follow(targets, afterOf[id]!));
      targetsOf[id] = [];
    }
    assertEdges(tail.length, budget);
  }
  return minimiseLabelled(
    {
      accepting: Uint8Array.from(accepting),
      tail: Int32Array.from(tail),
      label: Int32Array.from(label),
      head: Int32Array.from(head),
      alphabet,
    },
    budget,
  );
}

function isEnd(nfa: Nfa, node: number): boolean {
  return nfa.kinds[node] === 'accept' || nfa.kinds[node] === 'found';
}

/** The alphabet that the sets need, and the classes that each of them has. */
function classesOfSets(sets: readonly Ranges[]): {
  readonly alphabet: Alphabet;
  readonly classesOf: readonly (readonly number[])[];
} {
  const first = [0];
  const from: number[] = [];
  const to: number[] = [];
  for (const set of sets) {
    for (let at = 0; at < set.length; at += 2) {
      from.push(set[at]!);
      to.push(set[at + 1]!);
    }
    first.push(from.length);
  }
  const alphabet = classify({ first, from, to, tag: new Uint8Array(from.length) });
  const classesOf = sets.map((set): number[] => {
    const classes: number[] = [];
    alphabet.piecesOf.forEach(([piece], id) => {
      if (hasCodePoint(set, alphabet.from[piece!]!)) classes.push(id);
    });
    return classes;
  });
  return { alphabet, classesOf };
}
