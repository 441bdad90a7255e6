/**
 * Which models a server serves: those of `--model`, else the configured and the pulled ones, else a small
 * real one that is fetched on first use.
 */
import { absolutePath, type Config } from '../config/settings.ts';
import { type ModelEntry, makeCatalogue, parseModelFlag } from '../models/catalogue.ts';
import type { ModelSpec } from '../models/spec.ts';
import { type CliContext, CliError } from './context.ts';
import { Progress } from './progress.ts';
import { pulledEntries } from './pulled-entries.ts';

const DEFAULT_MODEL = 'smollm2';
/** What its authors recommend; at temperature 1 a model this small talks nonsense. */
const DEFAULT_SAMPLING = { temperature: 0.2, topP: 0.9 } as const;

/** May take minutes: the default model is fetched. Aborting `signal` stops that. */
export async function findServedModels(
  config: Config,
  modelFlags: readonly string[] | undefined,
  { context, signal }: { readonly context: CliContext; readonly signal: AbortSignal },
): Promise<readonly ModelSpec[]> {
  const entries = configuredEntries(config, modelFlags, context);
  return toSpecs(entries.length > 0 ? entries : [await fetchDefault(config, signal)], config);
}

/** The same without fetching anything: empty when nothing is configured. */
export function configuredModels(
  config: Config,
  modelFlags: readonly string[] | undefined,
  context: CliContext,
): readonly ModelSpec[] {
  return toSpecs(configuredEntries(config, modelFlags, context), config);
}

function configuredEntries(
  config: Config,
  modelFlags: readonly string[] | undefined,
  { folders }: CliContext,
): readonly ModelEntry[] {
  if (modelFlags === undefined) return [...config.models, ...pulledEntries(config).entries];
  return modelFlags.map((text) => {
    const { name, path } = parseModelFlag(text);
    const { homeDir, workDir } = folders;
    return { name, path: absolutePath(path, { homeDir, baseDir: workDir }), defaults: {} };
  });
}

function toSpecs(entries: readonly ModelEntry[], config: Config): readonly ModelSpec[] {
  const { llamaPath } = config.worker;
  return makeCatalogue(entries, {
    ...config.modelDefaults,
    backendOptions: llamaPath === 'auto' ? {} : { 'llama-cpp': { llamaPath } },
  });
}

async function fetchDefault(config: Config, signal: AbortSignal): Promise<ModelEntry> {
  const { ensureSmolLm2, ModelFetchError } = await import('../models/smollm2.ts');
  const progress = new Progress(process.stderr);
  try {
    const path = await ensureSmolLm2({
      cacheDir: config.paths.modelsDir,
      signal,
      onProgress: ({ phase, bytes, totalBytes }) =>
        progress.show(`fetching SmolLM2 (98 MB, once): ${phase}`, bytes / totalBytes),
    });
    return { name: DEFAULT_MODEL, path, defaults: DEFAULT_SAMPLING };
  } catch (error) {
    if (!(error instanceof ModelFetchError)) throw error;
    throw new CliError(`${error.message}. Or serve a model of your own: --model NAME=FILE.gguf`, {
      cause: error,
    });
  } finally {
    progress.clear();
  }
}
