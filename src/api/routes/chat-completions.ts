/** `POST /v1/chat/completions` (rows MX-066, MX-067). */
import { answer } from '../answer.ts';
import type { AnswerFormat } from '../answer-format.ts';
import type { Exchange } from '../exchange.ts';
import { parseChat } from '../params/chat.ts';

const CHAT_FORMAT: AnswerFormat = {
  idPrefix: 'chatcmpl-',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  choice: (index, content, finish_reason) => ({
    index,
    message: { role: 'assistant', content, refusal: null },
    logprobs: null,
    finish_reason,
  }),
  opening: (index) => chunk(index, { role: 'assistant', content: '', refusal: null }),
  piece: (index, content) => chunk(index, { content }),
  closing: (index, finish_reason) => ({ index, delta: {}, logprobs: null, finish_reason }),
};

function chunk(index: number, delta: object): object {
  return { index, delta, logprobs: null, finish_reason: null };
}

export function chatCompletions(exchange: Exchange): Promise<Response> {
  return answer(exchange, parseChat, CHAT_FORMAT);
}
