/**
 * Works terms out: `expand` gives the set of a term, one level deep, and `isEmpty` says whether any finite
 * value is in it.
 *
 *   place ──read──▶ formula ──expand──▶ set      (each once; what is being worked out and is asked for
 *                                                 again has no meaning: a reference that consumes nothing)
 *
 * Emptiness is a least fixpoint: nothing has a value until one is found, so that a schema whose values
 * would be infinite is empty.
 *
 * Errors  UnsupportedSchema for a loop of references and for complements that are not regular; budget
 *         errors as the parts throw them.
 */
import type { Place } from '../document/places.ts';
import { UnsupportedSchema } from '../unsupported.ts';
import { type ArrayAutomaton, isPlain, toArrayAutomaton } from './array-automaton.ts';
import {
  ANY_ARRAY,
  type ArrayShape,
  complementArray,
  intersectArrays,
  itemAt,
  keyOfArray,
} from './array-shape.ts';
import type { Expander } from './expander.ts';
import {
  complementNumbers,
  intersectNumbers,
  isEmptyNumbers,
  keyOfNumbers,
  unionNumbers,
} from './numbers.ts';
import { type ObjectAutomaton, toObjectAutomaton } from './object-automaton.ts';
import {
  ANY_OBJECT,
  complementObject,
  intersectObjects,
  keyOfObject,
  mergeObjects,
  type ObjectShape,
  type Stores,
} from './object-shape.ts';
import { FALSE, PresenceStore } from './presence.ts';
import {
  complementStrings,
  intersectStrings,
  isEmptyStrings,
  keyOfStrings,
  unionStrings,
} from './strings.ts';
import { ANY, NEVER, type Term } from './term.ts';
import { Terms } from './terms.ts';
import { uniqueAutomaton } from './unique-items.ts';
import type { ValueSet } from './value-set.ts';
import { EVERYTHING, NOTHING } from './whole.ts';

/** Shapes of one union; each costs its product with every other. */
const ALTERNATIVES_MAX = 500;

export class Sets implements Stores, Expander {
  readonly terms = new Terms();
  readonly presences = new PresenceStore();
  readonly #read: (place: Place, sets: Sets) => Term;
  readonly #expanded = new Map<Term, ValueSet>();
  readonly #expanding = new Set<Term>();
  readonly #inhabited = new Map<Term, boolean>();
  readonly #arrays = new Map<ArrayShape, ArrayAutomaton>();
  readonly #objects = new Map<ObjectShape, ObjectAutomaton>();

  /** `read` gives the formula of one schema object. */
  constructor(read: (place: Place, sets: Sets) => Term) {
    this.#read = read;
  }

  /** The term of a set that has been worked out. */
  of(set: ValueSet): Term {
    const key = keyOfSet(set);
    if (key === keyOfSet(EVERYTHING)) return ANY;
    if (key === keyOfSet(NOTHING)) return NEVER;
    return this.terms.set(set, key);
  }

  expand(term: Term): ValueSet {
    const known = this.#expanded.get(term);
    if (known !== undefined) return known;
    const formula = this.terms.get(term);
    if (this.#expanding.has(term)) {
      const pointer = formula.kind === 'place' ? formula.place.pointer : '';
      throw new UnsupportedSchema('$ref', pointer, 'the references go round in a circle');
    }
    this.#expanding.add(term);
    try {
      const set = this.#expandNew(term);
      this.#expanded.set(term, set);
      return set;
    } catch (error) {
      // What is found deep inside is told where the reader can find it.
      const isNowhere = error instanceof UnsupportedSchema && error.pointer === '';
      if (!isNowhere || formula.kind !== 'place' || formula.place.pointer === '') throw error;
      throw new UnsupportedSchema(error.keyword, formula.place.pointer, error.why);
    } finally {
      this.#expanding.delete(term);
    }
  }

  isEmpty(term: Term): boolean {
    return !this.#isInhabited(term);
  }

  arrayAutomaton(shape: ArrayShape): ArrayAutomaton {
    const known = this.#arrays.get(shape);
    if (known !== undefined) return known;
    const made = shape.isUnique
      ? uniqueAutomaton(shape, this)
      : toArrayAutomaton(shape, this.terms);
    this.#arrays.set(shape, made);
    return made;
  }

  objectAutomaton(shape: ObjectShape): ObjectAutomaton {
    const known = this.#objects.get(shape);
    if (known !== undefined) return known;
    const made = toObjectAutomaton(shape, this);
    this.#objects.set(shape, made);
    return made;
  }

