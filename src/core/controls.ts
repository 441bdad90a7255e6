/**
 * The port for whoever changes the settings of a server while it runs. What is changed here is not
 * written to any file.
 *
 * Errors  `reload` throws RequestError `invalid_configuration`; then nothing has changed.
 */
import type { LogLevel } from './log.ts';

export interface Controls {
  /** May be set; holds at once for every log line. */
  logLevel: LogLevel;
  /** Reads the configuration again and applies what can be applied while the server runs. */
  reload(): ReloadReport;
}

/** Settings by their paths, models by their names. */
export interface ReloadReport {
  /** They hold now. */
  readonly applied: readonly string[];
  /** They need a restart, and are as they were. */
  readonly refused: readonly string[];
  /** New ones are loaded as at a start, workers of changed ones replaced, removed ones go when nobody uses them. */
  readonly models: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
}
