/**
 * Restart intensity: how often a worker may die before its model counts as failed.
 *
 * Two counts. Deaths while serving: more than `restartMax` within `restartPeriodMs`. Loads that
 * failed one after another, however long each took: more than `restartMax`, because a load that
 * takes longer than the period would otherwise be tried for ever.
 *
 * The first restart is immediate; the next wait, doubling, so that a crash loop costs little.
 *
 * Units  ms. Pure: time is passed in. Source: OTP's supervisors, workers.md.
 */
export interface RestartLimits {
  readonly restartMax: number;
  readonly restartPeriodMs: number;
}

const DELAY_FIRST_MS = 100;
const DELAY_MAX_MS = 2_000;

export class Restarts {
  readonly #limits: RestartLimits;
  /** Ascending, at most `restartMax`. */
  #timesMs: number[] = [];
  #failedLoads = 0;

  constructor(limits: RestartLimits) {
    this.#limits = limits;
  }

  loaded(): void {
    this.#failedLoads = 0;
  }

  /** How long to wait before the next start; undefined when there must be none. */
  died({ hadLoaded, nowMs }: { hadLoaded: boolean; nowMs: number }): number | undefined {
    const { restartMax, restartPeriodMs } = this.#limits;
    if (!hadLoaded) this.#failedLoads += 1;
    this.#timesMs = this.#timesMs.filter((time) => nowMs - time < restartPeriodMs);
    if (this.#timesMs.length >= restartMax || this.#failedLoads > restartMax) return undefined;
    const before = this.#timesMs.length;
    this.#timesMs.push(nowMs);
    return before === 0 ? 0 : Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** (before - 1));
  }

  /** The model is tried again for a reason of its own: the past does not count. */
  forget(): void {
    this.#timesMs = [];
    this.#failedLoads = 0;
  }
}
