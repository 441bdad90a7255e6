/** What shapes that look inside of their items need of the sets. */
import type { Term, TermAlgebra } from './term.ts';
import type { ValueSet } from './value-set.ts';

export interface Expander {
  readonly terms: TermAlgebra;
  expand(term: Term): ValueSet;
  isEmpty(term: Term): boolean;
  of(set: ValueSet): Term;
}
