/** What a pull needs of the configuration, the environment and the machine. */
import type { Config } from '../../config/settings.ts';
import { systemClock } from '../../core/clock.ts';
import { TUNING } from '../../models/pull/download.ts';
import type { PullOptions } from '../../models/pull/pull.ts';
import { type CliContext, CliError } from '../context.ts';
import { hubSettings } from '../environment.ts';
import { freeMemoryBytes } from '../machine-memory.ts';
import { readVersion } from '../version.ts';

export type PullSettings = Omit<PullOptions, 'signal' | 'onEvent'>;

export function pullSettings(config: Config, { environment }: CliContext): PullSettings {
  const { contextTokens, slots } = config.modelDefaults;
  const { memoryBudgetBytes } = config.limits;
  return {
    ...hub(environment),
    modelsDir: config.paths.modelsDir,
    userAgent: `hearth/${readVersion()}`,
    // What a server would take for models, and what is free of that now.
    room: {
      bytes: Math.min(memoryBudgetBytes, freeMemoryBytes() ?? Number.POSITIVE_INFINITY),
      contextTokens: contextTokens * slots,
    },
    tuning: TUNING,
    clock: systemClock,
  };
}

function hub(environment: CliContext['environment']) {
  try {
    return hubSettings(environment);
  } catch (error) {
    throw new CliError(`${(error as Error).message}.`, { cause: error });
  }
}
