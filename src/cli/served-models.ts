/**
 * Which models a server serves: those of `--model`; else the configured ones, or the one that ships inside
 * where there are none, and behind them those that were pulled. At least one.
 */
import { absolutePath, type Config } from '../config/settings.ts';
import { type ModelEntry, ModelError, makeCatalogue, parseModelFlag } from '../models/catalogue.ts';
import { EMBER } from '../models/ember.ts';
import type { ModelSpec } from '../models/spec.ts';
import type { CliContext } from './context.ts';
import { mlxPlace, SET_UP_MLX } from './mlx/environment.ts';
import { pulledEntries } from './pulled-entries.ts';

export function servedModels(
  config: Config,
  modelFlags: readonly string[] | undefined,
  context: CliContext,
): readonly ModelSpec[] {
  const { llamaPath } = config.worker;
  const models = makeCatalogue(servedEntries(config, modelFlags, context), {
    ...config.modelDefaults,
    backendOptions: llamaPath === 'auto' ? {} : { 'llama-cpp': { llamaPath } },
  });
  const forMlx = models.filter(({ backend }) => backend === 'mlx');
  if (forMlx.length > 0 && !hasMlx(context)) {
    const lines = forMlx.map(
      ({ name, path }) => `model ${name}: ${path} needs MLX, which is not set up. ${SET_UP_MLX}`,
    );
    throw new ModelError(lines.join('\n'));
  }
  return models;
}

function servedEntries(
  config: Config,
  modelFlags: readonly string[] | undefined,
  context: CliContext,
): readonly ModelEntry[] {
  if (modelFlags === undefined) {
    const first = firstEntries(config);
    return [...first, ...pulledEntries(config, first, { hasMlx: hasMlx(context) }).entries];
  }
  return modelFlags.map((text) => {
    const { name, path } = parseModelFlag(text);
    const { homeDir, workDir } = context.folders;
    return { name, path: absolutePath(path, { homeDir, baseDir: workDir }), defaults: {} };
  });
}

/** Why pulled models are not among the served ones, one line each. */
export function unservedNotes(config: Config, context: CliContext): readonly string[] {
  return pulledEntries(config, firstEntries(config), { hasMlx: hasMlx(context) }).notes;
}

function hasMlx({ folders }: CliContext): boolean {
  return mlxPlace(folders).isThere;
}

function firstEntries({ models }: Config): readonly ModelEntry[] {
  return models.length > 0 ? models : [EMBER];
}
