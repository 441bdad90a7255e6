/**
 * Whether the orchestrator still speaks: one that is stopped keeps the channel open, so its end is not heard,
 * and a worker without it holds memory that nobody can use (rows SP-034, SP-042). Pure.
 *
 * A look that comes late means that this process itself did not run (the machine slept, or a debugger held it):
 * time starts anew then.
 *
 * Units  ms of the monotonic clock.
 */
import type { HeartbeatSettings } from '../ipc/heartbeat.ts';

/** Looks that may be late, in periods, before it counts as not having run. */
const LATE_PERIODS = 2;

export class ParentSilence {
  readonly #settings: HeartbeatSettings;
  #heardMs: number;
  #lookedMs: number;
  #isTold = false;

  constructor(settings: HeartbeatSettings, nowMs: number) {
    this.#settings = settings;
    this.#heardMs = nowMs;
    this.#lookedMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#isTold = false;
  }

  /** Once each interval. `warn` comes once per silence. */
  look(nowMs: number): 'end' | 'warn' | undefined {
    const { intervalMs, silenceLimitMs, dependent } = this.#settings;
    const isLate = nowMs - this.#lookedMs > LATE_PERIODS * intervalMs;
    this.#lookedMs = nowMs;
    if (isLate) this.#heardMs = nowMs;
    if (nowMs - this.#heardMs <= silenceLimitMs || this.#isTold) return undefined;
    if (dependent) return 'end';
    this.#isTold = true;
    return 'warn';
  }
}
