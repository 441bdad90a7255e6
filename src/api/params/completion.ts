/** Body of `POST /v1/completions` → what the engine is asked, one prompt per choice. */
import * as z from 'zod';

import type { JsonObject } from '../body.ts';
import { COMPLETION_UNSUPPORTED } from './known.ts';
import { type ParseContext, type Parsed, parseGeneration, type RouteParams } from './parse.ts';
import { checkPrompt, PROMPT_SCHEMA, type RawPrompt, toPrompts } from './prompt.ts';
import { maxTokensField, SAMPLING_FIELDS } from './sampling.ts';

export const CompletionBody = z.looseObject({
  ...SAMPLING_FIELDS,
  prompt: z.unknown().meta(PROMPT_SCHEMA),
  max_tokens: maxTokensField(0),
  echo: z.boolean().nullish(),
});

const COMPLETION: RouteParams<typeof CompletionBody> = {
  schema: CompletionBody,
  unsupported: COMPLETION_UNSUPPORTED,
  before: ({ prompt }) => checkPrompt(prompt),
  // `before` has seen it.
  toPrompts: ({ prompt }, model) => toPrompts(prompt as RawPrompt, model),
  maxTokens: (body) => body.max_tokens ?? undefined,
  echo: (body) => body.echo ?? false,
};

export function parseCompletion(body: JsonObject, context: ParseContext): Parsed {
  return parseGeneration(COMPLETION, body, context);
}