  #expandNew(term: Term): ValueSet {
    const formula = this.terms.get(term);
    switch (formula.kind) {
      case 'any':
        return EVERYTHING;
      case 'never':
        return NOTHING;
      case 'set':
        return formula.set;
      case 'place':
        return this.expand(this.#read(formula.place, this));
      case 'and':
        return formula.of.map((one) => this.expand(one)).reduce((a, b) => this.#intersect(a, b));
      case 'or':
        return formula.of.map((one) => this.expand(one)).reduce((a, b) => this.#unite(a, b));
      case 'not':
        return this.#complement(this.expand(formula.of));
      case 'one':
        return this.expand(this.#exactlyOne(formula.of));
    }
  }

  /** Where two of them have nothing in common, neither has to exclude the other. */
  #exactlyOne(of: readonly Term[]): Term {
    const { terms } = this;
    return terms.or(
      of.map((one, at) => {
        const others = of.filter((_, other) => other !== at);
        const meeting = others.filter((other) => !this.isEmpty(terms.and([one, other])));
        return terms.and([one, ...meeting.map((other) => terms.not(other))]);
      }),
    );
  }

  #intersect(a: ValueSet, b: ValueSet): ValueSet {
    const { terms } = this;
    return {
      hasNull: a.hasNull && b.hasNull,
      hasTrue: a.hasTrue && b.hasTrue,
      hasFalse: a.hasFalse && b.hasFalse,
      numbers: intersectNumbers(a.numbers, b.numbers),
      strings: intersectStrings(a.strings, b.strings),
      arrays: this.#keepArrays(
        product(a.arrays, b.arrays, ANY_ARRAY, (one, other) => intersectArrays(one, other, terms)),
      ),
      objects: this.#keepObjects(
        product(a.objects, b.objects, ANY_OBJECT, (one, other) =>
          intersectObjects(one, other, this),
        ),
      ),
    };
  }

  #unite(a: ValueSet, b: ValueSet): ValueSet {
    return {
      hasNull: a.hasNull || b.hasNull,
      hasTrue: a.hasTrue || b.hasTrue,
      hasFalse: a.hasFalse || b.hasFalse,
      numbers: unionNumbers(a.numbers, b.numbers),
      strings: unionStrings(a.strings, b.strings),
      arrays: this.#keepArrays([...a.arrays, ...b.arrays]),
      objects: this.#keepObjects([...a.objects, ...b.objects]),
    };
  }

  #complement(set: ValueSet): ValueSet {
    const { terms } = this;
    let arrays: readonly ArrayShape[] = [ANY_ARRAY];
    for (const shape of set.arrays) {
      const parts = complementArray(shape, terms);
      if (parts === undefined) {
        throw new UnsupportedSchema(
          'uniqueItems',
          '',
          'its opposite (under not, oneOf or else) is not enforced',
        );
      }
      arrays = this.#keepArrays(
        product(arrays, parts, ANY_ARRAY, (one, other) => intersectArrays(one, other, terms)),
      );
    }
    let objects: readonly ObjectShape[] = [ANY_OBJECT];
    for (const shape of set.objects) {
      const parts = complementObject(shape, this);
      objects = this.#keepObjects(
        product(objects, parts, ANY_OBJECT, (one, other) => intersectObjects(one, other, this)),
      );
    }
    return {
      hasNull: !set.hasNull,
      hasTrue: !set.hasTrue,
      hasFalse: !set.hasFalse,
      numbers: complementNumbers(set.numbers),
      strings: complementStrings(set.strings),
      arrays,
      objects,
    };
  }

  /** Those that can hold something, each once; one that is everything is enough. */
  #keepArrays(shapes: readonly ArrayShape[]): readonly ArrayShape[] {
    const found = new Map<string, ArrayShape>();
    for (const shape of shapes) {
      if (shape.min > shape.max || shape.prefix.slice(0, shape.min).includes(NEVER)) continue;
      if (shape.rest === NEVER && shape.min > shape.prefix.length) continue;
      found.set(keyOfArray(shape), shape);
    }
    return limited(found, keyOfArray(ANY_ARRAY));
  }

  #keepObjects(shapes: readonly ObjectShape[]): readonly ObjectShape[] {
    const found = new Map<string, ObjectShape>();
    for (const shape of shapes) {
      if (shape.presence === FALSE || shape.min > shape.max) continue;
      const never = [...shape.names].filter(([, value]) => value === NEVER).map(([name]) => name);
      const presence = never.reduce(
        (left, name) => this.presences.and(left, this.presences.not(this.presences.has(name))),
        shape.presence,
      );
      if (presence === FALSE) continue;
      const kept = { ...shape, presence };
      found.set(keyOfObject(kept), kept);
    }
    return this.#merged(limited(found, keyOfObject(ANY_OBJECT)));
  }

  /** Alternatives that differ in which keys are there only, as one: it costs states and not rules. */
  #merged(shapes: readonly ObjectShape[]): readonly ObjectShape[] {
    const kept: ObjectShape[] = [];
    for (const shape of shapes) {
      let merged: ObjectShape | undefined;
      const at = kept.findIndex((other) => {
        merged = mergeObjects(other, shape, this);
        return merged !== undefined;
      });
      if (merged === undefined) kept.push(shape);
      else kept[at] = merged;
    }
    return kept;
  }

  #isInhabited(root: Term): boolean {
    const known = this.#inhabited.get(root);
    if (known !== undefined) return known;
    const values = new Map<Term, boolean>([[root, false]]);
    const ask = (term: Term): boolean => {
      const before = this.#inhabited.get(term) ?? values.get(term);
      if (before === undefined) values.set(term, false);
      return before ?? false;
    };
    for (let size = -1, isChanged = true; isChanged || values.size !== size; ) {
      size = values.size;
      isChanged = false;
      for (const [term, value] of values) {
        if (value || !this.#holdsSomething(this.expand(term), ask)) continue;
        values.set(term, true);
        isChanged = true;
      }
    }
    for (const [term, value] of values) this.#inhabited.set(term, value);
    return this.#inhabited.get(root)!;
  }

  #holdsSomething(set: ValueSet, ask: (term: Term) => boolean): boolean {
    return (
      set.hasNull ||
      set.hasTrue ||
      set.hasFalse ||
      !isEmptyNumbers(set.numbers) ||
      !isEmptyStrings(set.strings) ||
      set.arrays.some((shape) => this.#arrayHoldsSomething(shape, ask)) ||
      set.objects.some((shape) => this.#objectHoldsSomething(shape, ask))
    );
  }

  #arrayHoldsSomething(shape: ArrayShape, ask: (term: Term) => boolean): boolean {
    if (isPlain(shape)) {
      const needed = Math.min(shape.min, shape.prefix.length + 1);
      // All are asked, so that all are known.
      return Array.from({ length: needed }, (_, index) => ask(itemAt(shape, index))).every(Boolean);
    }
    const { states } = this.arrayAutomaton(shape);
    return reaches(
      states,
      ({ edges }) => edges.filter(({ item }) => ask(item)).map(({ to }) => to),
      ({ isEnd }) => isEnd,
    );
  }

  #objectHoldsSomething(shape: ObjectShape, ask: (term: Term) => boolean): boolean {
    const { states } = this.objectAutomaton(shape);
    return reaches(
      states,
      ({ edges, skip }) => [
        ...edges.filter(({ value }) => ask(value)).map(({ to }) => to),
        ...(skip === undefined ? [] : [skip]),
      ],
      ({ isEnd }) => isEnd,
    );
  }
}

