/** Calls that a fake model does not take, for the reasons that a real one has. */
import type { WireError } from '../../../core/errors.ts';
import type { GenerateJob } from '../../backend.ts';
import { VOCABULARY_SIZE } from './vocabulary.ts';

/** Undefined when the call can run. `prompt` is the prompt in tokens. */
export function refuseCall(
  job: GenerateJob,
  prompt: readonly number[],
  { contextTokens, chat }: { readonly contextTokens: number; readonly chat: boolean },
): WireError | undefined {
  const isChat = 'messages' in job.prompt;
  const param = isChat ? 'messages' : 'prompt';
  if (isChat && !chat) {
    const message = 'The model has no chat template. Use /v1/completions.';
    return { code: 'invalid_value', message, param };
  }
  if (prompt.length === 0) {
    return { code: 'invalid_value', message: 'The prompt has no tokens. Send some text.', param };
  }
  if (prompt.some(isForeign)) return foreignToken(param);
  if (job.grammar !== undefined) {
    const message = 'The fake model keeps to no grammar. Leave response_format out.';
    return { code: 'unsupported_parameter', message, param: 'response_format' };
  }
  if (job.sampling.logitBias.some(([id]) => isForeign(id))) return foreignToken('logit_bias');
  const neededTokens = prompt.length + (job.maxTokens === 0 ? 0 : 1);
  if (neededTokens <= contextTokens) return undefined;
  return {
    code: 'context_length_exceeded',
    message: `The prompt has ${prompt.length} tokens and the context of a slot holds ${contextTokens}, one of which the answer needs. Shorten the prompt, or raise context_tokens of the model.`,
    param,
    detail: { promptTokens: prompt.length, contextTokens },
  };
}

function isForeign(id: number): boolean {
  return id >= VOCABULARY_SIZE;
}

function foreignToken(param: string): WireError {
  const message = `A token id is not in the vocabulary, which has ${VOCABULARY_SIZE} tokens.`;
  return { code: 'invalid_value', message, param };
}
