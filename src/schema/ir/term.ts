/** A schema as a formula: what a value must satisfy, before it is worked out. See `terms.ts`. */
export type Term = number;
export const NEVER: Term = 0;
export const ANY: Term = 1;

/** What shapes need of the terms inside of them. */
export interface TermAlgebra {
  and(of: readonly Term[]): Term;
  not(of: Term): Term;
}
