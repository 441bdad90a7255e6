/** Body of `POST /v1/chat/completions` → what the engine is asked. */
import * as z from 'zod';

import type { ModelInfo } from '../../core/engine.ts';
import type { JsonObject } from '../body.ts';
import { CHAT_UNSUPPORTED } from './known.ts';
import { messagesField, refuseMedia, toMessages } from './messages.ts';
import { type ParseContext, type Parsed, parseGeneration, type RouteParams } from './parse.ts';
import { maxTokensField, SAMPLING_FIELDS } from './sampling.ts';
import { unsupportedParameter } from './sort.ts';

export const ChatBody = z.looseObject({
  ...SAMPLING_FIELDS,
  messages: messagesField,
  max_completion_tokens: maxTokensField(1),
  max_tokens: maxTokensField(1).meta({ description: 'max_completion_tokens wins over it.' }),
});

const CHAT: RouteParams<typeof ChatBody> = {
  schema: ChatBody,
  unsupported: CHAT_UNSUPPORTED,
  before: (body) => refuseMedia(body.messages),
  toPrompts(body, model, ignored) {
    refuseWithoutTemplate(model);
    return [{ messages: toMessages(body.messages, ignored) }];
  },
  maxTokens: (body) => body.max_completion_tokens ?? body.max_tokens ?? undefined,
  echo: () => false,
};

export function parseChat(body: JsonObject, context: ParseContext): Parsed {
  return parseGeneration(CHAT, body, context);
}

function refuseWithoutTemplate({ facts }: ModelInfo): void {
  if (facts?.chat === false) {
    throw unsupportedParameter('messages', 'the model has no chat template; use /v1/completions');
  }
}
