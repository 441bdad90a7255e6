/**
 * Reads GBNF text as the engine reads it, quirks included, and makes it ready for matching.
 *
 * What the engine refuses is a GrammarError, and so is what it would hang on (`x{3,1}`, a left
 * recursion that it does not see), read memory that is not its own for (a `root` that is named and
 * not defined), and what only it can mean (token references). Everything else means what it means
 * there, also where that surprises:
 *
 *   - `x{0,2001}` has no upper bound, `x{2000}` is an error, `x{1999}` is not.
 *   - A repeat binds the whole literal: `"ab"+` is one or more `ab`.
 *   - `""`, `[]` and `[^]` are nothing: they match the empty text and cannot be repeated.
 *   - A line end outside of ( ) ends the rule, except after `::=` and after `|`.
 *   - A rule that is defined twice is what it was defined as last.
 *   - `\x80` is the code point U+0080, not a byte.
 *
 * Errors  GrammarError: one line with what, where, and what to do.
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`: llama_grammar_parser, llama_grammar_init_impl.
 */
import { CharSets } from './char-set.ts';
import { GrammarError } from './error.ts';
import type { Grammar } from './grammar.ts';
import { LIMITS, REPEAT_MAX } from './limits.ts';
import {
  charElement,
  type RepeatProblem,
  RuleBuilder,
  RuleList,
  ruleElement,
} from './rule-list.ts';
import { Scanner } from './scanner.ts';
import { toGrammar } from './to-grammar.ts';

export function parseGrammar(text: string): Grammar {
  // A UTF-16 unit is at least one byte, so this bounds the reading before anything is counted.
  if (text.length > LIMITS.textBytes || Buffer.byteLength(text) > LIMITS.textBytes) {
    throw new GrammarError(
      `The grammar is longer than ${LIMITS.textBytes} bytes`,
      'send a shorter grammar',
    );
  }
  return new Parser(text).parse();
}

class Parser {
  readonly #scanner: Scanner;
  readonly #rules = new RuleList();
  readonly #sets = new CharSets();

  constructor(text: string) {
    this.#scanner = new Scanner(text);
  }

