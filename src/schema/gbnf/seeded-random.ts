/**
 * Random numbers in [0, 1) that are the same for the same seed, so that what is decided by them is
 * decided once and for all.
 *
 * Source  G. Marsaglia, "Xorshift RNGs", 2003: the generator with 32 bits of state.
 */
export function seededRandom(seed: number): () => number {
  // The state must not be 0; the multiplier spreads seeds that are close to each other.
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
