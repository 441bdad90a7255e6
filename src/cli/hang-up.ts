/**
 * What SIGHUP means to a server: read the configuration again. Unless the terminal that it was started on
 * is gone, of which the signal is the news: then the server is to end, as after SIGTERM.
 *
 *   starting ──SIGHUP──▶ remembered ──whenAsked()──▶ reload
 *   running  ──SIGHUP──▶ reload
 *   either   ──SIGHUP, and the terminal is gone──▶ end
 */
import { closeSync, constants, openSync } from 'node:fs';
import { isatty } from 'node:tty';

import type { SignalSource } from './stop-signals.ts';

export interface HangUps extends Disposable {
  /** From now on, and at once if it has been asked for before. */
  whenAsked(reload: () => void): void;
}

export interface HangUpOptions {
  readonly hasLostTerminal: () => boolean;
  readonly end: () => void;
}

export function watchHangUps(
  source: SignalSource,
  { hasLostTerminal, end }: HangUpOptions,
): HangUps {
  let reload: (() => void) | undefined;
  let wasAsked = false;
  const onSignal = () => {
    if (hasLostTerminal()) end();
    else if (reload === undefined) wasAsked = true;
    else reload();
  };
  source.on('SIGHUP', onSignal);
  return {
    whenAsked(act) {
      reload = act;
      if (wasAsked) act();
    },
    [Symbol.dispose]() {
      source.off('SIGHUP', onSignal);
    },
  };
}

/** To be called at the start: says later whether the terminal of then is gone. */
export function watchTerminal(): () => boolean {
  // Under nohup none of the three is a terminal, and the server is to outlive it.
  const isOnTerminal = [0, 1, 2].some((fd) => isatty(fd)) && canOpenTerminal();
  return () => isOnTerminal && !canOpenTerminal();
}

/** Source: tty(4): without a controlling terminal, and once it hung up, /dev/tty cannot be opened. */
function canOpenTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY));
    return true;
  } catch {
    // Whatever the reason: there is none that we could be hung up from.
    return false;
  }
}
