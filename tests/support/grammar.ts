/** Grammars as a request carries them, and whether an answer is a sentence of one. */
import { createHash } from 'node:crypto';

import type { Grammar } from '../../src/core/engine.ts';
import { acceptsText, makeMatcher } from '../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../src/schema/gbnf/parse.ts';

export function grammarOf(text: string, after?: string): Grammar {
  return { hash: createHash('sha256').update(text).digest('hex'), text, after };
}

/** By our own matcher, which knows nothing of the native one. */
export function isSentence(grammar: Grammar, text: string): boolean {
  return acceptsText(makeMatcher(parseGrammar(grammar.text)), text).ok;
}
