/**
 * Puts the configuration together from its layers (`layers.ts`) and checks it against the schema.
 *
 * Pure: the text of the file, the environment and the flags come in as values. Each value keeps
 * where it came from. Errors: one ConfigError with a line for every problem, all at once.
 */
import { dirname } from 'node:path';

import { type Key, listKeys } from './keys.ts';
import {
  fillByTier,
  type Layers,
  put,
  readEnvironment,
  readFile,
  type Source,
  type Table,
} from './layers.ts';
import { byPlace, explain } from './problems.ts';
import { FileSchema } from './schema.ts';
import { type Config, type Folders, toConfig } from './settings.ts';
import type { TierGb } from './tiers.ts';

export interface Setting {
  /** `limits.queue_depth_max` */
  readonly path: string;
  readonly value: unknown;
  readonly source: Source;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Every key with its value, as the file would have it. */
  readonly settings: readonly Setting[];
  /** Of the defaults that depend on memory: the one that was chosen, else that of the machine. */
  readonly tier: TierGb;
}

export interface ConfigInput {
  readonly file?: { readonly path: string; readonly text: string } | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly flags?: readonly FlagValue[];
  readonly folders: Folders;
  /** Of the machine, or of the container. */
  readonly memoryBytes: number;
}

export interface FlagValue {
  /** `--admin-port` */
  readonly flag: string;
  readonly key: string;
  /** Read as far as it could be; what is of the wrong type is refused by the schema. */
  readonly value: unknown;
}

export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

export function loadConfig(input: ConfigInput): LoadedConfig {
  const { file, environment, flags = [], folders, memoryBytes } = input;
  let keys: ReadonlyMap<string, Key> | undefined;
  const layers: Layers = {
    tree: {},
    sources: new Map(),
    problems: [],
    keys: () => (keys ??= new Map(listKeys().map((key) => [key.path, key]))),
  };
  if (file) readFile(layers, file);
  readEnvironment(layers, environment);
  for (const { flag, key, value } of flags) put(layers, key, value, { kind: 'flag', name: flag });
  const tier = fillByTier(layers, memoryBytes);

  const parsed = FileSchema.safeParse(layers.tree);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) layers.problems.push(...explain(layers, issue));
  }
  if (layers.problems.length > 0 || !parsed.success) {
    // A value may be wrong in two ways that have one remedy.
    throw new ConfigError([...new Set(layers.problems)].sort(byPlace));
  }

  const fileDir = file && dirname(file.path);
  const config = toConfig(parsed.data, folders, (path) =>
    fileDir !== undefined && layers.sources.get(path)?.kind === 'file' ? fileDir : folders.workDir,
  );
  return { config, settings: listSettings(parsed.data, layers, config), tier };
}

function listSettings(data: Table, { sources }: Layers, config: Config): readonly Setting[] {
  const settings: Setting[] = [];
  const visit = (value: unknown, path: readonly string[]) => {
    // A list of tables is shown by its tables, a list of values as it is.
    const isTables = Array.isArray(value) && value.some((element) => typeof element === 'object');
    if (typeof value === 'object' && value !== null && (isTables || !Array.isArray(value))) {
      for (const [name, child] of Object.entries(value)) visit(child, [...path, name]);
      return;
    }
    if (value === undefined) return;
    const name = path.join('.');
    settings.push({ path: name, value, source: sources.get(name) ?? { kind: 'default' } });
  };
  // Folders have platform defaults, which the schema does not know.
  const { stateDir, modelsDir } = config.paths;
  visit({ ...data, paths: { state_dir: stateDir, models_dir: modelsDir } }, []);
  return settings;
}
