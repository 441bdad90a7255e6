/**
 * Logs as JSON lines on stderr through pino; readable lines on a terminal. Every field passes
 * `redact.ts` (rows SP-003, SP-004).
 *
 * Lines are written without waiting: a reader of stderr that stops reading must not stop the
 * server. Up to LOG_BUFFER_BYTES wait for it, then lines are dropped. `flush` is for the way out.
 */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';

import type { LogLevel } from '../config/schema.ts';
import type { Log, LogFields } from '../core/log.ts';
import { readableLine } from './readable-log.ts';
import { redactFields } from './redact.ts';

const LOG_BUFFER_BYTES = 4 * 1024 * 1024;

const PINO_LEVEL = {
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  none: 'silent',
} as const satisfies Record<LogLevel, string>;

export interface RootLog extends Log {
  /** Writes what waits, at once. */
  flush(): void;
}

export interface LogOptions {
  readonly isTerminal: boolean;
  /** Called before a line goes to a terminal, where a progress bar may stand. */
  readonly beforeLine?: (() => void) | undefined;
}

export function createLog(level: LogLevel, { isTerminal, beforeLine }: LogOptions): RootLog {
  const stderr = destination({ dest: 2, sync: false, maxLength: LOG_BUFFER_BYTES });
  // A closed stderr is no reason to stop serving.
  stderr.on('error', () => {});
  const stream: DestinationStream = isTerminal
    ? {
        write(line: string) {
          beforeLine?.();
          stderr.write(readableLine(line));
        },
      }
    : stderr;
  const log = createLogTo(stream, level);
  return {
    ...log,
    flush() {
      try {
        stderr.flushSync();
      } catch {
        // Not open yet, or closed by its reader: nothing can be written, and nobody to tell.
      }
    },
  };
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