function keyOfSet({
  hasNull,
  hasTrue,
  hasFalse,
  numbers,
  strings,
  arrays,
  objects,
}: ValueSet): string {
  const flags = `${hasNull ? 'n' : ''}${hasTrue ? 't' : ''}${hasFalse ? 'f' : ''}`;
  const shapes = `${arrays.map(keyOfArray).join('|')}/${objects.map(keyOfObject).join('|')}`;
  return `${flags}/${keyOfNumbers(numbers)}/${keyOfStrings(strings)}/${shapes}`;
}

/** Every pair; the neutral element costs nothing. */
function product<T>(
  left: readonly T[],
  right: readonly T[],
  neutral: T,
  combine: (one: T, other: T) => T,
): readonly T[] {
  if (left.length === 1 && left[0] === neutral) return right;
  if (right.length === 1 && right[0] === neutral) return left;
  if (left.length * right.length > ALTERNATIVES_MAX * 4) throw tooManyAlternatives();
  return left.flatMap((one) => right.map((other) => combine(one, other)));
}

function limited<T>(found: ReadonlyMap<string, T>, everything: string): readonly T[] {
  const all = found.get(everything);
  if (all !== undefined) return [all];
  if (found.size > ALTERNATIVES_MAX) throw tooManyAlternatives();
  return [...found.values()];
}

function tooManyAlternatives(): UnsupportedSchema {
  return new UnsupportedSchema(
    'anyOf',
    '',
    `the alternatives multiply to more than ${ALTERNATIVES_MAX}`,
  );
}

function reaches<T>(
  states: readonly T[],
  next: (state: T) => readonly number[],
  isEnd: (state: T) => boolean,
): boolean {
  const seen = new Set([0]);
  // Every state is looked at, so that everything that it depends on has been asked for.
  let isFound = false;
  for (const at of seen) {
    const state = states[at]!;
    if (isEnd(state)) isFound = true;
    for (const to of next(state)) seen.add(to);
  }
  return isFound;
}
