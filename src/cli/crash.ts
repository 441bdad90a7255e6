/**
 * The last resort: an error that nobody caught. What state the program is in is unknown, so it says
 * what happened, in the log and redacted, and ends; the workers see their channel close and end too.
 */
import type { RootLog } from './log.ts';

interface CrashSource {
  on(event: 'uncaughtException', listener: (error: Error) => void): unknown;
  off(event: 'uncaughtException', listener: (error: Error) => void): unknown;
}

/** An error that no user can have caused: everything else has a message for whoever runs the server. */
export function isOurFault(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}

/** Rejections that nobody caught come as exceptions too: Node's default. */
export function endOnCrash(
  source: CrashSource,
  log: Pick<RootLog, 'error' | 'close'>,
  exit: (code: number) => void,
): Disposable {
  const onCrash = (error: Error) => {
    // A second one while the log is written must not start it all over.
    source.off('uncaughtException', onCrash);
    log.error({ err: error }, 'a fault of Hearth itself; report it with this line');
    void log.close().then(() => exit(1));
  };
  source.on('uncaughtException', onCrash);
  return { [Symbol.dispose]: () => void source.off('uncaughtException', onCrash) };
}
