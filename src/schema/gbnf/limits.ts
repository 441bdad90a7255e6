/**
 * What bounds a grammar. The first two are facts of the engine and decide what a text means; the
 * others are ours, and keep reading and matching bounded whatever the text is.
 *
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`: MAX_REPETITION_THRESHOLD.
 */

/** A lower bound above it is an error, an upper bound above it silently means "no upper bound". */
export const REPEAT_MAX = 2_000;

/** Rules of what is repeated, times the repetitions, must stay below it: `x{1999}` is the longest. */
export const REPEAT_PRODUCT_LIMIT = 2_000;

export const LIMITS = {
  textBytes: 1_048_576,
  /** After repeats are written out, counted as the engine stores them. */
  elements: 2_000_000,
  rules: 200_000,
  /** The engine reads groups by recursion; so do we, and this is far from either stack's end. */
  nesting: 200,
} as const;
