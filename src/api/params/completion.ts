/** Body of `POST /v1/completions` → what the engine is asked, one prompt per choice. */
import * as z from 'zod';

import type { ModelInfo, Prompt } from '../../core/engine.ts';
import type { JsonObject } from '../body.ts';
import { COMPLETION_UNSUPPORTED } from './known.ts';
import { type Parsed, parseGeneration, type RouteParams } from './parse.ts';
import { maxTokensField, noSuchToken, SAMPLING_FIELDS } from './sampling.ts';

/** Each prompt is a sequence of its own; more of them than slots only wait. */
const PROMPTS_MAX = 64;

const token = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

export const CompletionBody = z.looseObject({
  ...SAMPLING_FIELDS,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1).max(PROMPTS_MAX),
    z.array(token).min(1),
    z.array(z.array(token).min(1)).min(1).max(PROMPTS_MAX),
  ]),
  max_tokens: maxTokensField(0),
  echo: z.boolean().nullish(),
});

export const COMPLETION: RouteParams<typeof CompletionBody> = {
  schema: CompletionBody,
  unsupported: COMPLETION_UNSUPPORTED,
  toPrompts: ({ prompt }, model) => toPrompts(prompt, model),
  maxTokens: (body) => body.max_tokens ?? undefined,
  echo: (body) => body.echo ?? false,
};

export function parseCompletion(
  body: JsonObject,
  context: Parameters<typeof parseGeneration>[2],
): Parsed {
  return parseGeneration(COMPLETION, body, context);
}

type RawPrompt = z.output<typeof CompletionBody>['prompt'];

function toPrompts(prompt: RawPrompt, model: ModelInfo): readonly Prompt[] {
  if (typeof prompt === 'string') return [{ text: prompt }];
  if (isTokens(prompt)) return [tokenPrompt(prompt, model)];
  return prompt.map((each) =>
    typeof each === 'string' ? { text: each } : tokenPrompt(each, model),
  );
}

function isTokens(prompt: readonly unknown[]): prompt is readonly number[] {
  return typeof prompt[0] === 'number';
}

function tokenPrompt(tokens: readonly number[], { facts }: ModelInfo): Prompt {
  const size = facts?.vocabularySize;
  if (size !== undefined && tokens.some((id) => id >= size)) throw noSuchToken('prompt', size);
  return { tokens };
}
