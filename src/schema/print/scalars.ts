/** Sets of strings and numbers as rules. */
import { countedGrammar } from '../automata/counted-class.ts';
import type { Dfa } from '../automata/dfa.ts';
import type { Grammar } from '../automata/grammar-expression.ts';
import { type TextContext, toGbnf } from '../automata/to-gbnf.ts';
import { toGrammar } from '../automata/to-grammar.ts';
import type { NumberSet } from '../ir/numbers.ts';
import type { StringSet } from '../ir/strings.ts';
import type { Part, Rules } from './rules.ts';

export function printNumbers(set: NumberSet, rules: Rules): Part {
  const name = rules.reserve('number');
  return print(name, [fromAutomaton(set.dfa, name)], 'raw', rules);
}

/** `json-string`: what stands between the quotes. */
export function printStrings(
  set: StringSet,
  rules: Rules,
  context: TextContext = 'json-string',
): Part {
  const name = rules.reserve('string');
  const grammars = set.parts.map((part, at) =>
    part.kind === 'automaton' ? fromAutomaton(part.dfa, `${name}-${at}`) : countedGrammar(part),
  );
  return print(name, grammars, context, rules);
}

function fromAutomaton(dfa: Dfa, name: string): Grammar {
  return toGrammar(dfa, `${name}-state`);
}

function print(
  name: string,
  grammars: readonly Grammar[],
  context: TextContext,
  rules: Rules,
): Part {
  const roots = grammars.map((grammar, at) => {
    const { root, rules: own } = toGbnf(grammar, { name: `${name}-${at}`, context });
    for (const rule of own) rules.defineRaw(rule.name, rule.body);
    return root;
  });
  rules.defineRaw(name, roots.join(' | '));
  return { rule: name };
}
