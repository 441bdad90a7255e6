/**
 * Concatenation, star and counted repeats. Pure.
 *
 * Errors  BudgetError.
 */
import { DEFAULT_STATES } from './budget.ts';
import { determinise } from './build/determinise.ts';
import { Nfa } from './build/nfa.ts';
import type { Dfa } from './dfa.ts';

/** A text of each part, one after the other; of no parts, the empty text. */
export function concatenation(parts: readonly Dfa[], budget = DEFAULT_STATES): Dfa {
  const nfa = new Nfa(budget);
  let entry = nfa.accept();
  for (const part of parts.toReversed()) entry = nfa.embed(part, entry);
  return determinise(nfa, entry, budget);
}

/** From `min` to `max` texts of the set, one after the other; `max` may be Infinity. */
export function repeat(dfa: Dfa, min: number, max: number, budget = DEFAULT_STATES): Dfa {
  const nfa = new Nfa(budget);
  const entry = nfa.repeat((next) => nfa.embed(dfa, next), { min, max }, nfa.accept());
  return determinise(nfa, entry, budget);
}

export function star(dfa: Dfa, budget = DEFAULT_STATES): Dfa {
  return repeat(dfa, 0, Infinity, budget);
}
