/**
 * The port for whoever changes the settings of a server while it runs. What is changed here is not
 * written to any file.
 */
import type { LogLevel } from './log.ts';

export interface Controls {
  /** May be set; holds at once for every log line. */
  logLevel: LogLevel;
}
