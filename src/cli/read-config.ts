/**
 * Finds the configuration file and reads it together with environment and flags.
 *
 * Search order: `--config F`, `./hearth.toml`, the platform's configuration folder. Flags are those
 * of `hearth serve`; commands that only look at the configuration accept them too.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type FlagValue, type LoadedConfig, loadConfig } from '../config/load.ts';
import { type CliContext, CliError } from './context.ts';

const CONFIG_FILE = 'hearth.toml';

/** As commander hands them over. */
export interface ConfigFlags {
  readonly config?: string;
  readonly host?: string;
  readonly port?: string;
  readonly adminPort?: string;
  readonly stateDir?: string;
  readonly slots?: string;
  readonly contextTokens?: string;
}

export interface ReadConfig extends LoadedConfig {
  /** Undefined when there is none: everything is by default. */
  readonly file: string | undefined;
}

export function readConfig(flags: ConfigFlags, context: CliContext): ReadConfig {
  const { environment, folders, memoryBytes } = context;
  const file = findFile(flags.config, folders.configDir);
  const flagValues = toFlagValues(flags);
  const loaded = loadConfig({ file, environment, flags: flagValues, folders, memoryBytes });
  return { ...loaded, file: file?.path };
}

const FLAG_KEYS = {
  host: ['--host', 'server.host'],
  port: ['--port', 'server.port'],
  adminPort: ['--admin-port', 'server.admin_port'],
  stateDir: ['--state-dir', 'paths.state_dir'],
  slots: ['--slots', 'model_defaults.slots'],
  contextTokens: ['--context-tokens', 'model_defaults.context_tokens'],
} as const satisfies Record<Exclude<keyof ConfigFlags, 'config'>, readonly [string, string]>;

function toFlagValues(flags: ConfigFlags): readonly FlagValue[] {
  return Object.entries(FLAG_KEYS).flatMap(([name, [flag, key]]) => {
    const text = flags[name as keyof typeof FLAG_KEYS];
    if (text === undefined) return [];
    // No text key has a value that is all digits and means something; a number key needs a number.
    return [{ flag, key, value: /^\d+$/.test(text) ? Number(text) : text }];
  });
}

function findFile(explicit: string | undefined, configDir: string) {
  if (explicit !== undefined) {
    const text = readText(explicit);
    if (text !== undefined) return { path: explicit, text };
    throw new CliError(
      `no file ${explicit}. Check --config, or write one with "hearth config init".`,
    );
  }
  for (const path of [CONFIG_FILE, join(configDir, CONFIG_FILE)]) {
    const text = readText(path);
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`cannot read ${path}: ${why}`, { cause: error });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
