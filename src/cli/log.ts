/**
 * Logs as JSON lines on stderr through pino; readable lines on a terminal. Every field passes
 * `redact.ts` (rows SP-003, SP-004).
 *
 * The level may change while others hold the log and its children: pino's children copy it when they are
 * made, so every line is measured against one filter here, and pino writes all that come to it.
 */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

import { LOG_LEVELS, type Log, type LogFields, type LogLevel } from '../core/log.ts';
import { LogStream } from './log-stream.ts';
import { readableLine } from './readable-log.ts';
import { redactFields } from './redact.ts';

/** How long the end of a program waits for the reader of its log. */
const CLOSE_MS = 1_000;

/** Lines below it are not written. May be changed at any time. */
export interface LogFilter {
  level: LogLevel;
}

export interface RootLog extends Log {
  /** Waits a moment for the last lines to be read. */
  close(): Promise<void>;
}

export interface LogOptions {
  readonly isTerminal: boolean;
  /** Called before a line goes to a terminal, where a progress bar may stand. */
  readonly beforeLine?: (() => void) | undefined;
}

export function createLog(filter: LogFilter, { isTerminal, beforeLine }: LogOptions): RootLog {
  const format = (line: string) => {
    beforeLine?.();
    return readableLine(line);
  };
  const stream = new LogStream(process.stderr, isTerminal ? format : undefined);
  return { ...createLogTo(stream, filter), close: () => stream.close(CLOSE_MS) };
}

export function createLogTo(stream: DestinationStream, filter: LogFilter): Log {
  const logger = pino(
    {
      level: 'debug',
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label === 'warn' ? 'warning' : label }),
        log: redactFields,
      },
    },
    stream,
  );
  return wrap(logger, filter);
}

const RANK = Object.fromEntries(LOG_LEVELS.map((level, rank) => [level, rank])) as Readonly<
  Record<LogLevel, number>
>;

/** pino's own methods take more forms than ours; these take the one form that is redacted. */
function wrap(logger: Logger, filter: LogFilter): Log {
  const isWritten = (level: LogLevel) => RANK[level] >= RANK[filter.level];
  return {
    debug: (fields, message) => {
      if (isWritten('debug')) logger.debug(fields, message);
    },
    info: (fields, message) => {
      if (isWritten('info')) logger.info(fields, message);
    },
    warn: (fields, message) => {
      if (isWritten('warning')) logger.warn(fields, message);
    },
    error: (fields, message) => {
      if (isWritten('error')) logger.error(fields, message);
    },
    child: (fields: LogFields) => wrap(logger.child(redactFields(fields)), filter),
  };
}
