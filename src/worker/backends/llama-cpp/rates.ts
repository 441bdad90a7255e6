/**
 * How fast this replica reads prompts and decodes, measured from its own steps.
 *
 * Units   milliseconds and tokens. Moving averages: a step weighs 0.3, so that a machine that slows
 *         down (heat, another worker) is followed within a few steps.
 *
 * Why rows are measured: on a CPU the kernels for one row can be so much better than those for a few
 * that two sequences are served faster in turns than together (115 M Q8_0 on an AVX-512 machine: one
 * row 3.1 ms, two 10.4 ms); on a GPU never. Nothing but the clock knows which it is.
 */
const WEIGHT = 0.3;
/** Above so many rows batching wins everywhere that it was measured. */
const TURNS_MAX_ROWS = 4;
/** Turns must be so much cheaper: a choice that flips with the noise gains nothing. */
const TURNS_GAIN = 0.95;
/** One decode step in so many tries what is not in use, so that an old figure is never trusted. */
const PROBE_STEPS = 64;

export class StepRates {
  #prefillTokensPerMs: number | undefined;
  /** Per number of rows. */
  readonly #decodeMs = new Map<number, number>();
  #decodeSteps = 0;

  /** Undefined until a prompt has been read. */
  get prefillTokensPerMs(): number | undefined {
    return this.#prefillTokensPerMs;
  }

  /** How many of `decoding` sequences one step should serve: all of them, or one at a time. */
  decodeRows(decoding: number): number {
    if (decoding === 1 || decoding > TURNS_MAX_ROWS) return decoding;
    const together = this.#decodeMs.get(decoding);
    const alone = this.#decodeMs.get(1);
    if (together === undefined) return decoding;
    if (alone === undefined) return 1;
    const best = decoding * alone < TURNS_GAIN * together ? 1 : decoding;
    const isProbe = this.#decodeSteps % PROBE_STEPS === 0;
    return isProbe ? decoding + 1 - best : best;
  }

  /** A step that read `promptTokens` and decoded for `decoding` sequences took `ms`. */
  record({
    promptTokens,
    decoding,
    ms,
  }: {
    promptTokens: number;
    decoding: number;
    ms: number;
  }): void {
    if (promptTokens === 0) {
      this.#decodeMs.set(decoding, average(this.#decodeMs.get(decoding), ms));
      this.#decodeSteps++;
      return;
    }
    // A handful of prompt tokens costs what a decode step costs: it says nothing of the rate.
    if (promptTokens < 16) return;
    const readingMs = Math.max(ms - this.#decodeMsOf(decoding), ms / 4, 0.01);
    this.#prefillTokensPerMs = average(this.#prefillTokensPerMs, promptTokens / readingMs);
  }

  /** The nearest figure below will do: it is taken off a step that takes far longer. */
  #decodeMsOf(rows: number): number {
    for (let n = rows; n > 0; n--) {
      const ms = this.#decodeMs.get(n);
      if (ms !== undefined) return ms;
    }
    return 0;
  }
}

function average(before: number | undefined, value: number): number {
  return before === undefined ? value : before + WEIGHT * (value - before);
}
