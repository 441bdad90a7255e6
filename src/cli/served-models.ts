/**
 * Which models a server serves: those of `--model`; else the configured ones, or the one that ships inside
 * where there are none, and behind them those that were pulled. At least one.
 */
import { absolutePath, type Config } from '../config/settings.ts';
import { type ModelEntry, makeCatalogue, parseModelFlag } from '../models/catalogue.ts';
import { EMBER } from '../models/ember.ts';
import type { ModelSpec } from '../models/spec.ts';
import type { CliContext } from './context.ts';
import { pulledEntries } from './pulled-entries.ts';

export function servedModels(
  config: Config,
  modelFlags: readonly string[] | undefined,
  context: CliContext,
): readonly ModelSpec[] {
  const { llamaPath } = config.worker;
  return makeCatalogue(servedEntries(config, modelFlags, context), {
    ...config.modelDefaults,
    backendOptions: llamaPath === 'auto' ? {} : { 'llama-cpp': { llamaPath } },
  });
}

function servedEntries(
  config: Config,
  modelFlags: readonly string[] | undefined,
  { folders }: CliContext,
): readonly ModelEntry[] {
  if (modelFlags === undefined) {
    const first = firstEntries(config);
    return [...first, ...pulledEntries(config, first).entries];
  }
  return modelFlags.map((text) => {
    const { name, path } = parseModelFlag(text);
    const { homeDir, workDir } = folders;
    return { name, path: absolutePath(path, { homeDir, baseDir: workDir }), defaults: {} };
  });
}

/** Why pulled models are not among the served ones, one line each. */
export function unservedNotes(config: Config): readonly string[] {
  return pulledEntries(config, firstEntries(config)).notes;
}

function firstEntries({ models }: Config): readonly ModelEntry[] {
  return models.length > 0 ? models : [EMBER];
}
