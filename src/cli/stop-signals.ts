/**
 * What SIGTERM and SIGINT mean to a server; SIGHUP is in `hang-up.ts`.
 *
 *   running ──first──▶ drain ──another, more than 1 s later──▶ abort
 *
 * Ctrl-C reaches a program twice when npm stands between: the same event, which is why a second
 * signal within a second says nothing new.
 */
import type { Clock } from '../core/clock.ts';

const SAME_EVENT_MS = 1_000;
const NAMES = ['SIGTERM', 'SIGINT'] as const;

export interface StopSignals extends Disposable {
  /** Aborted by the first signal: finish what runs. */
  readonly drain: AbortSignal;
  /** Aborted by a later one: end now. */
  readonly abort: AbortSignal;
}

export interface SignalSource {
  on(name: NodeJS.Signals, listener: () => void): unknown;
  off(name: NodeJS.Signals, listener: () => void): unknown;
}

export function watchStopSignals(source: SignalSource, clock: Clock): StopSignals {
  const drain = new AbortController();
  const abort = new AbortController();
  let firstMs: number | undefined;
  const onSignal = () => {
    const nowMs = clock.nowMs();
    firstMs ??= nowMs;
    drain.abort();
    if (nowMs - firstMs > SAME_EVENT_MS) abort.abort();
  };
  for (const name of NAMES) source.on(name, onSignal);
  return {
    drain: drain.signal,
    abort: abort.signal,
    [Symbol.dispose]() {
      for (const name of NAMES) source.off(name, onSignal);
    },
  };
}

/** Resolves when `signal` is aborted, at once if it has been. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
