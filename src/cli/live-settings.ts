/**
 * The settings of a running server, and how they change: by SIGHUP, `POST /admin/reload`, `PUT /admin/log`.
 *
 *   holding ──reload()──▶ read, checked as at the start ──▶ applied: holding the new ones
 *                              │ an error                         what needs a restart stays and is named
 *                              └──▶ holding those of before
 *
 * All of it happens within one turn of the event loop: no request sees half of it, and a second reload
 * begins when the first is over.
 *
 * What is measured against is what holds, not what the file said last: a setting that needs a restart is
 * named by every reload until there has been one. A log level that was set by hand stays until the file
 * has another one than before.
 *
 * Errors  `reload` throws RequestError `invalid_configuration` with the words that a start would print;
 *         faults of ours as they are.
 */
import {
  applyLive,
  compareModels,
  compareValues,
  toValues,
  type Values,
} from '../config/changes.ts';
import type { Setting } from '../config/load.ts';
import type { Config } from '../config/settings.ts';
import type { Controls, ReloadReport } from '../core/controls.ts';
import { RequestError } from '../core/errors.ts';
import type { Log, LogLevel } from '../core/log.ts';
import type { ModelSpec } from '../models/spec.ts';
import { isOurFault } from './crash.ts';
import type { LogFilter } from './log.ts';

export interface ServedConfig {
  readonly config: Config;
  readonly settings: readonly Setting[];
  /** Those that are configured, by file or by flag, the default first. */
  readonly models: readonly ModelSpec[];
}

export interface LiveSettingsOptions {
  readonly filter: LogFilter;
  /** What the server was started with. */
  readonly served: ServedConfig;
  /** Reads files, variables and flags as at the start. Throws what a start would end with. */
  readonly read: () => ServedConfig;
  /** Throws, and changes nothing, when nobody could use the server with these keys. */
  readonly setKeys: (keys: Config['keys']) => void;
  readonly setLimits: (config: Config) => void;
  readonly setModels: (models: readonly ModelSpec[]) => void;
  readonly log: Log;
}

const NO_CHANGES: ReloadReport['models'] = { added: [], removed: [], changed: [] };

export class LiveSettings implements Controls {
  readonly #options: LiveSettingsOptions;
  #values: Values;
  #models: readonly ModelSpec[];

  constructor(options: LiveSettingsOptions) {
    this.#options = options;
    this.#values = toValues(options.served.settings);
    this.#models = options.served.models;
  }

  get logLevel(): LogLevel {
    return this.#options.filter.level;
  }

  set logLevel(level: LogLevel) {
    this.#options.filter.level = level;
  }

  reload(): ReloadReport {
    try {
      return this.#reload();
    } catch (error) {
      if (!(error instanceof Error) || isOurFault(error)) throw error;
      const { message } = error;
      this.#options.log.error({ reason: message }, 'configuration not read again: nothing changes');
      throw new RequestError('invalid_configuration', message, { cause: error });
    }
  }

  #reload(): ReloadReport {
    const { config, settings, models } = this.#options.read();
    const values = toValues(settings);
    const { live, fixed } = compareValues(this.#values, values);
    const changes = compareModels(this.#models, models);
    const isChanged = Object.values(changes).some((names) => names.length > 0);
    // Without any, a start serves one that may have to be fetched first.
    const mustStay = isChanged && models.length === 0;
    this.#apply(config, live);
    if (isChanged && !mustStay) {
      this.#options.setModels(models);
      this.#models = models;
    }
    this.#values = applyLive(this.#values, values);
    const report = {
      applied: live,
      refused: mustStay ? [...fixed, 'models'] : fixed,
      models: mustStay ? NO_CHANGES : changes,
    };
    this.#tell(report);
    return report;
  }

  #apply(config: Config, paths: readonly string[]): void {
    const { setKeys, setLimits, filter } = this.#options;
    // First, because they alone may be refused.
    if (paths.includes('keys')) setKeys(config.keys);
    if (paths.some((path) => /^(limits|rate_limit)\./.test(path))) setLimits(config);
    if (paths.includes('log.level')) filter.level = config.log.level;
  }

  #tell({ applied, refused, models }: ReloadReport): void {
    const { log } = this.#options;
    log.info({ applied }, 'configuration read again');
    if (refused.length > 0)
      log.warn({ refused }, 'settings changed that need a restart: they stay');
    const { added, removed, changed } = models;
    if (added.length + removed.length + changed.length > 0) {
      log.info({ added, removed, changed }, 'models changed');
    }
  }
}
