/**
 * Structured logging as a port. pino implements it; tests use `silentLog` or collect the lines.
 * Fields are facts: never prompts, answers, keys, stop strings or schemas (rows SP-003, SP-004).
 */
/** From the one that says most. `none` says nothing. */
export const LOG_LEVELS = ['debug', 'info', 'warning', 'error', 'none'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Log;
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
