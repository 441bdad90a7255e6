/**
 * The engine's own view of a grammar, for comparison: node-llama-cpp's addon without its library.
 *
 *   NativeGrammar   `isSentence(text)`: whole code points, no model; null when it refuses the grammar
 *   byteVerdict     one byte at a time through the sampler, as a model with byte tokens generates
 *
 * Source  node-llama-cpp 3.21.1, `llama/addon/AddonGrammar.cpp` (isTextCompatible) and
 *         `AddonSampler.cpp` (canBeNextTokenForGrammarEvaluationState).
 */
import type { Llama, LlamaModel } from 'node-llama-cpp';

interface Bindings {
  readonly AddonGrammar: new (
    text: string,
    options: { readonly addonExports: Bindings; readonly rootRuleName: string },
  ) => NativeGrammar;
  readonly AddonGrammarEvaluationState: new (model: object, grammar: NativeGrammar) => object;
  readonly AddonSampler: {
    acceptGrammarEvaluationStateToken(state: object, token: number): void;
    canBeNextTokenForGrammarEvaluationState(state: object, token: number): boolean;
  };
}

export interface NativeGrammar {
  isTextCompatible(text: string): boolean;
}

/** Undefined when the engine refuses the grammar. It then also writes the text to stderr. */
export function nativeGrammar(llama: Llama, text: string): NativeGrammar | undefined {
  const bindings = bindingsOf(llama);
  try {
    return new bindings.AddonGrammar(text, { addonExports: bindings, rootRuleName: 'root' });
  } catch (error) {
    if (error instanceof Error && error.message === 'Failed to parse grammar') return undefined;
    throw error;
  }
}

/** The model's tokens 0–255 are the bytes, as those of the presets are. */
export function byteVerdict(
  model: LlamaModel,
  grammar: NativeGrammar,
  text: Uint8Array,
): { readonly ok: boolean; readonly atByte: number } {
  const { AddonSampler, AddonGrammarEvaluationState } = bindingsOf(model.llama);
  const inner = (model as unknown as { readonly _model: object })._model;
  const state = new AddonGrammarEvaluationState(inner, grammar);
  for (const [atByte, byte] of text.entries()) {
    if (!AddonSampler.canBeNextTokenForGrammarEvaluationState(state, byte)) {
      return { ok: false, atByte };
    }
    AddonSampler.acceptGrammarEvaluationStateToken(state, byte);
  }
  const end = model.tokens.eos ?? model.tokens.eot;
  if (end === null) throw new Error('The model has no token that ends an answer');
  const ok = AddonSampler.canBeNextTokenForGrammarEvaluationState(state, end);
  return { ok, atByte: text.length };
}

function bindingsOf(llama: Llama): Bindings {
  return (llama as unknown as { readonly _bindings: Bindings })._bindings;
}
