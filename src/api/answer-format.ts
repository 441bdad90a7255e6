/** The shape of an answer: what every route brings, and what is the same in all of them. */
import type { FinishReason, Usage } from '../core/engine.ts';

/** What stands at the top of a body and of every chunk. */
export interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

export interface AnswerFormat {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  /** An element of `choices` of a whole answer. */
  choice(index: number, text: string, reason: FinishReason): object;
  /** What comes before the first piece of a choice in a stream, if anything does. */
  opening(index: number): object | undefined;
  piece(index: number, text: string): object;
  closing(index: number, reason: FinishReason): object;
}

/** Several prompts of one request are one bill. */
export class UsageSum {
  usage: Usage = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };

  add(one: Usage): void {
    this.usage = {
      promptTokens: this.usage.promptTokens + one.promptTokens,
      cachedTokens: this.usage.cachedTokens + one.cachedTokens,
      generatedTokens: this.usage.generatedTokens + one.generatedTokens,
    };
  }
}

/** OpenAI's `CompletionUsage`. */
export function usageBody({ promptTokens, cachedTokens, generatedTokens }: Usage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: generatedTokens,
    total_tokens: promptTokens + generatedTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}
