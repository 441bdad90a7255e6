/**
 * Prints a grammar as GBNF, raw or as what stands between the quotes of a JSON string. Pure and
 * deterministic.
 *
 * A set that has escaped code points is printed as a choice between a class and the escapes. That
 * is the same language as the automaton of `json-text.ts`, and smaller: `.{0,60}` stays one count.
 * No repeat is larger than 256, since the native parser writes each one out: larger counts are
 * made of rules for 256 in a row, such that a text matches in one way only. A class that is long
 * and needed more than once becomes a rule.
 *
 * Rule names  those of the grammar, then `name-set-1…` and `name-times-1…`.
 */
import { toGbnfClass, toGbnfText } from './gbnf-text.ts';
import type { Grammar, GrammarExpression } from './grammar-expression.ts';
import { ESCAPED, escapeOf } from './json-text.ts';
import { complementRanges, intersectRanges, type Ranges, toRanges } from './ranges.ts';

export type TextContext = 'raw' | 'json-string';

export interface GbnfRule {
  readonly name: string;
  readonly body: string;
}

export interface Gbnf {
  /** An expression that may stand in a sequence. */
  readonly root: string;
  readonly rules: readonly GbnfRule[];
}

const MAX_REPEAT = 256;
/** A class that is longer than this, in characters, is worth a rule. */
const LONG_CLASS = 32;
const ESCAPED_SET: Ranges = toRanges(ESCAPED.flatMap((code) => [code, code]));

export function toGbnf(
  grammar: Grammar,
  { name, context }: { readonly name: string; readonly context: TextContext },
): Gbnf {
  return new Printer(name, context).print(grammar);
}

class Printer {
  readonly #name: string;
  readonly #context: TextContext;
  readonly #sets = new Map<string, { readonly printed: string; uses: number; rule: string }>();
  readonly #times = new Map<string, string>();
  readonly #extra: GbnfRule[] = [];

  constructor(name: string, context: TextContext) {
    this.#name = name;
    this.#context = context;
  }

