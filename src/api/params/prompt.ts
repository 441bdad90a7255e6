/**
 * The `prompt` of a completion: a text, texts, tokens, or lists of tokens.
 *
 * Checked by hand: a union of schemas would walk a million tokens once per branch and keep an
 * issue for each of them. `PROMPT_SCHEMA` says the same for the description of the API.
 *
 * Errors  RequestError missing_required_parameter, invalid_type, invalid_value.
 */
import type { ModelInfo, Prompt } from '../../core/engine.ts';
import { RequestError } from '../../core/errors.ts';
import { noSuchToken } from './sampling.ts';

/** Each prompt is a sequence of its own; more of them than slots only wait. */
const PROMPTS_MAX = 64;
const TOKEN_MAX = 2 ** 31 - 1;

const TOKENS = {
  type: 'array',
  minItems: 1,
  items: { type: 'integer', minimum: 0, maximum: TOKEN_MAX },
} as const;

export const PROMPT_SCHEMA = {
  anyOf: [
    { type: 'string' },
    { type: 'array', minItems: 1, maxItems: PROMPTS_MAX, items: { type: 'string' } },
    TOKENS,
    { type: 'array', minItems: 1, maxItems: PROMPTS_MAX, items: TOKENS },
  ],
  description: 'Each prompt is a choice of the answer.',
};

export type RawPrompt =
  | string
  | readonly string[]
  | readonly number[]
  | readonly (readonly number[])[];

export function checkPrompt(prompt: unknown): asserts prompt is RawPrompt {
  if (prompt === undefined || prompt === null) {
    const message = 'Missing required parameter `prompt`; expected a string or an array';
    throw new RequestError('missing_required_parameter', message, { param: 'prompt' });
  }
  if (typeof prompt === 'string') return;
  if (!Array.isArray(prompt)) throw wrongType('prompt', 'a string or an array');
  const [first] = prompt as readonly unknown[];
  if (first === undefined) throw badValue('prompt', 'expected at least 1 element');
  if (typeof first === 'number') {
    checkTokens(prompt, 'prompt');
    return;
  }
  if (prompt.length > PROMPTS_MAX)
    throw badValue('prompt', `expected at most ${PROMPTS_MAX} prompts`);
  const isTexts = typeof first === 'string';
  for (const [index, each] of (prompt as readonly unknown[]).entries()) {
    const param = `prompt[${index}]`;
    if (isTexts) {
      if (typeof each !== 'string') throw wrongType(param, 'a string, as the first element');
    } else if (!Array.isArray(each)) throw wrongType(param, 'a string or an array of token ids');
    else if (each.length === 0) throw badValue(param, 'expected at least 1 token');
    else checkTokens(each, param);
  }
}

function checkTokens(tokens: readonly unknown[], param: string): void {
  for (let i = 0; i < tokens.length; i += 1) {
    const id = tokens[i];
    if (typeof id !== 'number') throw wrongType(`${param}[${i}]`, 'a token id');
    if (!Number.isInteger(id) || id < 0 || id > TOKEN_MAX) {
      throw badValue(`${param}[${i}]`, `expected a token id from 0 to ${TOKEN_MAX}`);
    }
  }
}

export function toPrompts(prompt: RawPrompt, model: ModelInfo): readonly Prompt[] {
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

function wrongType(param: string, wanted: string): RequestError {
  const message = `\`${param}\` has the wrong type: expected ${wanted}`;
  return new RequestError('invalid_type', message, { param });
}

function badValue(param: string, wanted: string): RequestError {
  return new RequestError('invalid_value', `\`${param}\`: ${wanted}`, { param });
}
