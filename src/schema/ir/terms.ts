/**
 * Terms, interned: equal ones are the same number. This is what makes recursion end, because the product of
 * two recursive schemas comes back to a pair that has been seen.
 *
 *   any, never           everything, nothing
 *   place                a schema of the document, read when it is needed
 *   set                  worked out: one part for each type of JSON
 *   and, or, not, one    formulas over others; `one` is exactly one of
 *
 * Errors  TermBudgetError past the limit.
 */
import type { Place } from '../document/places.ts';
import { ANY, NEVER, type Term, type TermAlgebra } from './term.ts';
import { TermBudgetError } from './term-budget-error.ts';
import type { ValueSet } from './value-set.ts';

export type Formula =
  | { readonly kind: 'any' }
  | { readonly kind: 'never' }
  | { readonly kind: 'place'; readonly place: Place }
  | { readonly kind: 'set'; readonly set: ValueSet }
  | { readonly kind: 'and' | 'or' | 'one'; readonly of: readonly Term[] }
  | { readonly kind: 'not'; readonly of: Term };

export class Terms implements TermAlgebra {
  readonly #limit: number;
  readonly #formulas: Formula[] = [{ kind: 'never' }, { kind: 'any' }];
  readonly #byKey = new Map<string, Term>();
  readonly #places = new Map<unknown, Term>();

  constructor(limit = 20_000) {
    this.#limit = limit;
  }

  get(term: Term): Formula {
    return this.#formulas[term]!;
  }

  /** The same object of the document is the same term; pointers may lead to it by several ways. */
  place(place: Place): Term {
    if (typeof place.schema === 'boolean') return place.schema ? ANY : NEVER;
    const known = this.#places.get(place.schema);
    if (known !== undefined) return known;
    const term = this.#add({ kind: 'place', place });
    this.#places.set(place.schema, term);
    return term;
  }

  /** `key` is the same for equal sets. */
  set(set: ValueSet, key: string): Term {
    return this.#intern(`s${key}`, () => ({ kind: 'set', set }));
  }

  and(of: readonly Term[]): Term {
    const parts = this.#flatten('and', of).filter((term) => term !== ANY);
    if (parts.includes(NEVER) || parts.some((term) => parts.includes(this.#negated(term) ?? -1))) {
      return NEVER;
    }
    if (parts.length < 2) return parts[0] ?? ANY;
    return this.#intern(`&${parts.join()}`, () => ({ kind: 'and', of: parts }));
  }

  or(of: readonly Term[]): Term {
    const parts = this.#flatten('or', of).filter((term) => term !== NEVER);
    if (parts.includes(ANY) || parts.some((term) => parts.includes(this.#negated(term) ?? -1))) {
      return ANY;
    }
    if (parts.length < 2) return parts[0] ?? NEVER;
    return this.#intern(`|${parts.join()}`, () => ({ kind: 'or', of: parts }));
  }

  /** Exactly one of them. Twice the same excludes itself, so the parts are no set. */
  one(of: readonly Term[]): Term {
    const parts = of.filter((term) => term !== NEVER).sort((a, b) => a - b);
    if (parts.length < 2) return parts[0] ?? NEVER;
    return this.#intern(`1${parts.join()}`, () => ({ kind: 'one', of: parts }));
  }

  not(of: Term): Term {
    if (of === ANY) return NEVER;
    if (of === NEVER) return ANY;
    const formula = this.get(of);
    if (formula.kind === 'not') return formula.of;
    return this.#intern(`!${of}`, () => ({ kind: 'not', of }));
  }

  #negated(term: Term): Term | undefined {
    const formula = this.get(term);
    return formula.kind === 'not' ? formula.of : this.#byKey.get(`!${term}`);
  }

  /** Sorted, each once, with those of the same kind taken apart: the order of a formula says nothing. */
  #flatten(kind: 'and' | 'or', of: readonly Term[]): readonly Term[] {
    const parts = new Set<Term>();
    for (const term of of) {
      const formula = this.get(term);
      if (formula.kind === kind) for (const inner of formula.of) parts.add(inner);
      else parts.add(term);
    }
    return [...parts].sort((a, b) => a - b);
  }

  #intern(key: string, make: () => Formula): Term {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const term = this.#add(make());
    this.#byKey.set(key, term);
    return term;
  }

  #add(formula: Formula): Term {
    if (this.#formulas.length >= this.#limit) throw new TermBudgetError(this.#limit);
    this.#formulas.push(formula);
    return this.#formulas.length - 1;
  }
}
