/**
 * When the next of many equal periods ends, however late each was looked at: the n-th beat is due at
 * `start + n × period`, so that being late once delays nothing after it. Beats whose time passed
 * meanwhile are left out, never made up for. Pure.
 *
 * Units  ms.
 */
export class Cadence {
  readonly #periodMs: number;
  readonly #startMs: number;

  constructor(periodMs: number, startMs: number) {
    this.#periodMs = periodMs;
    this.#startMs = startMs;
  }

  /** From `nowMs` to the next beat, more than half a period ahead when one was met a little early. */
  delayMs(nowMs: number): number {
    const passed = (nowMs - this.#startMs) / this.#periodMs;
    const next = Math.floor(passed + EARLY) + 1;
    return this.#startMs + next * this.#periodMs - nowMs;
  }
}

/** Of a period. Timers fire up to a millisecond before their time: that beat has been. */
const EARLY = 0.25;