  parse(): Grammar {
    this.#scanner.skipSpace(true);
    while (!this.#scanner.isAtEnd) this.#rule();
    return toGrammar(this.#rules, this.#sets.ranges, (offset) => this.#scanner.place(offset));
  }

  #rule(): void {
    const scanner = this.#scanner;
    const start = scanner.at;
    const name = scanner.takeName();
    scanner.skipSpace(false);
    const id = this.#rules.idOf(name, start);
    if (scanner.peek() !== ':' || scanner.peek(1) !== ':' || scanner.peek(2) !== '=') {
      scanner.fail(
        `'::=' was expected after ${name} and ${scanner.shown()} found`,
        'write NAME ::= …',
      );
    }
    scanner.at += 3;
    scanner.skipSpace(true);
    this.#alternatives(id, name, 0);
    if (!scanner.isAtEnd && scanner.peek() !== '\r' && scanner.peek() !== '\n') {
      scanner.fail(
        `${scanner.shown()} cannot stand here`,
        'end the rule with a line end, or remove it',
      );
    }
    scanner.skipSpace(true);
  }

  #alternatives(id: number, name: string, depth: number): void {
    const rule = new RuleBuilder(this.#rules, name);
    this.#sequence(rule, name, depth);
    while (this.#scanner.peek() === '|') {
      rule.nextAlternative();
      this.#scanner.at++;
      this.#scanner.skipSpace(true);
      this.#sequence(rule, name, depth);
    }
    rule.finish(id);
    if (this.#rules.names.length > LIMITS.rules || this.#rules.storedElements > LIMITS.elements) {
      this.#tooLarge();
    }
  }

  #sequence(rule: RuleBuilder, name: string, depth: number): void {
    const scanner = this.#scanner;
    for (;;) {
      switch (scanner.peek()) {
        case '"':
          this.#literal(rule);
          break;
        case '[':
          this.#class(rule);
          break;
        case '(':
          this.#group(rule, name, depth);
          break;
        case '.':
          scanner.at++;
          rule.startItem();
          rule.push(charElement(this.#sets.of([], true)));
          break;
        case '*':
          this.#repeat(rule, depth, 0, Number.POSITIVE_INFINITY);
          continue;
        case '+':
          this.#repeat(rule, depth, 1, Number.POSITIVE_INFINITY);
          continue;
        case '?':
          this.#repeat(rule, depth, 0, 1);
          continue;
        case '{':
          this.#counted(rule, name, depth);
          continue;
        case '<':
        case '!':
          scanner.fail(
            'A token reference (<…> or !<…>) depends on one model',
            'spell the text out as a literal',
          );
          break;
        default: {
          if (!scanner.isAtName()) return;
          const start = scanner.at;
          const element = ruleElement(this.#rules.idOf(scanner.takeName(), start));
          rule.startItem();
          rule.push(element);
        }
      }
      scanner.skipSpace(depth > 0);
    }
  }

  #literal(rule: RuleBuilder): void {
    const scanner = this.#scanner;
    scanner.at++;
    rule.startItem();
    while (scanner.peek() !== '"') {
      rule.push(charElement(this.#sets.single(scanner.takeCharacter())));
    }
    scanner.at++;
  }

  #class(rule: RuleBuilder): void {
    const scanner = this.#scanner;
    scanner.at++;
    const isNegated = scanner.peek() === '^';
    if (isNegated) scanner.at++;
    const pairs: number[] = [];
    let stored = 0;
    while (scanner.peek() !== ']') {
      const low = scanner.takeCharacter();
      let high = low;
      stored++;
      // A '-' before the ']' is a member; anywhere else after a member it makes a range.
      if (scanner.peek() === '-' && scanner.peek(1) !== ']') {
        scanner.at++;
        high = scanner.takeCharacter();
        stored++;
      }
      pairs.push(low, high);
    }
    scanner.at++;
    rule.startItem();
    if (stored > 0) rule.push(charElement(this.#sets.of(pairs, isNegated)), stored);
  }

  #group(rule: RuleBuilder, name: string, depth: number): void {
    const scanner = this.#scanner;
    if (depth === LIMITS.nesting) {
      scanner.fail(
        `More than ${LIMITS.nesting} brackets stand inside each other`,
        'give inner parts rules of their own',
      );
    }
    const opened = scanner.at;
    scanner.at++;
    scanner.skipSpace(true);
    const before = this.#rules.names.length;
    const id = this.#rules.generate(name);
    this.#alternatives(id, name, depth + 1);
    rule.startItem(this.#rules.names.length - before);
    rule.push(ruleElement(id));
    if (scanner.peek() !== ')') {
      const { line, column } = scanner.place(opened);
      scanner.fail(
        `')' was expected for the '(' of line ${line}, column ${column}, and ${scanner.shown()} found`,
        'close the group',
      );
    }
    scanner.at++;
  }

  #counted(rule: RuleBuilder, name: string, depth: number): void {
    const scanner = this.#scanner;
    const isNested = depth > 0;
    const opened = scanner.at;
    scanner.at++;
    scanner.skipSpace(isNested);
    if (!scanner.isAtDigit()) {
      scanner.fail(
        `A number was expected after '{' and ${scanner.shown()} found`,
        'write {m}, {m,} or {m,n}',
      );
    }
    const min = scanner.takeInteger();
    let max = min;
    scanner.skipSpace(isNested);
    if (scanner.peek() === ',') {
      scanner.at++;
      scanner.skipSpace(isNested);
      max = scanner.isAtDigit() ? scanner.takeInteger() : Number.POSITIVE_INFINITY;
      scanner.skipSpace(isNested);
    }
    if (scanner.peek() !== '}') {
      scanner.fail(`'}' was expected and ${scanner.shown()} found`, 'write {m}, {m,} or {m,n}');
    }
    if (min > REPEAT_MAX) {
      scanner.at = opened;
      scanner.fail(
        `A repeat of at least ${min} is above the ${REPEAT_MAX} of the engine`,
        'lower it',
      );
    }
    if (max > REPEAT_MAX && max !== Number.POSITIVE_INFINITY) {
      this.#rules.unbounded.push(name);
      max = Number.POSITIVE_INFINITY;
    }
    this.#repeat(rule, depth, min, max, opened);
  }

  /** The scanner stands on the last character of the operator, `opened` on the first. */
  #repeat(
    rule: RuleBuilder,
    depth: number,
    min: number,
    max: number,
    opened = this.#scanner.at,
  ): void {
    const problem = rule.repeat(min, max);
    if (problem !== undefined) {
      this.#scanner.at = opened;
      this.#repeatProblem(problem);
    }
    this.#scanner.at++;
    this.#scanner.skipSpace(depth > 0);
  }

  #repeatProblem(problem: RepeatProblem): never {
    switch (problem) {
      case 'nothing-before':
        return this.#scanner.fail('There is nothing to repeat before this', 'remove it');
      case 'product':
        return this.#scanner.fail(
          'The repeat and those inside it multiply to 2000 or more',
          'lower a count, or chain rules of their own',
        );
      case 'reversed':
        return this.#scanner.fail('The repeat ends below where it begins', 'swap the numbers');
      case 'elements':
        return this.#tooLarge();
    }
  }

  #tooLarge(): never {
    this.#scanner.fail(
      `The grammar has more than ${LIMITS.rules} rules or ${LIMITS.elements} elements when its repeats are written out`,
      'repeat less, or shorter parts',
    );
  }
}
