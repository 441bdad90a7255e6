/** Calls that a fake model does not take, for the reasons that a real one has. */
import { BugError, type WireError } from '../../../core/errors.ts';
import type { GenerateJob } from '../../backend.ts';
import { drawFrom } from './sentence.ts';
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
  const unheld = refuseGrammar(job);
  if (unheld !== undefined) return unheld;
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

/** What it says under a grammar is drawn before it begins: nothing can be chosen then. */
function refuseGrammar({ grammar, sampling }: GenerateJob): WireError | undefined {
  if (grammar === undefined) return undefined;
  const code = 'unsupported_parameter';
  if (sampling.ignoreEos) {
    const message = 'Nothing may follow the end of response_format. Leave ignore_eos out.';
    return { code, message, param: 'ignore_eos' };
  }
  if (sampling.logitBias.length > 0) {
    const message = 'The fake model honours no logit_bias beside response_format. Leave it out.';
    return { code, message, param: 'logit_bias' };
  }
  try {
    if (drawFrom(grammar, sampling.seed) !== undefined) return undefined;
  } catch (error) {
    return new BugError(`The grammar cannot be read: ${String(error)}`).toJSON();
  }
  const message = 'The fake model finds no short answer to response_format. Leave it out.';
  return { code, message, param: 'response_format' };
}

function isForeign(id: number): boolean {
  return id >= VOCABULARY_SIZE;
}

function foreignToken(param: string): WireError {
  const message = `A token id is not in the vocabulary, which has ${VOCABULARY_SIZE} tokens.`;
  return { code: 'invalid_value', message, param };
}
