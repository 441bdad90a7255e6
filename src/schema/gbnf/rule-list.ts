/**
 * The rules of a grammar while it is read: names, elements, and repeats written out the way the
 * engine writes them out, because its limits count what comes of that.
 *
 * An element is one number: 0 ends a rule, 1 ends an alternative, even numbers from 2 are rules,
 * odd numbers from 3 are character sets. (The engine needs one element for every part of a class;
 * those are counted beside it.)
 *
 *   S{m,n}  S … S (m times) S'(n-m)   S'(k) ::= S S'(k-1) |   S'(1) ::= S |
 *   S{m,}   S … S (m times) S'        S'    ::= S S' |
 *
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`: parse_sequence (handle_repetitions),
 *         get_symbol_id, generate_symbol_id, add_rule.
 */
import { LIMITS, REPEAT_PRODUCT_LIMIT } from './limits.ts';

export const RULE_END = 0;
export const NEXT_ALTERNATIVE = 1;

export const ruleElement = (id: number): number => 2 * id + 2;
export const charElement = (id: number): number => 2 * id + 3;
export const isRule = (element: number): boolean => element > 1 && element % 2 === 0;
/** The id of the rule or of the character set. */
export const idOf = (element: number): number => (element - 2) >> 1;

/** The name that the text has for a rule: a generated one is part of the rule that it comes from. */
export const plainName = (name: string): string => name.replace(/_\d+$/, '');

/** What stands last in a sequence and could be repeated. */
interface Last {
  /** Where it starts in the rule. */
  start: number;
  /** How many rules it is made of, as the engine counts for its limit. */
  rules: number;
  /** Its elements as the engine stores them. */
  stored: number;
}

export class RuleList {
  /** By id; undefined while a name has been used and not defined. */
  readonly rules: (readonly number[] | undefined)[] = [];
  /** By id; generated rules have the name of the rule that they come from, and a number. */
  readonly names: string[] = [];
  /** By id: where the text has the name for the first time. */
  readonly firstAt: number[] = [];
  readonly #ids = new Map<string, number>();
  storedElements = 0;
  /** What the engine takes in silence and means otherwise than it seems; see `Oddities`. */
  readonly redefined: string[] = [];
  readonly unbounded: string[] = [];

  /** `at`: where the name stands; kept for messages when it is the first time. */
  idOf(name: string, at: number): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.names.push(name) - 1;
      this.firstAt.push(at);
      this.#ids.set(name, id);
    }
    return id;
  }

  find(name: string): number | undefined {
    return this.#ids.get(name);
  }

  generate(base: string): number {
    // '_' is in no name that a text can have, so this is never one of them.
    this.firstAt.push(this.firstAt[this.#ids.get(base)!]!);
    return this.names.push(`${base}_${this.names.length}`) - 1;
  }

  /** A second definition of a name replaces the first, without a word. */
  define(id: number, elements: readonly number[]): void {
    if (this.rules[id] !== undefined) this.redefined.push(this.names[id]!);
    this.rules[id] = elements;
    this.storedElements++;
  }
}

/** Why a repeat is refused; the caller knows the place. */
export type RepeatProblem = 'nothing-before' | 'product' | 'reversed' | 'elements';

/** One rule's alternatives, growing. */
export class RuleBuilder {
  readonly #list: RuleList;
  readonly #name: string;
  readonly #elements: number[] = [];
  #last: Last = { start: 0, rules: 1, stored: 0 };

  constructor(list: RuleList, name: string) {
    this.#list = list;
    this.#name = name;
  }

  /** Also what follows the start of an alternative: there is nothing to repeat yet. */
  startItem(rules = 1): void {
    this.#last = { start: this.#elements.length, rules, stored: 0 };
  }

  /** `stored`: how many elements the engine has for it. */
  push(element: number, stored = 1): void {
    this.#elements.push(element);
    this.#last.stored += stored;
    this.#list.storedElements += stored;
  }

  nextAlternative(): void {
    this.#elements.push(NEXT_ALTERNATIVE);
    this.#list.storedElements++;
    this.startItem();
  }

  finish(id: number): void {
    this.#elements.push(RULE_END);
    this.#list.define(id, this.#elements);
  }

  /** `max` is Infinity for no upper bound. */
  repeat(min: number, max: number): RepeatProblem | undefined {
    const last = this.#last;
    const elements = this.#elements;
    if (last.start === elements.length) return 'nothing-before';
    const isBounded = max !== Number.POSITIVE_INFINITY;
    const factor = isBounded && max > 0 ? max : Math.max(min, 1);
    if (last.rules * factor >= REPEAT_PRODUCT_LIMIT) return 'product';
    // The engine computes max - min without a sign and writes rules until its memory is full.
    if (max < min) return 'reversed';

    const generated = isBounded ? max - min : 1;
    const stored = (min + generated) * last.stored + 3 * generated;
    if (this.#list.storedElements + stored > LIMITS.elements) return 'elements';
    this.#list.storedElements += stored;

    const item = elements.slice(last.start);
    if (min === 0) elements.length = last.start;
    for (let i = 1; i < min; i++) for (const element of item) elements.push(element);
    last.stored *= min;
    if (generated > 0) {
      elements.push(ruleElement(this.#chain(item, generated, isBounded)));
      last.stored++;
    }
    last.rules *= factor;
    return undefined;
  }

  /** Returns the rule that stands for up to `length` items, or any number of them. */
  #chain(item: readonly number[], length: number, isBounded: boolean): number {
    let previous: number | undefined;
    for (let i = 0; i < length; i++) {
      const id = this.#list.generate(this.#name);
      const next = isBounded ? previous : id;
      const rest = next === undefined ? [] : [ruleElement(next)];
      this.#list.define(id, [...item, ...rest, NEXT_ALTERNATIVE, RULE_END]);
      previous = id;
    }
    return previous!;
  }
}
