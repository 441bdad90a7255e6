/**
 * The one smallest automaton of a language, numbered in one way. Pure.
 *
 * Hopcroft's idea, in the form that needs no complete transition table: blocks of states and blocks
 * of edges split each other, always on the smaller half: O(m log m) for m edges between classes.
 *
 * Source  Valmari and Lehtinen, STACS 2008.
 */
import { DEFAULT_STATES } from './budget.ts';
import { type LabelledDfa, toLabelled } from './build/labelled.ts';
import { neighbours } from './build/neighbours.ts';
import { Partition } from './build/partition.ts';
import { toCanonical } from './build/to-canonical.ts';
import { trim } from './build/trim.ts';
import type { Dfa, RawDfa } from './dfa.ts';

export const EMPTY: Dfa = {
  accepting: new Uint8Array(1),
  first: new Int32Array(2),
  from: new Int32Array(0),
  to: new Int32Array(0),
  target: new Int32Array(0),
  isMinimal: true,
};

export function minimise(dfa: RawDfa, budget = DEFAULT_STATES): Dfa {
  return minimiseLabelled(toLabelled(dfa, budget), budget);
}

export function minimiseLabelled(dfa: LabelledDfa, budget: number): Dfa {
  const live = trim(dfa);
  return live === undefined ? EMPTY : toCanonical(live, equivalence(live), budget);
}

/** Which states accept the same. Every state must be live. */
function equivalence({ accepting, tail, label, head, alphabet }: LabelledDfa): Partition {
  const states = new Partition(accepting.length, Int32Array.from(accepting), 2);
  const cords = new Partition(tail.length, label, alphabet.piecesOf.length);
  const incoming = neighbours(accepting.length, head);
  for (let cord = 0, block = 1; cord < cords.count; cord++) {
    for (let at = cords.first[cord]!; at < cords.end[cord]!; at++) {
      states.mark(tail[cords.elements[at]!]!);
    }
    states.split();
    for (; block < states.count; block++) {
      for (let at = states.first[block]!; at < states.end[block]!; at++) {
        const state = states.elements[at]!;
        for (let i = incoming.first[state]!; i < incoming.first[state + 1]!; i++) {
          cords.mark(incoming.edges[i]!);
        }
      }
      cords.split();
    }
  }
  return states;
}
