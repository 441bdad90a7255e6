/**
 * Whether a worker still lives: two clocks (workers.md, "Liveness").
 *
 *   process clock   nothing heard for `heartbeatMisses` intervals. While it loads it may be busy
 *                   importing native code, so there the limit is `startTimeoutMs`.
 *   step clock      there is work, and neither the step counter nor a call has moved for
 *                   max(floor, 8 × the longest step to be expected). A step either decodes, or reads
 *                   at most CHUNK_TOKENS of prompts; both rates are measured. Until they are, six
 *                   times the floor (60 s with the default of 10 s).
 *
 * Rates remember the slow ones: a peak that fades by a tenth with each new sample.
 *
 * Units  ms, tokens. Pure: time is passed in, and `restart` says when it does not count.
 */

export interface LivenessLimits {
  readonly heartbeatIntervalMs: number;
  readonly heartbeatMisses: number;
  readonly stepFloorMs: number;
  readonly startTimeoutMs: number;
}

export interface Work {
  readonly isLoaded: boolean;
  /** Calls that the worker could advance: given, not over, not out of credit. */
  readonly active: number;
  /** Prompt tokens of active calls that are yet to be read. */
  readonly promptTokens: number;
}

/** The most prompt tokens that a worker reads in one step. Source: scheduling.md. */
const CHUNK_TOKENS = 512;
const SLACK = 8;
const UNMEASURED_FLOORS = 6;
const FADE = 0.9;

export class Liveness {
  readonly #limits: LivenessLimits;
  #heardMs: number;
  #movedMs: number;
  /** When the step counter last moved, or the work began. */
  #countedMs: number;
  #steps = 0;
  #stepMs: number | undefined;
  #promptTokenMs: number | undefined;

  constructor(limits: LivenessLimits, nowMs: number) {
    this.#limits = limits;
    this.#heardMs = nowMs;
    this.#movedMs = nowMs;
    this.#countedMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** The step counter of a heartbeat. */
  counted(steps: number, nowMs: number): void {
    const made = steps - this.#steps;
    if (made <= 0) return;
    this.#stepMs = peak(this.#stepMs, (nowMs - this.#countedMs) / made);
    this.#steps = steps;
    this.#movedMs = nowMs;
    this.#countedMs = nowMs;
  }

  /** There is work again after none: the time without counts for no step. */
  began(nowMs: number): void {
    this.#movedMs = nowMs;
    this.#countedMs = nowMs;
  }

  /** A call came or said something: the step clock starts anew. */
  moved(nowMs: number): void {
    this.#movedMs = nowMs;
  }

  /** A prompt was read: from the grant to the first token. */
  prefilled(tokens: number, tookMs: number): void {
    if (tokens > 0) this.#promptTokenMs = peak(this.#promptTokenMs, tookMs / tokens);
  }

  /** Time passed that counts for nobody: the machine slept, or this process was stopped. */
  restart(nowMs: number): void {
    this.#heardMs = nowMs;
    this.began(nowMs);
  }

  silentForMs(nowMs: number): number {
    return nowMs - this.#heardMs;
  }

  /** How long one step may take. */
  stepLimitMs({ promptTokens }: Work): number {
    const { stepFloorMs } = this.#limits;
    const isUnmeasured =
      promptTokens > 0 ? this.#promptTokenMs === undefined : this.#stepMs === undefined;
    if (isUnmeasured) return UNMEASURED_FLOORS * stepFloorMs;
    const chunkMs = Math.min(promptTokens, CHUNK_TOKENS) * (this.#promptTokenMs ?? 0);
    return Math.max(stepFloorMs, SLACK * Math.max(this.#stepMs ?? 0, chunkMs));
  }

  /** Why it counts as hung by the process clock, or undefined when it does not. */
  silence(work: Work, nowMs: number): string | undefined {
    const { heartbeatIntervalMs, heartbeatMisses, startTimeoutMs } = this.#limits;
    const silenceMs = heartbeatIntervalMs * heartbeatMisses;
    const heardLimitMs = work.isLoaded ? silenceMs : Math.max(silenceMs, startTimeoutMs);
    if (this.silentForMs(nowMs) <= heardLimitMs) return undefined;
    return `no sign of life for ${Math.round(this.silentForMs(nowMs))} ms, the limit is ${heardLimitMs} ms`;
  }

  /** The same by the step clock. */
  standstill(work: Work, nowMs: number): string | undefined {
    if (!work.isLoaded || work.active === 0) return undefined;
    const limitMs = this.stepLimitMs(work);
    const stillMs = nowMs - this.#movedMs;
    if (stillMs <= limitMs) return undefined;
    return `work to do and no step for ${Math.round(stillMs)} ms, the limit is ${Math.round(limitMs)} ms`;
  }
}

function peak(before: number | undefined, sample: number): number {
  return Math.max(sample, (before ?? 0) * FADE);
}
