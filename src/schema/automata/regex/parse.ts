/**
 * Parses a pattern of ECMA-262 to what it says.
 *
 * Source  ECMA-262, Patterns, and Annex B.1.2 for patterns without the flag `u`.
 * Errors  RegexError; groups nest 200 deep at most.
 */
import { intersectRanges } from '../ranges.ts';
import { choiceOf, type RegexNode, sequenceOf } from './ast.ts';
import { readClass } from './class.ts';
import { type EscapeContext, readEscape } from './escape.ts';
import { RegexReader } from './reader.ts';
import { anyButLineEnds } from './sets.ts';

const MAX_DEPTH = 200;

export function parsePattern(source: string, isUnicode: boolean): RegexNode {
  const reader = new RegexReader(source, isUnicode);
  const parser = new Parser(reader, countGroups(source));
  const node = parser.choice(0);
  if (!reader.isAtEnd) throw reader.syntax('a closing parenthesis without its opening one');
  return node;
}

class Parser {
  readonly #reader: RegexReader;
  readonly #context: EscapeContext;

  constructor(reader: RegexReader, groups: Omit<EscapeContext, 'isInClass'>) {
    this.#reader = reader;
    this.#context = { ...groups, isInClass: false };
  }

  choice(depth: number): RegexNode {
    const items: RegexNode[] = [];
    do items.push(this.#sequence(depth));
    while (this.#reader.eat('|'));
    return choiceOf(items);
  }

  #sequence(depth: number): RegexNode {
    const reader = this.#reader;
    const items: RegexNode[] = [];
    while (!reader.isAtEnd && reader.peek() !== '|' && reader.peek() !== ')') {
      const assertion = this.#assertion();
      if (assertion !== undefined) {
        items.push(assertion);
        if (this.#quantifier() !== undefined) throw reader.syntax('nothing to repeat');
      } else {
        const body = this.#atom(depth);
        const count = this.#quantifier();
        items.push(count === undefined ? body : { type: 'repeat', body, ...count });
      }
    }
    return sequenceOf(items);
  }

  #assertion(): RegexNode | undefined {
    const reader = this.#reader;
    if (reader.eat('^')) return { type: 'assert', kind: 'start' };
    if (reader.eat('$')) return { type: 'assert', kind: 'end' };
    if (reader.eat('\\b')) return { type: 'assert', kind: 'word' };
    if (reader.eat('\\B')) return { type: 'assert', kind: 'not-word' };
    return undefined;
  }

  #atom(depth: number): RegexNode {
    const reader = this.#reader;
    const at = reader.at;
    if (reader.eat('(')) return this.#group(depth, at);
    if (reader.eat('[')) return { type: 'set', ranges: readClass(reader, this.#context) };
    if (reader.eat('.')) return { type: 'set', ranges: anyButLineEnds(reader.universe) };
    if (reader.eat('\\')) {
      const meant = readEscape(reader, this.#context);
      return 'set' in meant ? { type: 'set', ranges: meant.set } : this.#literal(meant.code);
    }
    if (this.#quantifier() !== undefined) throw reader.syntax('nothing to repeat', at);
    if (reader.isUnicode && ']{}'.includes(reader.peek())) {
      throw reader.syntax(`a lone ${reader.peek()}`, at);
    }
    return this.#literal(reader.next());
  }

  /** A lone surrogate under Unicode semantics is in no text: it reads nothing. */
  #literal(code: number): RegexNode {
    return { type: 'set', ranges: intersectRanges([code, code], this.#reader.universe) };
  }

  #group(depth: number, at: number): RegexNode {
    const reader = this.#reader;
    if (depth === MAX_DEPTH) throw reader.refused(`more than ${MAX_DEPTH} nested groups`, at);
    if (reader.eat('?')) {
      if (reader.eat('=') || reader.eat('!')) throw reader.refused('look-ahead', at);
      if (reader.eat('<=') || reader.eat('<!')) throw reader.refused('look-behind', at);
      const modifiers = reader.match(/[ims]*(?:-[ims]*)?:/y)?.[0];
      if (modifiers !== undefined && modifiers !== ':') {
        throw reader.refused('a group with modifiers', at);
      }
      const name = modifiers ?? reader.match(/<[^>]+>/y)?.[0];
      if (name === undefined) throw reader.syntax('an unknown kind of group', at);
    }
    const node = this.choice(depth + 1);
    if (!reader.eat(')')) throw reader.syntax('a group that is not closed', at);
    return node;
  }

  #quantifier(): { readonly min: number; readonly max: number } | undefined {
    const reader = this.#reader;
    const at = reader.at;
    const found = reader.match(/(?:([*+?])|\{(\d+)(,)?(\d*)\})\??/y);
    if (found === undefined) return undefined;
    const [, sign, least, comma, most] = found;
    if (sign !== undefined) return { min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Infinity };
    const min = Number(least);
    const max = most !== '' ? Number(most) : comma === undefined ? min : Infinity;
    if (max < min) throw reader.syntax('numbers out of order in a count', at);
    return { min, max };
  }
}

/** Capturing groups, wherever they are: whether `\1` is a reference depends on those that follow. */
function countGroups(source: string): Omit<EscapeContext, 'isInClass'> {
  let groups = 0;
  let hasNamedGroups = false;
  for (const [part] of source.matchAll(
    /\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]?|\((?:\?<(?![=!])|\?)?/g,
  )) {
    if (part === '(' || part === '(?<') groups++;
    if (part === '(?<') hasNamedGroups = true;
  }
  return { groups, hasNamedGroups };
}
