/**
 * An array shape as an automaton over items: what counts, and what has to differ, becomes states.
 *
 * Shapes without counted contents and without `isUnique` need none: their prefix and a repeat of the rest
 * say everything, however large the numbers are (`isPlain`).
 *
 * Errors  ShapeBudgetError where the states are too many.
 */
import type { ArrayShape, Contains } from './array-shape.ts';
import { itemAt } from './array-shape.ts';
import { ShapeBudgetError, STATES_MAX } from './shape-budget.ts';
import type { Term, TermAlgebra } from './term.ts';

export interface ArrayAutomaton {
  /** By state, the first of which is the start. */
  readonly states: readonly ArrayState[];
}

export interface ArrayState {
  readonly isEnd: boolean;
  readonly edges: readonly { readonly item: Term; readonly to: number }[];
}

export function isPlain({ contains, isUnique }: ArrayShape): boolean {
  return contains.length === 0 && !isUnique;
}

/** Of a shape that is not unique; see `unique-items.ts` for those. */
export function toArrayAutomaton(shape: ArrayShape, terms: TermAlgebra): ArrayAutomaton {
  const { prefix, min, max, contains } = shape;
  // Beyond it all items and all decisions are alike.
  const last = Math.max(
    prefix.length,
    min,
    Number.isFinite(max) ? max : 0,
    ...contains.map(({ from }) => from),
  );
  if (last > STATES_MAX) throw new ShapeBudgetError('an array with counted contents');
  const states: { isEnd: boolean; edges: { item: Term; to: number }[] }[] = [];
  const ids = new Map<string, number>();
  const open: { readonly index: number; readonly counts: readonly number[] }[] = [];

  const idOf = (index: number, counts: readonly number[]): number => {
    const key = `${index}:${counts.join()}`;
    const known = ids.get(key);
    if (known !== undefined) return known;
    if (states.length >= STATES_MAX) throw new ShapeBudgetError('an array with counted contents');
    const id = states.length;
    ids.set(key, id);
    const isCounted = contains.every((one, at) => isWithin(one, counts[at]!));
    states.push({ isEnd: index >= min && index <= max && isCounted, edges: [] });
    open.push({ index, counts });
    return id;
  };

  idOf(
    0,
    contains.map(() => 0),
  );
  for (let at = 0; at < open.length; at++) {
    const { index, counts } = open[at]!;
    if (index >= max) continue;
    const next = Math.min(index + 1, last);
    for (const { parts, after } of choices(contains, counts, index, terms)) {
      const item = terms.and([itemAt(shape, index), ...parts]);
      states[at]!.edges.push({ item, to: idOf(next, after) });
    }
  }
  return { states };
}

function isWithin({ min, max }: Contains, count: number): boolean {
  return count >= min && count <= max;
}

interface Choice {
  readonly parts: readonly Term[];
  readonly after: readonly number[];
}

/** For each counted thing an item is one or it is not. Where only a minimum counts, "not" says nothing. */
function choices(
  contains: readonly Contains[],
  counts: readonly number[],
  index: number,
  terms: TermAlgebra,
): readonly Choice[] {
  let found: Choice[] = [{ parts: [], after: counts }];
  for (const [at, one] of contains.entries()) {
    if (index < one.from) continue;
    const cap = Number.isFinite(one.max) ? one.max + 1 : one.min;
    const count = counts[at]!;
    if (count >= cap) continue;
    found = found.flatMap(({ parts, after }) => {
      const more = after.with(at, count + 1);
      const is = { parts: [...parts, one.value], after: more };
      const isNot = {
        parts: Number.isFinite(one.max) ? [...parts, terms.not(one.value)] : parts,
        after,
      };
      return Number.isFinite(one.max) && count + 1 > one.max ? [isNot] : [is, isNot];
    });
  }
  return found;
}
