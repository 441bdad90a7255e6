/**
 * Runs a grammar over code points: a pushdown automaton whose states are made as texts need them.
 *
 *   state   the positions of character sets that may take the next code point, each with its tail
 *           (what follows after its rule); and whether the text may end here
 *   step    1. each set that holds the code point moves on; where a rule ends, its tail goes on
 *           2. positions that stand before a rule enter it: what follows becomes a frame
 *           3. entered rules are opened, those that begin with others first, so that each is
 *              opened once and knows then all that waits for it
 *
 * The engine does the same with one stack at a time. Here equal positions share a tail, so that
 * ambiguity costs a set instead of copies: n code points take at most O(n³) whatever the grammar.
 * A rule that may be empty is passed where it is used, so in 3 no rule ends that began there.
 *
 * Units   `workLeft` counts positions and frames looked at; the caller sets it.
 * Errors  GrammarError when the work is used up: the state before remains good.
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`: llama_grammar_accept,
 *         llama_grammar_advance_stack; E. Scott and A. Johnstone, "GLL Parsing", 2010.
 */
import { CharIndex } from './char-index.ts';
import { GrammarError } from './error.ts';
import type { Grammar } from './grammar.ts';
import { Interner } from './interner.ts';
import { MinHeap } from './min-heap.ts';
import { idOf, isRule, RULE_END } from './rule-list.ts';
import { BOTTOM, Tails } from './tails.ts';

export class State {
  /** Ascending; `sets` and `tails` go with them. */
  readonly positions: readonly number[];
  readonly sets: readonly number[];
  readonly tails: readonly number[];
  readonly isAccepting: boolean;
  /** By code point; undefined as a value: nothing goes on. */
  readonly next = new Map<number, State | undefined>();
  /** By the bits of what matched: other code points that match the same lead to the same. */
  readonly byMatch = new Map<number, State>();

  constructor(list: readonly number[], elements: Int32Array) {
    const positions: number[] = [];
    const sets: number[] = [];
    const tails: number[] = [];
    for (let i = 1; i < list.length; i += 2) {
      positions.push(list[i]!);
      sets.push(idOf(elements[list[i]!]!));
      tails.push(list[i + 1]!);
    }
    this.positions = positions;
    this.sets = sets;
    this.tails = tails;
    this.isAccepting = list[0] === 1;
  }
}

export class Automaton {
  readonly grammar: Grammar;
  readonly tails = new Tails();
  readonly first: State;
  workLeft: number;
  readonly #chars: CharIndex;
  readonly #lists = new Interner();
  readonly #states: State[] = [];

  // What one step collects; empty between steps.
  readonly #goesOn = new Map<number, number[]>();
  readonly #takes = new Map<number, number[]>();
  readonly #waits = new Map<number, number[]>();
  readonly #opened = new MinHeap();
  readonly #ended = new Set<number>();
  readonly #todo: number[] = [];
  #mayEnd = false;

  constructor(grammar: Grammar, workLeft: number) {
    this.grammar = grammar;
    this.workLeft = workLeft;
    this.#chars = new CharIndex(grammar.sets);
    this.#mayEnd = grammar.isNullable[grammar.root] === 1;
    this.#wait(grammar.root, this.tails.bottom);
    this.first = this.#finish();
  }

  /** How many things it remembers. */
  get size(): number {
    return this.#states.length + this.tails.size;
  }

  advance(state: State, codePoint: number): State | undefined {
    const known = state.next.get(codePoint);
    if (known !== undefined || state.next.has(codePoint)) return known;
    const found = this.#advance(state, codePoint);
    state.next.set(codePoint, found);
    return found;
  }

  #advance({ positions, sets, tails, byMatch }: State, codePoint: number): State | undefined {
    const count = positions.length;
    this.#spend(count);
    const matched: number[] = [];
    let bits = 0;
    for (let i = 0; i < count; i++) {
      if (!this.#chars.has(sets[i]!, codePoint)) continue;
      matched.push(i);
      bits |= 1 << i;
    }
    if (matched.length === 0) return undefined;
    const isSmall = count < 31;
    const same = isSmall ? byMatch.get(bits) : undefined;
    if (same !== undefined) return same;
    this.#clear();
    for (const i of matched) this.#goOn(positions[i]! + 1, tails[i]!);
    const state = this.#finish();
    if (isSmall) byMatch.set(bits, state);
    return state;
  }

