/**
 * Patterns as JSON Schema has them: regular expressions of ECMA-262, searched for in the text.
 *
 * A pattern is read under Unicode semantics, as the specification of JSON Schema asks for. One that
 * is valid only without the flag `u` (`^[a-z\-]+\_$`) is read that way, as validators do. It then
 * works on UTF-16 units: `^.$` finds no emoji, `^.{2}$` does. That is followed to the letter, by an
 * automaton over units that is turned into one over code points.
 *
 * `^`, `$`, `\b` and `\B` work wherever they stand; where they cannot hold, nothing is matched.
 * (V8 finds `\B` inside of an emoji; ECMA-262 does not, and neither do we.)
 * Refused by name: look-ahead, look-behind, back-references, modifiers.
 *
 * Errors  RegexError, BudgetError.
 */
import { BudgetError, DEFAULT_STATES } from './budget.ts';
import { determinise } from './build/determinise.ts';
import { Nfa } from './build/nfa.ts';
import type { Dfa } from './dfa.ts';
import { EVERY_CODE_POINT } from './ranges.ts';
import { isAnchoredAtStart, type RegexNode } from './regex/ast.ts';
import { RegexError } from './regex/error.ts';
import { fromUnits } from './regex/from-units.ts';
import { parsePattern } from './regex/parse.ts';

export interface Regex {
  readonly node: RegexNode;
  /** False: valid only without the flag `u`; its sets are of UTF-16 units. */
  readonly isUnicode: boolean;
}

export function parseRegex(source: string): Regex {
  try {
    return parseAs(source, true);
  } catch (error) {
    if (!(error instanceof RegexError) || error.kind !== 'syntax') throw error;
    if (!isValid(source, false)) throw error;
    return parseAs(source, false);
  }
}

/** The texts in which the pattern is found. */
export function regexDfa(regex: Regex, budget = DEFAULT_STATES): Dfa {
  try {
    return build(regex, false, budget);
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error;
    return build(regex, true, budget);
  }
}

function build({ node, isUnicode }: Regex, isSkipping: boolean, budget: number): Dfa {
  const nfa = new Nfa(budget);
  const universe = isUnicode ? EVERY_CODE_POINT : [0, 0xffff];
  const entry = compile(nfa, node, isSkipping, nfa.found(universe));
  const start = isAnchoredAtStart(node)
    ? entry
    : nfa.star((next) => nfa.char(universe, next), entry);
  const dfa = determinise(nfa, start, budget);
  return isUnicode ? dfa : fromUnits(dfa, budget);
}

function parseAs(source: string, isUnicode: boolean): Regex {
  const node = parsePattern(source, isUnicode);
  // Ours knows where a problem is; the engine has the last word on what is valid.
  if (!isValid(source, isUnicode)) {
    throw new RegexError({ why: 'something the engine does not know', at: 0, kind: 'syntax' });
  }
  return { node, isUnicode };
}

function isValid(source: string, isUnicode: boolean): boolean {
  try {
    new RegExp(source, isUnicode ? 'u' : '');
    return true;
  } catch {
    // Its message says less than ours: only the verdict counts.
    return false;
  }
}

function compile(nfa: Nfa, node: RegexNode, isSkipping: boolean, next: number): number {
  switch (node.type) {
    case 'set':
      return nfa.char(node.ranges, next);
    case 'assert':
      return nfa.assert(node.kind, next);
    case 'repeat': {
      const { body, min, max } = node;
      const once = (after: number): number => compile(nfa, body, isSkipping, after);
      return nfa.repeat(once, { min, max, isSkipping }, next);
    }
    case 'sequence':
      return node.items.reduceRight((after, item) => compile(nfa, item, isSkipping, after), next);
    case 'choice':
      return node.items
        .map((item) => compile(nfa, item, isSkipping, next))
        .reduceRight((other, entry) => nfa.split(entry, other));
  }
}