  print({ root, rules }: Grammar): Gbnf {
    for (const expression of [root, ...rules.values()]) this.#countSets(expression);
    const printed = Array.from(rules, ([name, body]) => ({ name, body: this.#choice(body) }));
    const start = this.#item(root);
    return { root: start, rules: [...printed, ...this.#extra] };
  }

  #countSets(expression: GrammarExpression): void {
    switch (expression.type) {
      case 'text':
      case 'rule':
        return;
      case 'set': {
        const key = expression.ranges.join();
        const known = this.#sets.get(key);
        if (known !== undefined) known.uses++;
        else this.#sets.set(key, { printed: this.#printSet(expression.ranges), uses: 1, rule: '' });
        return;
      }
      case 'count':
        // The native parser copies what is repeated: a rule is one element, a class may be a thousand.
        if (largest(expression) > 1) this.#countSets(expression.body);
        this.#countSets(expression.body);
        return;
      case 'sequence':
      case 'choice':
        for (const item of expression.items) this.#countSets(item);
    }
  }

  /** Without parentheses: as a whole body. */
  #choice(expression: GrammarExpression): string {
    if (expression.type !== 'choice') return this.#sequence(expression);
    return expression.items.map((item) => this.#sequence(item)).join(' | ');
  }

  #sequence(expression: GrammarExpression): string {
    if (expression.type !== 'sequence') return this.#item(expression);
    if (expression.items.length === 0) return '""';
    return expression.items.map((item) => this.#item(item)).join(' ');
  }

  /** As a part of a sequence, to which a repeat may be appended if it is not a sequence itself. */
  #item(expression: GrammarExpression): string {
    switch (expression.type) {
      case 'text':
        return toGbnfText(this.#spelled(expression.text));
      case 'set':
        return this.#set(expression.ranges);
      case 'rule':
        return expression.name;
      case 'count':
        return this.#count(this.#single(expression.body), expression.min, expression.max);
      case 'sequence':
        return this.#sequence(expression);
      case 'choice':
        return `(${this.#choice(expression)})`;
    }
  }

  /** Something that a repeat can be appended to. */
  #single(expression: GrammarExpression): string {
    const printed = this.#item(expression);
    const isSequence = expression.type === 'sequence' || expression.type === 'count';
    return isSequence ? `(${printed})` : printed;
  }

  #spelled(text: string): string {
    return this.#context === 'raw' ? text : JSON.stringify(text).slice(1, -1);
  }

  #count(item: string, min: number, max: number): string {
    if (max === Infinity) {
      if (min > MAX_REPEAT) return `${this.#exactly(item, min)} ${item}*`;
      return min > 1 ? `${item}{${min},}` : `${item}${min === 0 ? '*' : '+'}`;
    }
    if (max <= MAX_REPEAT) return repeated(item, min, max);
    return [this.#exactly(item, min), this.#upTo(item, max - min)].filter(Boolean).join(' ');
  }

  #exactly(item: string, count: number): string {
    if (count <= MAX_REPEAT) return repeated(item, count, count);
    const chunks = this.#exactly(this.#chunk(item), Math.floor(count / MAX_REPEAT));
    return [chunks, repeated(item, count % MAX_REPEAT, count % MAX_REPEAT)]
      .filter(Boolean)
      .join(' ');
  }

  /** Either fewer whole chunks and part of one more, or all of them and the rest. */
  #upTo(item: string, count: number): string {
    if (count <= MAX_REPEAT) return repeated(item, 0, count);
    const chunk = this.#chunk(item);
    const chunks = Math.floor(count / MAX_REPEAT);
    const fewer = [this.#upTo(chunk, chunks - 1), repeated(item, 0, MAX_REPEAT - 1)];
    const all = [this.#exactly(chunk, chunks), repeated(item, 0, count % MAX_REPEAT)];
    return `(${[fewer, all].map((parts) => parts.filter(Boolean).join(' ')).join(' | ')})`;
  }

  #chunk(item: string): string {
    let name = this.#times.get(item);
    if (name === undefined) {
      name = `${this.#name}-times-${this.#times.size + 1}`;
      this.#times.set(item, name);
      this.#extra.push({ name, body: repeated(item, MAX_REPEAT, MAX_REPEAT) });
    }
    return name;
  }

  #set(ranges: Ranges): string {
    const set = this.#sets.get(ranges.join())!;
    if (set.uses === 1 || set.printed.length <= LONG_CLASS) return set.printed;
    if (set.rule === '') {
      set.rule = `${this.#name}-set-${this.#extra.length + 1}`;
      this.#extra.push({ name: set.rule, body: set.printed });
    }
    return set.rule;
  }

  #printSet(ranges: Ranges): string {
    const escaped = this.#context === 'raw' ? [] : intersectRanges(ranges, ESCAPED_SET);
    if (escaped.length === 0) return toGbnfClass(ranges);
    const plain = intersectRanges(ranges, complementRanges(ESCAPED_SET));
    const short: number[] = [];
    const byLead = new Map<string, number[]>();
    for (const code of ESCAPED) {
      if (!escaped.some((from, at) => at % 2 === 0 && from <= code && code <= escaped[at + 1]!))
        continue;
      const rest = escapeOf(code);
      const last = rest.charCodeAt(rest.length - 1);
      if (rest.length === 1) short.push(last, last);
      else byLead.set(rest.slice(0, -1), [...(byLead.get(rest.slice(0, -1)) ?? []), last, last]);
    }
    const choices = plain.length > 0 ? [toGbnfClass(plain)] : [];
    if (short.length > 0) choices.push(`"\\\\" ${toGbnfClass(toRanges(short))}`);
    for (const [lead, ends] of byLead) {
      choices.push(`${toGbnfText(`\\${lead}`)} ${toGbnfClass(toRanges(ends))}`);
    }
    return `(${choices.join(' | ')})`;
  }
}

function largest({ min, max }: { readonly min: number; readonly max: number }): number {
  return max === Infinity ? min : max;
}

/** Empty for no repeat at all. */
function repeated(item: string, min: number, max: number): string {
  if (max === 0) return '';
  if (max === 1) return min === 1 ? item : `${item}?`;
  return min === max ? `${item}{${min}}` : `${item}{${min},${max}}`;
}
