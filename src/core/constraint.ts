/**
 * What an answer must be, as a client asked for it, and the port to whoever makes a grammar of it.
 *
 * Units   bytes of UTF-8; `schemaDepth` counts schemas inside of schemas.
 * Errors  `compile` rejects with RequestError `unsupported_schema` (what cannot be enforced is refused by
 *         name) or `invalid_value` (a grammar or a pattern that cannot be read), both with `param`, and
 *         with CapacityError `queue_full` while many wait.
 */
import type { Grammar } from './engine.ts';

export type Constraint =
  | { readonly kind: 'json_object' }
  /** `schema`: a JSON value; of which draft it says itself. */
  | { readonly kind: 'json_schema'; readonly schema: unknown }
  /** ECMA-262 without look-around and back-references; the whole answer matches. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** GBNF as llama.cpp reads it, rule `root`. */
  | { readonly kind: 'grammar'; readonly text: string };

/** A constraint and the field of the request that it came from. */
export interface AskedConstraint {
  readonly constraint: Constraint;
  readonly param: string;
}

/** `unchecked`: there was no way to look, which is logged and counted, and is nobody's fault. */
export type Verdict =
  | { readonly verdict: 'valid' | 'unchecked' }
  | { readonly verdict: 'invalid'; readonly why: string };

export interface ConstraintCompiler {
  compile(asked: AskedConstraint): Promise<Grammar>;
  /** Whether a finished answer is what was asked for: the last look, by other means than the grammar's. */
  check(asked: AskedConstraint, grammar: Grammar, answer: string): Promise<Verdict>;
}
