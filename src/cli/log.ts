/**
 * Logs as JSON lines on stderr through pino; readable lines on a terminal. Every field passes
 * `redact.ts` (rows SP-003, SP-004).
 */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

import type { LogLevel } from '../config/schema.ts';
import type { Log, LogFields } from '../core/log.ts';
import { LogStream } from './log-stream.ts';
import { readableLine } from './readable-log.ts';
import { redactFields } from './redact.ts';

/** How long the end of a program waits for the reader of its log. */
const CLOSE_MS = 1_000;

const PINO_LEVEL = {
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  none: 'silent',
} as const satisfies Record<LogLevel, string>;

export interface RootLog extends Log {
  /** Waits a moment for the last lines to be read. */
  close(): Promise<void>;
}

export interface LogOptions {
  readonly isTerminal: boolean;
  /** Called before a line goes to a terminal, where a progress bar may stand. */
  readonly beforeLine?: (() => void) | undefined;
}

export function createLog(level: LogLevel, { isTerminal, beforeLine }: LogOptions): RootLog {
  const format = (line: string) => {
    beforeLine?.();
    return readableLine(line);
  };
  const stream = new LogStream(process.stderr, isTerminal ? format : undefined);
  return { ...createLogTo(stream, level), close: () => stream.close(CLOSE_MS) };
}

export function createLogTo(stream: DestinationStream, level: LogLevel): Log {
  return wrap(
    pino(
      {
        level: PINO_LEVEL[level],
        base: null,
        timestamp: stdTimeFunctions.isoTime,
        formatters: {
          level: (label) => ({ level: label === 'warn' ? 'warning' : label }),
          log: redactFields,
        },
      },
      stream,
    ),
  );
}

/** pino's own methods take more forms than ours; these take the one form that is redacted. */
function wrap(logger: Logger): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields: LogFields) => wrap(logger.child(redactFields(fields))),
  };
}
