/**
 * How fast this replica reads prompts and decodes, measured from its own steps.
 *
 * Units   milliseconds and tokens. Moving averages: a step weighs 0.3, so that a machine that slows
 *         down (heat, another worker) is followed within a few steps.
 */
const WEIGHT = 0.3;

export class StepRates {
  #prefillTokensPerMs: number | undefined;
  #decodeStepMs: number | undefined;

  /** Undefined until a prompt has been read. */
  get prefillTokensPerMs(): number | undefined {
    return this.#prefillTokensPerMs;
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
      if (decoding > 0) this.#decodeStepMs = average(this.#decodeStepMs, ms);
      return;
    }
    // A handful of prompt tokens costs what a decode step costs: it says nothing of the rate.
    if (promptTokens < 16) return;
    const readingMs = Math.max(ms - (decoding > 0 ? (this.#decodeStepMs ?? 0) : 0), ms / 4, 0.01);
    this.#prefillTokensPerMs = average(this.#prefillTokensPerMs, promptTokens / readingMs);
  }
}

function average(before: number | undefined, value: number): number {
  return before === undefined ? value : before + WEIGHT * (value - before);
}
