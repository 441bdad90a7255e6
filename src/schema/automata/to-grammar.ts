/**
 * From an automaton to right-linear rules that are worth reading. Pure and deterministic.
 *
 * A state becomes a rule of its own only where several states lead to it, or where expressions
 * would nest too deeply. Everything else is written in place: what leads one way as a sequence,
 * a state that leads to itself as a repetition, and a run of states that differ in how often they
 * have been through the same set as a count:
 *
 *   C     C     C          `C{0,3}` and the exits, if 0…3 have the same exits;
 *   0 ──▶ 1 ──▶ 2 ──▶ 3    `C{3}` if 0, 1, 2 have none
 */

import { setsByTarget } from './build/nfa.ts';
import { type Dfa, isEmpty } from './dfa.ts';
import {
  counted,
  type Grammar,
  type GrammarExpression,
  inSequence,
  ofSet,
  optional,
} from './grammar-expression.ts';
import type { Ranges } from './ranges.ts';

/** Parentheses within parentheses, before a rule is made. */
const MAX_DEPTH = 12;
/** A shared ending of no more states than this is repeated in place. */
const MAX_ENDING = 8;

interface Exit {
  readonly target: number;
  readonly ranges: Ranges;
  /** Equal for equal sets. */
  readonly key: string;
}

/** `name` is that of the start, and begins those of all other rules. The set must not be empty. */
export function toGrammar(dfa: Dfa, name: string): Grammar {
  return new Writer(dfa, name).grammar();
}

class Writer {
  readonly #dfa: Dfa;
  readonly #name: string;
  readonly #exits: readonly (readonly Exit[])[];
  /** How many other states lead to a state; the start counts as one for itself. */
  readonly #sources: Int32Array;
  readonly #rules = new Map<string, GrammarExpression>();
  readonly #open: number[] = [];
  readonly #named = new Set<number>();
  /** States and sets from which no counted run starts. */
  readonly #isNoRun = new Set<string>();

