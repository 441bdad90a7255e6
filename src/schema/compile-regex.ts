/**
 * A pattern as the grammar of the texts that match it from end to end.
 *
 * Errors  UnsupportedSchema with the keyword `regex` for what cannot be enforced or is too large, RegexError
 *         for what is no regular expression.
 */
import { BudgetError } from './automata/budget.ts';
import { RegexError } from './automata/regex/error.ts';
import { parseRegex } from './automata/regex.ts';
import { isEmptyStrings, matchingStrings, type StringSet } from './ir/strings.ts';
import { GrammarBudgetError, Rules } from './print/rules.ts';
import { printStrings } from './print/scalars.ts';
import { UnsupportedSchema } from './unsupported.ts';

/** Returns GBNF. */
export function compileRegex(pattern: string, maxGrammarBytes: number): string {
  try {
    // By itself first: `a)(b` would become one between the brackets below.
    parseRegex(pattern);
    const texts: StringSet = matchingStrings(`^(?:${pattern})$`);
    if (isEmptyStrings(texts)) throw new UnsupportedSchema('regex', '', 'no text can match it');
    const rules = new Rules(maxGrammarBytes);
    return rules.print([printStrings(texts, rules, 'raw')]);
  } catch (error) {
    if (error instanceof RegexError && error.kind === 'refused') {
      throw new UnsupportedSchema('regex', '', `${error.why} at ${error.at} cannot be enforced`);
    }
    const isTooLarge = error instanceof BudgetError || error instanceof GrammarBudgetError;
    if (!isTooLarge) throw error;
    throw new UnsupportedSchema('regex', '', `too large to enforce: ${error.message}`);
  }
}
