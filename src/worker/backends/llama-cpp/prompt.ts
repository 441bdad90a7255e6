/**
 * A request's prompt as token ids, checked against the slot before anything is computed.
 *
 * Shapes  ids in [0, vocabulary size); at least one.
 * Errors  RequestError: context_length_exceeded names both numbers; invalid_value for a token id
 *         that the vocabulary does not have, and for a prompt without any token.
 */
import type { Prompt } from '../../../core/engine.ts';
import { RequestError } from '../../../core/errors.ts';
import type { ChatTemplate } from '../../prompt/render.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface Tokenizer {
  readonly vocabulary: Vocabulary;
  readonly template: ChatTemplate;
  readonly bos: number | undefined;
  tokenize(text: string): number[];
}

export function toPromptTokens(
  prompt: Prompt,
  tokenizer: Tokenizer,
  contextTokens: number,
): readonly number[] {
  const param = 'messages' in prompt ? 'messages' : 'prompt';
  const tokens = 'tokens' in prompt ? prompt.tokens : fromText(prompt, tokenizer, contextTokens);
  assertInVocabulary(tokens, tokenizer.vocabulary.size);
  if (tokens.length === 0) {
    throw new RequestError('invalid_value', `${param} holds no text`, { param });
  }
  if (tokens.length >= contextTokens) throw tooLong(`${tokens.length}`, contextTokens, param);
  return tokens;
}

function fromText(
  prompt: Exclude<Prompt, { tokens: readonly number[] }>,
  tokenizer: Tokenizer,
  contextTokens: number,
): number[] {
  const isChat = 'messages' in prompt;
  const pieces = isChat ? tokenizer.template.render(prompt.messages) : [prompt.text];
  // A text this long cannot fit whatever it says; tokenising it would hold up everybody's streams.
  const chars = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const least = Math.ceil(chars / tokenizer.vocabulary.longestTokenBytes);
  if (least >= contextTokens) {
    throw tooLong(`at least ${least}`, contextTokens, isChat ? 'messages' : 'prompt');
  }
  const tokens = pieces.flatMap((piece) => tokenizer.tokenize(piece));
  // Templates write it themselves as a rule; twice would be a different prompt.
  if (tokenizer.bos !== undefined && tokens[0] !== tokenizer.bos) tokens.unshift(tokenizer.bos);
  return tokens;
}

function assertInVocabulary(tokens: readonly number[], size: number): void {
  const index = tokens.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < size));
  if (index < 0) return;
  throw new RequestError(
    'invalid_value',
    `prompt token ${index} is ${tokens[index]}, this model has ids from 0 to ${size - 1}`,
    { param: 'prompt' },
  );
}

function tooLong(promptTokens: string, contextTokens: number, param: string): RequestError {
  return new RequestError(
    'context_length_exceeded',
    `the prompt has ${promptTokens} tokens, and a slot of this model holds ${contextTokens}, one of them for the answer; shorten the prompt or raise context_tokens`,
    { param, detail: { contextTokens } },
  );
}
