/**
 * Restart intensity: how often a worker may die before its model counts as failed.
 *
 * Two counts. Deaths while serving: more than `restartMax` within `restartPeriodMs`. Loads that
 * failed one after another, however long each took: more than `restartMax`, because a load that
 * takes longer than the period would otherwise be tried for ever.
 *
 * The first restart is immediate; the next wait, doubling, so that a crash loop costs little.
 *
 * A model that failed by its deaths is tried again later, one worker at a time (a half-open breaker): after
 * `probeAfterMs`, then doubling up to ten minutes for as long as it goes on failing.
 *
 * Units  ms. Pure: time is passed in. Source: OTP's supervisors, workers.md.
 */
export interface RestartLimits {
  readonly restartMax: number;
  readonly restartPeriodMs: number;
  /** From the failure of a model to the first worker that is tried with it. */
  readonly probeAfterMs: number;
}

const DELAY_FIRST_MS = 100;
const DELAY_MAX_MS = 2_000;
const PROBE_MAX_MS = 600_000;

export class Restarts {
  readonly #limits: RestartLimits;
  /** Ascending, at most `restartMax`. */
  #timesMs: number[] = [];
  #failedLoads = 0;
  #probe: { readonly atMs: number; readonly delayMs: number } | undefined;

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

  /** How long to wait before the next attempt with a model that has failed. */
  failed(nowMs: number): number {
    const { probeAfterMs } = this.#limits;
    const before = this.#probe;
    // Two probes long without a failure: what was wrong then is over.
    const isAgain = before !== undefined && nowMs - before.atMs < 3 * before.delayMs;
    const delayMs = isAgain ? Math.min(PROBE_MAX_MS, 2 * before.delayMs) : probeAfterMs;
    this.#probe = { atMs: nowMs, delayMs };
    return delayMs;
  }

  /** The model is tried again for a reason of its own: the past does not count. */
  forget(): void {
    this.#timesMs = [];
    this.#failedLoads = 0;
  }
}
