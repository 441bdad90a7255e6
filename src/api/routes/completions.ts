/** `POST /v1/completions` (row MX-065): each prompt is a choice, all under one abort. */
import type { FinishReason } from '../../core/engine.ts';
import { answer } from '../answer.ts';
import type { AnswerFormat } from '../answer-format.ts';
import type { Exchange } from '../exchange.ts';
import { parseCompletion } from '../params/completion.ts';

const COMPLETION_FORMAT: AnswerFormat = {
  idPrefix: 'cmpl-',
  object: 'text_completion',
  chunkObject: 'text_completion',
  choice: (index, text, reason) => ({ index, text, logprobs: null, finish_reason: plain(reason) }),
  opening: () => undefined,
  piece: (index, text) => ({ index, text, logprobs: null, finish_reason: null }),
  closing: (index, reason) => ({ index, text: '', logprobs: null, finish_reason: plain(reason) }),
};

/** This older route knows no tools. */
function plain(reason: FinishReason): 'stop' | 'length' {
  return reason === 'length' ? 'length' : 'stop';
}

export function completions(exchange: Exchange): Promise<Response> {
  return answer(exchange, parseCompletion, COMPLETION_FORMAT);
}
