/**
 * From a body to the engine's requests: refuse what cannot be honoured, check the rest, look the
 * model up, apply its defaults.
 *
 * Order   the cheap and the telling first: unsupported parameters, then types and ranges, then the
 *         model, then what needs the model's facts.
 */
import type * as z from 'zod';
import type { AskedConstraint } from '../../core/constraint.ts';
import type { GenerationRequest, ModelInfo, Prompt } from '../../core/engine.ts';
import { RequestError } from '../../core/errors.ts';
import type { Priority } from '../../core/priority.ts';
import type { JsonObject } from '../body.ts';
import { shown } from '../shown.ts';
import { refuseIgnoreEos, toConstraint } from './constraint.ts';
import type { UnsupportedTable } from './known.ts';
import { toPriority } from './priority.ts';
import { type SharedFields, toSampling, toStops } from './sampling.ts';
import { parseWith } from './schema.ts';
import { findUnheardOf, refuseUnheardOf, safeNames } from './sort.ts';

const NAMES_SHOWN_MAX = 20;
const STREAM_OPTIONS = new Set(['include_usage', 'include_obfuscation']);

export interface RouteParams<T extends z.ZodObject> {
  readonly schema: T;
  readonly unsupported: UnsupportedTable;
  /** Refusals that say more than the schema would. */
  readonly before?: (body: JsonObject) => void;
  readonly toPrompts: (body: z.output<T>, model: ModelInfo, ignored: string[]) => readonly Prompt[];
  readonly maxTokens: (body: z.output<T>) => number | undefined;
  readonly echo: (body: z.output<T>) => boolean;
}

export interface ParseContext {
  readonly models: readonly ModelInfo[];
  readonly strict: boolean;
  readonly priorityHeader: string | undefined;
}

export interface Parsed {
  readonly model: ModelInfo;
  /** One per choice, in order. They share everything but the prompt. */
  readonly requests: readonly GenerationRequest[];
  /** What every one of the answers must be. */
  readonly constraint: AskedConstraint | undefined;
  readonly priority: Priority;
  readonly affinity: string | undefined;
  readonly keepAliveMs: number | undefined;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly ignored: readonly string[];
}

export function parseGeneration<T extends z.ZodObject>(
  route: RouteParams<T>,
  body: JsonObject,
  { models, strict, priorityHeader }: ParseContext,
): Parsed {
  const ignored = findUnheardOf(body, {
    schema: route.schema.shape,
    unsupported: route.unsupported,
  });
  if (strict) refuseUnheardOf(ignored);
  route.before?.(body);
  const typed = parseWith(route.schema, body);
  // Every route's schema spreads SAMPLING_FIELDS, which the generic type cannot say.
  const shared = typed as unknown as SharedFields;
  const { priority, isConflict } = toPriority(priorityHeader, shared.priority);
  const stream = shared.stream ?? false;
  checkStreamOptions(shared, stream);
  for (const name of Object.keys(shared.stream_options ?? {})) {
    if (!STREAM_OPTIONS.has(name)) ignored.push(`stream_options.${name}`);
  }

  const constraint = toConstraint(shared, ignored);
  const model = findModel(models, shared.model);
  const prompts = route.toPrompts(typed, model, ignored);
  if (strict) refuseUnheardOf(ignored);
  const common = {
    model: model.name,
    sampling: toSampling(shared, model),
    maxTokens: route.maxTokens(typed) ?? model.defaults.maxTokens,
    stops: toStops(shared.stop),
    ...(route.echo(typed) ? { echo: true } : {}),
  };
  if (constraint !== undefined) refuseIgnoreEos(common.sampling.ignoreEos, constraint);
  return {
    model,
    constraint,
    requests: prompts.map((prompt) => ({ ...common, prompt })),
    priority,
    affinity: shared.prompt_cache_key ?? undefined,
    keepAliveMs: toKeepAliveMs(shared.keep_alive_s),
    stream,
    includeUsage: shared.stream_options?.include_usage ?? false,
    // The header wins, and the answer says so.
    ignored: safeNames(isConflict ? [...ignored, 'priority'] : ignored),
  };
}

function toKeepAliveMs(timeS: SharedFields['keep_alive_s']): number | undefined {
  if (timeS === 'forever') return Number.POSITIVE_INFINITY;
  return timeS === null || timeS === undefined ? undefined : timeS * 1000;
}

function checkStreamOptions(shared: SharedFields, stream: boolean): void {
  if (stream || shared.stream_options === null || shared.stream_options === undefined) return;
  throw new RequestError(
    'invalid_value',
    '`stream_options`: expected only together with `stream: true`',
    { param: 'stream_options' },
  );
}

export function findModel(models: readonly ModelInfo[], name: string): ModelInfo {
  const model = models.find((each) => each.name === name);
  if (model !== undefined) return model;
  const names = models.slice(0, NAMES_SHOWN_MAX).map((each) => each.name);
  throw new RequestError(
    'model_not_found',
    `No model is called ${shown(name)}; this server has ${names.join(', ') || 'none'}`,
    { param: 'model' },
  );
}
