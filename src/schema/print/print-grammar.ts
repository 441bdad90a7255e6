/**
 * The set of a term as GBNF: canonical JSON text, as `JSON.stringify` writes it, keys in the order of the
 * schema. One rule for each set, array and state of an object; what has no value is left out.
 *
 * Errors  GrammarBudgetError; UnsupportedSchema where no value can satisfy the schema.
 */
import { isPlain } from '../ir/array-automaton.ts';
import { type ArrayShape, itemAt } from '../ir/array-shape.ts';
import { isEmptyNumbers } from '../ir/numbers.ts';
import type { ObjectAutomaton } from '../ir/object-automaton.ts';
import type { ObjectShape } from '../ir/object-shape.ts';
import type { Sets } from '../ir/sets.ts';
import { isEmptyStrings, type StringSet } from '../ir/strings.ts';
import type { Term } from '../ir/term.ts';
import { type Part, Rules, type Sequence } from './rules.ts';
import { printNumbers, printStrings } from './scalars.ts';

export function printGrammar(root: Term, sets: Sets, maxBytes?: number): string {
  const printer = new Printer(sets, new Rules(maxBytes));
  return printer.print(root);
}

/** Keys in one sequence: longer chains become several rules, not deeper calls. */
const CHAIN_MAX = 50;

class Printer {
  readonly #sets: Sets;
  readonly #rules: Rules;
  readonly #values = new Map<Term, Part>();
  readonly #strings = new Map<StringSet, Part>();
  readonly #open: (() => void)[] = [];

  constructor(sets: Sets, rules: Rules) {
    this.#sets = sets;
    this.#rules = rules;
  }

