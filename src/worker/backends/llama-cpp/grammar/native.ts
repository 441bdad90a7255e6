/**
 * Grammars as llama.cpp reads them, by the library's public classes.
 *
 * What is kept is a state at the beginning of each grammar, and every sequence gets a copy: a new state
 * would read the text again. States and grammars may only be made between two steps.
 *
 * Errors  BugError for a text that llama.cpp refuses: it was linted before it came here.
 * Source  node-llama-cpp 3.21.1, `llama/addon/AddonGrammarEvaluationState.cpp`.
 */
import {
  type Llama,
  LlamaGrammar,
  LlamaGrammarEvaluationState,
  type LlamaModel,
} from 'node-llama-cpp';

import type { Grammar } from '../../../../core/engine.ts';
import { BugError } from '../../../../core/errors.ts';
import { GrammarCache } from './cache.ts';

export class NativeGrammars {
  readonly #beginnings: GrammarCache<LlamaGrammarEvaluationState>;

  constructor(llama: Llama, model: LlamaModel) {
    this.#beginnings = new GrammarCache((text) => read(llama, model, text));
  }

  begin(grammar: Grammar): LlamaGrammarEvaluationState {
    return this.#beginnings.get(grammar).clone();
  }
}

function read(llama: Llama, model: LlamaModel, text: string): LlamaGrammarEvaluationState {
  try {
    // `createGrammar` does the same, asynchronously: a step could begin meanwhile.
    const grammar = new LlamaGrammar(llama, { grammar: text, rootRuleName: 'root' });
    return new LlamaGrammarEvaluationState({ model, grammar });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BugError(`llama.cpp does not take the grammar: ${reason}`, { cause });
  }
}
