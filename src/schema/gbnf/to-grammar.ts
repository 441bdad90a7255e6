/**
 * Makes a list of rules a grammar, after the checks that the engine makes of the whole.
 *
 * Errors  GrammarError: no rules, a rule that is used and not defined, no `root`, left recursion.
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`: llama_grammar_parser::parse (at its end),
 *         llama_grammar_init_impl.
 */
import type { Ranges } from './char-set.ts';
import { GrammarError, type Place } from './error.ts';
import type { Alternatives, Grammar } from './grammar.ts';
import { leastLengths } from './least-length.ts';
import { findComponents } from './left-recursion.ts';
import { idOf, isRule, NEXT_ALTERNATIVE, RULE_END, type RuleList } from './rule-list.ts';

/** `place`: of an index into the text. */
export function toGrammar(
  list: RuleList,
  sets: readonly Ranges[],
  place: (at: number) => Place,
): Grammar {
  const { rules, names } = list;
  const placeOf = (rule: number): Place => place(list.firstAt[rule]!);
  if (rules.length === 0) throw new GrammarError('The grammar has no rules', 'add root ::= …');
  checkDefined(list, placeOf);
  const root = list.find('root');
  if (root === undefined || rules[root] === undefined) {
    throw new GrammarError("The grammar has no rule 'root'", 'name its first rule root');
  }
  const flat = { names: names.slice(0, rules.length), placeOf, sets, ...flatten(rules) };
  const leastLength = leastLengths(flat);
  const isNullable = Uint8Array.from(leastLength, (length) => (length === 0 ? 1 : 0));
  const { component, members } = findComponents(flat, isNullable);
  return {
    ...flat,
    root,
    leastLength,
    isNullable,
    component,
    members,
    storedElements: list.storedElements,
    oddities: {
      redefined: list.redefined,
      undefined: names.slice(rules.length),
      unbounded: list.unbounded,
    },
  };
}

/**
 * A name is missed when it is used, and also when it was used in a place that is gone (`x{0}`, a
 * definition that was replaced) and rules were defined after it: the engine counts them by number.
 */
function checkDefined({ rules, names }: RuleList, placeOf: (rule: number) => Place): void {
  const undefinedRule = (id: number) =>
    new GrammarError(
      `The rule '${names[id]}' is used and not defined`,
      `add ${names[id]} ::= …`,
      placeOf(id),
    );
  for (let id = 0; id < rules.length; id++) {
    const rule = rules[id];
    if (rule === undefined) throw undefinedRule(id);
    for (const element of rule) {
      if (isRule(element) && rules[idOf(element)] === undefined) throw undefinedRule(idOf(element));
    }
  }
}

function flatten(
  rules: RuleList['rules'],
): Pick<Alternatives, 'elements' | 'alternatives' | 'ofRule'> {
  let size = 0;
  for (const rule of rules) size += rule!.length;
  const elements = new Int32Array(size);
  const alternatives: number[] = [];
  const ofRule = new Int32Array(rules.length + 1);
  let at = 0;
  for (let id = 0; id < rules.length; id++) {
    ofRule[id] = alternatives.length;
    alternatives.push(at);
    for (const element of rules[id]!) {
      if (element === NEXT_ALTERNATIVE) {
        elements[at++] = RULE_END;
        alternatives.push(at);
      } else {
        elements[at++] = element;
      }
    }
  }
  ofRule[rules.length] = alternatives.length;
  return { elements, alternatives: Int32Array.from(alternatives), ofRule };
}
