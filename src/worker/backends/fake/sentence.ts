/**
 * What the fake model says under a grammar: a sentence drawn from it, the same one for the same seed.
 *
 * Shapes  undefined when the grammar has no sentence of at most 200 characters.
 * Errors  GrammarError for a text that is no grammar.
 */
import type { Grammar } from '../../../core/engine.ts';
import { drawSentence } from '../../../schema/gbnf/draw.ts';
import { makeMatcher } from '../../../schema/gbnf/match.ts';
import { parseGrammar } from '../../../schema/gbnf/parse.ts';
import { seededRandom } from '../../../schema/gbnf/seeded-random.ts';

export function drawFrom({ text }: Grammar, seed: number): string | undefined {
  return drawSentence(makeMatcher(parseGrammar(text)), seededRandom(seed));
}

/** The answer with the sentence where the grammar begins; as it is where it never does. */
export function underGrammar(answer: string, { after }: Grammar, sentence: string): string {
  if (after === undefined) return sentence;
  const at = answer.indexOf(after);
  return at < 0 ? answer : answer.slice(0, at + after.length) + sentence;
}
