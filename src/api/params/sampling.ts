/**
 * The parameters that both generation routes share: their schema, their defaults and what the
 * engine is handed.
 *
 * Errors  RequestError invalid_value for what the schema cannot see (token ids past the vocabulary).
 * Source  OpenAI's document 2.3.0 for ranges; `http-contract.md` for the defaults.
 */
import { randomInt } from 'node:crypto';

import * as z from 'zod';

import type { ModelInfo, Sampling } from '../../core/engine.ts';
import { RequestError } from '../../core/errors.ts';
import { CONSTRAINT_FIELDS } from './constraint.ts';
import { HARMLESS } from './known.ts';

const INT32_MAX = 2 ** 31 - 1;
const SEED_SPACE = 2 ** 32;
/** Past it JSON integers are not exact. */
const SEED_MAX = 2 ** 53;
const KEEP_ALIVE_MAX_S = 30 * 86_400;
const STOPS_MAX = 4;
const STOP_CHARACTERS_MAX = 1024;
const LOGIT_BIAS_MAX = 10_000;
/** `top_p: 0` keeps the one most probable token, as does any share smaller than its probability. */
const TOP_P_MIN = 1e-6;

/** Both bounds in either message: who is below the one wants to know the other, too. */
function numberFrom(minimum: number, maximum: number) {
  const range = `expected a number from ${minimum} to ${maximum}`;
  return z.number().min(minimum, range).max(maximum, range);
}

function integerFrom(minimum: number, maximum: number) {
  const range = `expected an integer from ${minimum} to ${maximum}`;
  return z.int(range).min(minimum, range).max(maximum, range);
}

const stopString = z.string().min(1).max(STOP_CHARACTERS_MAX);

export const SAMPLING_FIELDS = {
  ...HARMLESS,
  ...CONSTRAINT_FIELDS,
  model: z.string().min(1).meta({ description: 'A name from `GET /v1/models`.' }),
  temperature: numberFrom(0, 2).nullish().meta({ description: '0 is greedy.' }),
  top_p: numberFrom(0, 1).nullish().meta({ description: '1 is off.' }),
  top_k: integerFrom(0, INT32_MAX).nullish().meta({ description: '0 is off.' }),
  min_p: numberFrom(0, 1).nullish().meta({ description: '0 is off.' }),
  frequency_penalty: numberFrom(-2, 2)
    .nullish()
    .meta({ description: 'Over generated tokens only.' }),
  presence_penalty: numberFrom(-2, 2)
    .nullish()
    .meta({ description: 'Over generated tokens only.' }),
  repeat_penalty: z
    .number()
    .gt(0, 'expected a number above 0, up to 10')
    .max(10, 'expected a number above 0, up to 10')
    .nullish()
    .meta({ description: 'Over the last 64 tokens of prompt and answer. 1 is off.' }),
  seed: numberFrom(-SEED_MAX, SEED_MAX)
    .refine(Number.isInteger, 'expected an integer')
    .nullish()
    .meta({ multipleOf: 1, description: 'Drawn when absent, and reported in `x-hearth-seed`.' }),
  stop: z
    .union([
      stopString,
      z.array(stopString).max(STOPS_MAX, `expected at most ${STOPS_MAX} strings`),
    ])
    .nullish()
    .meta({ description: 'The answer ends before the first of them that appears.' }),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/, 'expected token ids as keys'), numberFrom(-100, 100))
    .nullish()
    .meta({ description: 'Token id to bias; -100 bans, 100 forces.' }),
  ignore_eos: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .looseObject({
      include_usage: z.boolean().nullish(),
      include_obfuscation: z.boolean().nullish(),
    })
    .nullish(),
  keep_alive_s: z
    .union([z.literal('forever'), numberFrom(0, KEEP_ALIVE_MAX_S)])
    .nullish()
    .meta({
      description:
        'How long the model stays loaded after this request without another one, instead of what is configured.',
    }),
  priority: z
    .union([z.string(), z.number()])
    .nullish()
    .meta({ description: 'high, normal, low, 0, 1 or 2; the header X-Priority wins.' }),
} as const;

export function maxTokensField(minimum: number) {
  const description = "Absent: the model's default, else the rest of the context.";
  return integerFrom(minimum, INT32_MAX).nullish().meta({ description });
}

const shared = z.object(SAMPLING_FIELDS);
export type SharedFields = z.output<typeof shared>;

export function toSampling(fields: SharedFields, { defaults, facts }: ModelInfo): Sampling {
  return {
    temperature: fields.temperature ?? defaults.temperature ?? 1,
    topP: Math.max(fields.top_p ?? defaults.topP ?? 1, TOP_P_MIN),
    topK: fields.top_k ?? defaults.topK ?? 0,
    minP: fields.min_p ?? defaults.minP ?? 0,
    frequencyPenalty: fields.frequency_penalty ?? defaults.frequencyPenalty ?? 0,
    presencePenalty: fields.presence_penalty ?? defaults.presencePenalty ?? 0,
    repeatPenalty: fields.repeat_penalty ?? defaults.repeatPenalty ?? 1,
    seed: toSeed(fields.seed),
    logitBias: toLogitBias(fields.logit_bias, facts?.vocabularySize),
    ignoreEos: fields.ignore_eos ?? defaults.ignoreEos ?? false,
  };
}

/** Any integer: the same number always gives the same seed, and 0 to 2^32 - 1 stay themselves. */
function toSeed(seed: number | null | undefined): number {
  if (seed === null || seed === undefined) return randomInt(SEED_SPACE);
  return ((seed % SEED_SPACE) + SEED_SPACE) % SEED_SPACE;
}

function toLogitBias(
  bias: Readonly<Record<string, number>> | null | undefined,
  vocabularySize: number | undefined,
): Sampling['logitBias'] {
  const entries = Object.entries(bias ?? {});
  if (entries.length > LOGIT_BIAS_MAX) {
    throw new RequestError(
      'invalid_value',
      `\`logit_bias\`: expected at most ${LOGIT_BIAS_MAX} entries, got ${entries.length}`,
      { param: 'logit_bias' },
    );
  }
  return entries.map(([key, value]) => {
    const id = Number(key);
    if (vocabularySize !== undefined && id >= vocabularySize)
      throw noSuchToken('logit_bias', vocabularySize);
    return [id, value] as const;
  });
}

export function noSuchToken(param: string, vocabularySize: number): RequestError {
  return new RequestError(
    'invalid_value',
    `\`${param}\`: expected token ids below ${vocabularySize}, the size of the model's vocabulary`,
    { param },
  );
}

export function toStops(stop: SharedFields['stop']): readonly string[] {
  if (stop === null || stop === undefined) return [];
  return typeof stop === 'string' ? [stop] : stop;
}