  constructor(dfa: Dfa, name: string) {
    if (isEmpty(dfa)) throw new RangeError('The empty set has no grammar.');
    this.#dfa = dfa;
    this.#name = name;
    this.#exits = Array.from(dfa.accepting, (_, state) =>
      Array.from(setsByTarget(dfa, state), ([target, ranges]) => ({
        target,
        ranges,
        key: ranges.join(),
      })),
    );
    this.#sources = new Int32Array(dfa.accepting.length);
    this.#sources[0] = 1;
    this.#exits.forEach((exits, state) => {
      for (const { target } of exits) if (target !== state) this.#sources[target]!++;
    });
  }

  grammar(): Grammar {
    const root = this.#isShared(0) ? this.#ruleOf(0) : this.#expression(0, 0);
    for (const state of this.#open) {
      this.#rules.set(this.#nameOf(state), this.#expression(state, 0));
    }
    return { root, rules: this.#rules };
  }

  #nameOf(state: number): string {
    return `${this.#name}-${state}`;
  }

  #ruleOf(state: number): GrammarExpression {
    if (!this.#named.has(state)) {
      this.#named.add(state);
      this.#open.push(state);
    }
    return { type: 'rule', name: this.#nameOf(state) };
  }

  #isShared(state: number): boolean {
    return this.#sources[state]! > 1;
  }

  /** What may follow once the state is reached. */
  #follow(state: number, depth: number): GrammarExpression {
    const isNamed = this.#isShared(state) && !this.#isShortEnding(state);
    return isNamed || depth > MAX_DEPTH ? this.#ruleOf(state) : this.#expression(state, depth);
  }

  /** What the state accepts, written out. */
  #expression(start: number, depth: number): GrammarExpression {
    const items: GrammarExpression[] = [];
    for (let state = start; ; ) {
      const run = this.#run(state);
      if (run !== undefined) {
        items.push(run.expression);
        state = run.end;
        if (!this.#isShared(state) || run.isSameExits) continue;
        items.push(this.#follow(state, depth));
        break;
      }
      const exits = this.#exits[state]!;
      const loop = exits.find(({ target }) => target === state);
      if (loop !== undefined) items.push(counted(ofSet(loop.ranges), 0, Infinity));
      const others = exits.filter(({ target }) => target !== state);
      const mayEnd = this.#dfa.accepting[state] === 1;
      const [only] = others;
      if (only !== undefined && others.length === 1 && !mayEnd) {
        items.push(ofSet(only.ranges));
        if (!this.#isShared(only.target)) {
          state = only.target;
          continue;
        }
        items.push(this.#follow(only.target, depth));
        break;
      }
      if (others.length > 0) {
        const branches = others.map(({ ranges, target }) =>
          inSequence([ofSet(ranges), this.#follow(target, depth + 1)]),
        );
        const choice: GrammarExpression =
          branches.length === 1 ? branches[0]! : { type: 'choice', items: branches };
        items.push(mayEnd ? optional(choice) : choice);
      }
      break;
    }
    return inSequence(items);
  }

  /** The longest run of equal steps from a state; of two at least. */
  #run(state: number):
    | {
        readonly expression: GrammarExpression;
        readonly end: number;
        readonly isSameExits: boolean;
      }
    | undefined {
    const exits = this.#exits[state]!;
    if (exits.length === 1 && this.#dfa.accepting[state] === 0) {
      const { key, ranges } = exits[0]!;
      let length = 0;
      let end = state;
      for (let next = this.#only(end); next?.key === key; next = this.#only(end)) {
        if (length > 0 && (this.#isShared(end) || end === state)) break;
        length++;
        end = next.target;
      }
      if (length < 2) return undefined;
      return { expression: counted(ofSet(ranges), length, length), end, isSameExits: false };
    }
    for (const exit of exits) {
      const run = this.#countedRun(state, exit);
      if (run !== undefined) return run;
    }
    return undefined;
  }

  /** The exit of a state that has one, does not end, and does not lead to itself. */
  #only(state: number): Exit | undefined {
    const exits = this.#exits[state]!;
    const isStep = exits.length === 1 && this.#dfa.accepting[state] === 0;
    return isStep && exits[0]!.target !== state ? exits[0] : undefined;
  }

  #countedRun(
    state: number,
    step: Exit,
  ):
    | { readonly expression: GrammarExpression; readonly end: number; readonly isSameExits: true }
    | undefined {
    const passed = [`${state} ${step.key}`];
    if (step.target === state || this.#isNoRun.has(passed[0]!)) return undefined;
    const common = this.#signature(state, step.target);
    let length = 1;
    let end = step.target;
    while (this.#signature(end) !== common) {
      const next = this.#exits[end]!.find(({ key }) => key === step.key);
      const isStep =
        next !== undefined &&
        next.target !== end &&
        !this.#isShared(end) &&
        this.#signature(end, next.target) === common;
      if (!isStep) {
        // From what was passed on the way, the run would break off at the same place.
        for (const place of passed) this.#isNoRun.add(place);
        return undefined;
      }
      passed.push(`${end} ${step.key}`);
      length++;
      end = next.target;
    }
    // One optional set in front of the same exits is a run, too; with no exits it reads as it is.
    const expression = counted(ofSet(step.ranges), 0, length);
    return { expression, end, isSameExits: true };
  }

  /** Equal for states that accept the same after the same, not counting one target. */
  #signature(state: number, without = -1): string {
    const exits = this.#exits[state]!.filter(({ target }) => target !== without);
    return `${this.#dfa.accepting[state]} ${exits.map(({ target, key }) => `${target}:${key}`).join(' ')}`;
  }

  #isShortEnding(start: number): boolean {
    let state = start;
    for (let length = 0; length <= MAX_ENDING; length++) {
      const exits = this.#exits[state]!;
      if (exits.length === 0) return true;
      if (exits.length > 1) return false;
      const [{ target, ranges }] = exits as [Exit];
      if (target === state) return ranges.length <= 8;
      const isOne = ranges.length === 2 && ranges[0] === ranges[1];
      if (this.#dfa.accepting[state] === 1 || !isOne) return false;
      state = target;
    }
    return false;
  }
}
