/**
 * An object shape as an automaton over its keys in the order in which they are written: the declared names,
 * each once or not at all, then any others. A state holds what later decisions need and no more: which
 * sets of names are still allowed, how many there have been, what still has to come.
 *
 * Other keys may repeat, which no grammar can forbid, and the last one counts. So only the first of them counts
 * towards `min`; where valid objects would need more of them, the shape is refused. Towards `max` every one
 * counts. And where one of a class is what `some` asks for, all later ones of the class have to be, too: such keys
 * come last. Left out are objects where two conditions of one class are met by two keys, neither by both.
 *
 * Errors  ShapeBudgetError where the states are too many; UnsupportedSchema as above.
 */

import { UnsupportedSchema } from '../unsupported.ts';
import { type Cell, type ObjectShape, type Stores, toCells } from './object-shape.ts';
import { FALSE, type Presence, TRUE } from './presence.ts';
import { ShapeBudgetError, STATES_MAX } from './shape-budget.ts';
import { hasString, intersectStrings, isEmptyStrings, subtractStrings } from './strings.ts';
import { NEVER, type Term } from './term.ts';

export interface ObjectAutomaton {
  /** By state, the first of which is the start. */
  readonly states: readonly ObjectState[];
}

export interface ObjectState {
  readonly isEnd: boolean;
  readonly edges: readonly ObjectEdge[];
  /** Where it goes on without the name that it decides about; undefined where that must be there. */
  readonly skip: number | undefined;
}

export interface ObjectEdge {
  /** A declared name, or a class of others. */
  readonly key: string | Cell['keys'];
  readonly value: Term;
  readonly to: number;
}

interface Situation {
  /** How many of the names are decided. */
  readonly index: number;
  readonly presence: Presence;
  readonly count: number;
  /** Bits of `some` that are met. */
  readonly met: number;
  /** Bits of the cells of which there was one. */
  readonly used: number;
  /** By cell: bits of `some` that were met in it, and that a repeat must not take back. */
  readonly held: readonly number[];
}

export function toObjectAutomaton(shape: ObjectShape, stores: Stores): ObjectAutomaton {
  const { terms, presences } = stores;
  const { min, max, some } = shape;
  if (some.length > 20) throw new ShapeBudgetError('an object with many conditions');
  const names = [...shape.names];
  const cells = splitCells(shape);
  const required = names.filter(([name]) => presences.isRequired(shape.presence, name)).length;
  if (min > required + 1 && cells.some(({ value }) => value !== NEVER)) {
    throw new UnsupportedSchema(
      'minProperties',
      '',
      `${min} properties cannot be counted where keys are free: declare them, or forbid others`,
    );
  }
  const allMet = (1 << some.length) - 1;
  const isCounting = min > 0 || Number.isFinite(max);
  const cap = Number.isFinite(max) ? max + 1 : min;
  const counted = (count: number) => (isCounting ? Math.min(count + 1, cap) : 0);

  const states: { isEnd: boolean; edges: ObjectEdge[]; skip: number | undefined }[] = [];
  const ids = new Map<string, number>();
  const open: Situation[] = [];
  const idOf = (one: Situation): number => {
    const key = `${one.index},${one.presence},${one.count},${one.met},${one.used},${one.held}`;
    const known = ids.get(key);
    if (known !== undefined) return known;
    if (states.length >= STATES_MAX) throw new ShapeBudgetError('an object');
    const isEnd =
      one.index === names.length &&
      one.presence === TRUE &&
      one.met === allMet &&
      one.count >= min &&
      one.count <= max;
    ids.set(key, states.length);
    states.push({ isEnd, edges: [], skip: undefined });
    open.push(one);
    return states.length - 1;
  };

  idOf({ index: 0, presence: shape.presence, count: 0, met: 0, used: 0, held: cells.map(() => 0) });
  for (let at = 0; at < open.length; at++) {
    const one = open[at]!;
    const state = states[at]!;
    const isFull = one.count >= max;
    const claims = (value: Term, mayMeet: (cell: Cell) => boolean) => {
      const found = [{ value, met: one.met }];
      for (const [bit, cell] of some.entries()) {
        if ((one.met & (1 << bit)) !== 0 || !mayMeet(cell)) continue;
        for (const { value: before, met } of [...found]) {
          found.push({ value: terms.and([before, cell.value]), met: met | (1 << bit) });
        }
      }
      return found.filter((claim) => claim.value !== NEVER);
    };
    const name = names[one.index];
    if (name !== undefined) {
      const [key, value] = name;
      const index = one.index + 1;
      const present = presences.given(one.presence, key, true);
      if (present !== FALSE && value !== NEVER && !isFull) {
        const count = counted(one.count);
        for (const claim of claims(value, ({ keys }) => hasString(keys, key))) {
          const to = idOf({ ...one, index, presence: present, count, met: claim.met });
          state.edges.push({ key, value: claim.value, to });
        }
      }
      const absent = presences.given(one.presence, key, false);
      if (absent !== FALSE) state.skip = idOf({ ...one, index, presence: absent });
      continue;
    }
    if (isFull) continue;
    for (const [bit, { keys, value }] of cells.entries()) {
      if (value === NEVER) continue;
      const isNew = (one.used & (1 << bit)) === 0;
      const isCounted = Number.isFinite(max) || (isNew && one.count < min);
      const count = isCounted ? counted(one.count) : one.count;
      // One that may be a repeat must not meet the minimum.
      if (Number.isFinite(max) && !isNew && one.count < min) continue;
      const used = one.count < min ? one.used | (1 << bit) : one.used;
      const before = one.held[bit]!;
      const asked = some.filter((_, at) => (before & (1 << at)) !== 0);
      const kept = terms.and([value, ...asked.map((cell) => cell.value)]);
      for (const { value: claimed, met } of claims(
        kept,
        (cell) => !isEmptyStrings(intersectStrings(cell.keys, keys)),
      )) {
        const held = one.held.with(bit, before | (met & ~one.met));
        state.edges.push({
          key: keys,
          value: claimed,
          to: idOf({ ...one, count, met, used, held }),
        });
      }
    }
  }
  return { states };
}

/** So that each cell is wholly inside or outside of every class of `some`. */
function splitCells({ cells, some }: ObjectShape): readonly Cell[] {
  let found = cells;
  for (const { keys } of some) {
    found = found.flatMap((cell) => {
      const inside = intersectStrings(cell.keys, keys);
      const outside = subtractStrings(cell.keys, keys);
      const parts = [inside, outside].filter((part) => !isEmptyStrings(part));
      return parts.map((part) => ({ keys: part, value: cell.value }));
    });
  }
  if (found.length > 30) throw new ShapeBudgetError('an object with many classes of keys');
  return some.length === 0 ? toCells(found) : found;
}
