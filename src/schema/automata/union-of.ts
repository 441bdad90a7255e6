/** The union of many sets at once: one construction instead of one per pair. Pure. */
import { DEFAULT_STATES } from './budget.ts';
import { determinise } from './build/determinise.ts';
import { Nfa } from './build/nfa.ts';
import type { Dfa } from './dfa.ts';

export function unionOf(parts: readonly Dfa[], budget = DEFAULT_STATES): Dfa {
  const nfa = new Nfa(budget);
  const accept = nfa.accept();
  let entry = -1;
  for (const part of parts) {
    const branch = nfa.embed(part, accept);
    entry = entry === -1 ? branch : nfa.split(branch, entry);
  }
  // Of no parts, the empty set: a node that leads nowhere.
  return determinise(nfa, entry === -1 ? nfa.split(-1, -1) : entry, budget);
}