  /** A step that ran out of work has left things behind. */
  #clear(): void {
    this.#goesOn.clear();
    this.#takes.clear();
    this.#waits.clear();
    this.#ended.clear();
    this.#todo.length = 0;
    while (this.#opened.pop() !== undefined);
    this.#mayEnd = false;
  }

  /** 1: everything that is reached without a character and without entering a rule. */
  #goOn(start: number, startTail: number): void {
    const { elements, isNullable } = this.grammar;
    const todo = this.#todo;
    todo.push(start, startTail);
    while (todo.length > 0) {
      const tail = todo.pop()!;
      const position = todo.pop()!;
      // The tails of a position are searched one by one.
      this.#spend(1 + ((this.#goesOn.get(position)?.length ?? 0) >> 4));
      const element = elements[position]!;
      if (element === RULE_END) {
        this.#end(tail);
        continue;
      }
      if (!add(this.#goesOn, position, tail)) continue;
      if (isRule(element) && isNullable[idOf(element)] === 1) todo.push(position + 1, tail);
    }
  }

  #end(tail: number): void {
    if (this.#ended.has(tail)) return;
    this.#ended.add(tail);
    const { positions, below } = this.tails;
    const frames = this.tails.framesOf(tail);
    this.#spend(frames.length);
    for (const frame of frames) {
      if (frame === BOTTOM) this.#mayEnd = true;
      else this.#todo.push(positions[frame]!, below[frame]!);
    }
  }

  #finish(): State {
    for (const [position, tails] of this.#goesOn) this.#enter(position, this.#union(tails));
    for (;;) {
      const component = this.#opened.pop();
      if (component === undefined) break;
      this.#open(component, this.#union(this.#waits.get(component)!));
    }
    const list: number[] = [this.#mayEnd ? 1 : 0];
    for (const position of [...this.#takes.keys()].sort((a, b) => a - b)) {
      list.push(position, this.#union(this.#takes.get(position)!));
    }
    const id = this.#lists.idOf(list);
    this.#states[id] ??= new State(list, this.grammar.elements);
    this.#clear();
    return this.#states[id]!;
  }

  /** 2: a position that has all its tails. */
  #enter(position: number, tail: number): void {
    const { elements } = this.grammar;
    const element = elements[position]!;
    if (!isRule(element)) {
      add(this.#takes, position, tail);
    } else if (elements[position + 1] === RULE_END) {
      this.#wait(idOf(element), tail);
    } else {
      this.#wait(idOf(element), this.tails.push(position + 1, tail));
    }
  }

  #wait(rule: number, tail: number): void {
    const component = this.grammar.component[rule]!;
    // The heap gives the smallest first, and callers have the higher numbers.
    if (!this.#waits.has(component)) this.#opened.push(-component, component);
    add(this.#waits, component, tail);
  }

  /** 3: all alternatives of a rule, up to where something must be taken. */
  #open(component: number, tail: number): void {
    const grammar = this.grammar;
    const { elements, alternatives, ofRule, isNullable } = grammar;
    for (const rule of grammar.members[component]!) {
      for (let i = ofRule[rule]!; i < ofRule[rule + 1]!; i++) {
        for (let at = alternatives[i]!; elements[at] !== RULE_END; at++) {
          this.#spend(1);
          const element = elements[at]!;
          // A rule of the same component stands last, and is being opened just now.
          if (!isRule(element) || grammar.component[idOf(element)] !== component) {
            this.#enter(at, tail);
          }
          if (!isRule(element) || isNullable[idOf(element)] === 0) break;
        }
      }
    }
  }

  #union(tails: readonly number[]): number {
    if (tails.length > 1) this.#spend(this.tails.sizeOf(tails));
    return this.tails.union(tails);
  }

  #spend(work: number): void {
    this.workLeft -= work;
    if (this.workLeft < 0) {
      throw new GrammarError(
        'Matching took more work than was allowed',
        'make the grammar less ambiguous, or the text shorter',
      );
    }
  }
}

/** Returns whether the tail was new there. */
function add(map: Map<number, number[]>, key: number, tail: number): boolean {
  const tails = map.get(key);
  if (tails === undefined) {
    map.set(key, [tail]);
    return true;
  }
  if (tails.includes(tail)) return false;
  tails.push(tail);
  return true;
}
