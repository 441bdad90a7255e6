/** The automata of one or two states from which others are made. Pure. */
import type { Dfa } from './dfa.ts';
import { minimise } from './minimise.ts';
import { EVERY_CODE_POINT, type Ranges } from './ranges.ts';

/** The set that has only the empty text. */
export const EMPTY_TEXT: Dfa = {
  accepting: Uint8Array.of(1),
  first: new Int32Array(2),
  from: new Int32Array(0),
  to: new Int32Array(0),
  target: new Int32Array(0),
  isMinimal: true,
};

/** The set of all texts. */
export const ALL: Dfa = {
  accepting: Uint8Array.of(1),
  first: Int32Array.of(0, 2),
  from: Int32Array.of(EVERY_CODE_POINT[0]!, EVERY_CODE_POINT[2]!),
  to: Int32Array.of(EVERY_CODE_POINT[1]!, EVERY_CODE_POINT[3]!),
  target: new Int32Array(2),
  isMinimal: true,
};

/** The texts of one code point of the set. */
export function ofRanges(set: Ranges): Dfa {
  const count = set.length / 2;
  return minimise({
    accepting: Uint8Array.of(0, 1),
    first: Int32Array.of(0, count, count),
    from: Int32Array.from({ length: count }, (_, i) => set[i * 2]!),
    to: Int32Array.from({ length: count }, (_, i) => set[i * 2 + 1]!),
    target: new Int32Array(count).fill(1),
  });
}
