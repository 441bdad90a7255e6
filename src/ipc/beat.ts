/**
 * Calls a function once each period, without drift, until it is stopped.
 *
 *   running ──stop()──▶ stopped
 *
 * Units  ms of the clock.
 */
import { Cadence } from '../core/cadence.ts';
import type { Clock } from '../core/clock.ts';

export interface BeatOptions {
  readonly periodMs: number;
  readonly clock: Clock;
  readonly onBeat: () => void;
}

export class Beat implements Disposable {
  readonly #options: BeatOptions;
  readonly #cadence: Cadence;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BeatOptions) {
    this.#options = options;
    this.#cadence = new Cadence(options.periodMs, options.clock.nowMs());
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #arm(): void {
    this.#timer = setTimeout(() => {
      this.#arm();
      this.#options.onBeat();
    }, this.#cadence.delayMs(this.#options.clock.nowMs()));
  }
}
