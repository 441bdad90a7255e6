/** Every text that is not in the set. Pure; one state more at most. */
import { DEFAULT_STATES } from './budget.ts';
import type { Dfa } from './dfa.ts';
import { difference } from './product.ts';
import { ALL } from './simple.ts';

export function complement(dfa: Dfa, budget = DEFAULT_STATES): Dfa {
  return difference(ALL, dfa, budget + 1);
}