  print(root: Term): string {
    const start = this.#value(root);
    // Bodies are made one after the other, and not inside of each other: schemas may be deep.
    for (let make = this.#open.pop(); make !== undefined; make = this.#open.pop()) make();
    return this.#rules.print([start]);
  }

  #value(term: Term): Part {
    const known = this.#values.get(term);
    if (known !== undefined) return known;
    const set = this.#sets.expand(term);
    const canonical = this.#sets.of(set);
    const same = this.#values.get(canonical);
    if (same !== undefined) {
      this.#values.set(term, same);
      return same;
    }
    const rule: Part = { rule: this.#rules.reserve('value') };
    this.#values.set(term, rule);
    this.#values.set(canonical, rule);
    this.#open.push(() => {
      const alternatives: Sequence[] = [];
      if (set.hasNull) alternatives.push([{ text: 'null' }]);
      if (set.hasTrue) alternatives.push([{ text: 'true' }]);
      if (set.hasFalse) alternatives.push([{ text: 'false' }]);
      if (!isEmptyNumbers(set.numbers)) alternatives.push([printNumbers(set.numbers, this.#rules)]);
      if (!isEmptyStrings(set.strings)) alternatives.push(this.#string(set.strings));
      for (const shape of set.arrays) alternatives.push(...this.#array(shape));
      for (const shape of set.objects) alternatives.push(...this.#object(shape));
      this.#rules.define(rule.rule, alternatives);
    });
    return rule;
  }

  #string(strings: StringSet): Sequence {
    let body = this.#strings.get(strings);
    if (body === undefined) {
      body = printStrings(strings, this.#rules);
      this.#strings.set(strings, body);
    }
    return [{ text: '"' }, body, { text: '"' }];
  }

  #array(shape: ArrayShape): readonly Sequence[] {
    return isPlain(shape) ? this.#plainArray(shape) : this.#countedArray(shape);
  }

  #plainArray(shape: ArrayShape): readonly Sequence[] {
    const { prefix, min } = shape;
    const isEmptyAt = (index: number) => this.#sets.isEmpty(itemAt(shape, index));
    let { max } = shape;
    for (let index = 0; index <= prefix.length && index < max; index++) {
      if (isEmptyAt(index)) max = index;
    }
    if (max < min) return [];
    if (max === 0) return [[{ text: '[]' }]];
    // From the back: what may follow the first `index` items, a comma in front.
    const rest = (index: number): Sequence => {
      const item = this.#value(itemAt(shape, index));
      const one: Sequence = index === 0 ? [item] : [{ text: ',' }, item];
      if (index >= prefix.length) {
        const needed = Math.max(0, min - index);
        if (index > 0) return this.#rules.repeat(this.#group(one), needed, max - index);
        const more = this.#rules.repeat(
          this.#group([{ text: ',' }, item]),
          Math.max(0, needed - 1),
          max - 1,
        );
        return needed > 0 ? [...one, ...more] : [this.#optional([...one, ...more])];
      }
      const after = index + 1 < max ? rest(index + 1) : [];
      return index < min ? [...one, ...after] : [this.#optional([...one, ...after])];
    };
    return [[{ text: '[' }, ...rest(0), { text: ']' }]];
  }

  #group(sequence: Sequence): Part {
    const rule = this.#rules.reserve('next');
    this.#rules.define(rule, [sequence]);
    return { rule };
  }

  #optional(sequence: Sequence): Part {
    const rule = this.#rules.reserve('maybe');
    this.#rules.define(rule, [sequence, []]);
    return { rule };
  }

  #countedArray(shape: ArrayShape): readonly Sequence[] {
    const { states } = this.#sets.arrayAutomaton(shape);
    const edges = states.map((state) =>
      state.edges.filter(({ item }) => !this.#sets.isEmpty(item)),
    );
    const isLive = liveStates(
      states.map(({ isEnd }, at) => ({ isEnd, next: edges[at]!.map(({ to }) => to) })),
    );
    if (!isLive[0]) return [];
    const names = states.map((_, at) => (isLive[at] ? this.#rules.reserve('items') : ''));
    const live = (at: number) => edges[at]!.filter(({ to }) => isLive[to]);
    for (const [at, state] of states.entries()) {
      if (!isLive[at]) continue;
      const alternatives: Sequence[] = live(at).map(({ item, to }) => [
        { text: ',' },
        this.#value(item),
        { rule: names[to]! },
      ]);
      if (state.isEnd) alternatives.push([{ text: ']' }]);
      this.#rules.define(names[at]!, alternatives);
    }
    const first: Sequence[] = live(0).map(({ item, to }) => [
      { text: '[' },
      this.#value(item),
      { rule: names[to]! },
    ]);
    if (states[0]!.isEnd) first.push([{ text: '[]' }]);
    return first;
  }

  #object(shape: ObjectShape): readonly Sequence[] {
    const automaton = this.#prune(this.#sets.objectAutomaton(shape));
    if (automaton === undefined) return [];
    const { states } = automaton;
    /** How often each state is gone to, with and without something before it. */
    const later = new Map<number, string>();
    const first = new Map<number, string>();
    const uses = new Array<number>(states.length).fill(0);
    for (const { edges, skip } of states) {
      for (const { to } of edges) uses[to]!++;
      if (skip !== undefined) uses[skip]!++;
    }
    const alternatives = (at: number, isFirst: boolean, depth = 0): readonly Sequence[] => {
      const { edges, skip, isEnd } = states[at]!;
      const found: Sequence[] = edges.map(({ key, value, to }) => [
        ...(isFirst ? [] : [{ text: ',' }]),
        ...(typeof key === 'string' ? [{ text: JSON.stringify(key) }] : this.#string(key)),
        { text: ':' },
        this.#value(value),
        ...follow(to, false, depth + 1),
      ]);
      if (skip !== undefined) found.push(follow(skip, isFirst, depth + 1));
      if (isEnd) found.push([{ text: '}' }]);
      return found;
    };
    const follow = (at: number, isFirst: boolean, depth: number): Sequence => {
      const names = isFirst ? first : later;
      const known = names.get(at);
      if (known !== undefined) return [{ rule: known }];
      const { edges, skip, isEnd } = states[at]!;
      const ways = edges.length + (skip === undefined ? 0 : 1) + (isEnd ? 1 : 0);
      const isLoop = edges.some(({ to }) => to === at);
      // A chain of required keys is one sequence.
      if (ways === 1 && uses[at]! <= 1 && !isLoop && depth < CHAIN_MAX) {
        return isEnd ? [{ text: '}' }] : alternatives(at, isFirst, depth)[0]!;
      }
      const name = this.#rules.reserve(isFirst ? 'first' : 'members');
      names.set(at, name);
      this.#open.push(() => this.#rules.define(name, alternatives(at, isFirst)));
      return [{ rule: name }];
    };
    return [[{ text: '{' }, ...follow(0, true, 0)]];
  }

  /** Without what has no value, and without what leads to no end; undefined where nothing is left. */
  #prune({ states }: ObjectAutomaton): ObjectAutomaton | undefined {
    const kept = states.map(({ edges, ...state }) => ({
      ...state,
      edges: edges.filter(({ value }) => !this.#sets.isEmpty(value)),
    }));
    const isLive = liveStates(
      kept.map(({ isEnd, edges, skip }) => ({
        isEnd,
        next: [...edges.map(({ to }) => to), ...(skip === undefined ? [] : [skip])],
      })),
    );
    if (!isLive[0]) return undefined;
    return {
      states: kept.map(({ isEnd, edges, skip }) => ({
        isEnd,
        edges: edges.filter(({ to }) => isLive[to]),
        skip: skip !== undefined && isLive[skip] ? skip : undefined,
      })),
    };
  }
}

/** From which states an end can be reached. */
function liveStates(
  states: readonly { readonly isEnd: boolean; readonly next: readonly number[] }[],
): readonly boolean[] {
  const before: number[][] = states.map(() => []);
  for (const [at, { next }] of states.entries()) for (const to of next) before[to]!.push(at);
  const isLive = states.map(({ isEnd }) => isEnd);
  const open = [...isLive.keys()].filter((at) => isLive[at]);
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const from of before[at]!) {
      if (isLive[from]) continue;
      isLive[from] = true;
      open.push(from);
    }
  }
  return isLive;
}
