/**
 * Host names: labels of letters, digits and inner hyphens, 63 characters at most, 253 in all.
 *
 * The exact set needs a state for each total and each place in a label, some 16,000. This is a
 * subset with some 800: a label of up to 31 characters weighs 1, one of up to 63 weighs 2, a last
 * one of up to 29 weighs nothing, and the weights add up to 7 at most (7 · 32 + 29 = 253). Left out
 * are names of more than eight labels, or of four long ones, and labels with `--` in the third and
 * fourth place: these are reserved, and whether an `xn--` label is valid is a matter of Unicode tables.
 *
 * Source  RFC 1123, section 2.1; RFC 1035, section 2.3.4; RFC 5890, section 2.3.1.
 */

import { RangeEdges } from '../build/range-edges.ts';
import type { Dfa } from '../dfa.ts';
import { minimise } from '../minimise.ts';
import { difference, intersection } from '../product.ts';
import { parseRegex, regexDfa } from '../regex.ts';

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9\\-]*[A-Za-z0-9])?';
const MAX_WEIGHT = 7;
const MAX_LABEL = 63;
const MAX_SHORT = 31;
const MAX_LAST = 29;
const DOT = 0x2e;

export function hostnameDfa(): Dfa {
  const names = regexDfa(parseRegex(`^${LABEL}(?:\\.${LABEL})*$`));
  const reserved = regexDfa(parseRegex('(?:^|\\.)[^.]{2}--'));
  return intersection(difference(names, reserved), weighed());
}

/** Any ASCII characters in labels whose weights add up. State: weight so far, place in the label. */
function weighed(): Dfa {
  const width = MAX_LABEL + 1;
  const edges = new RangeEdges();
  const accepting: number[] = [];
  for (let weight = 0; weight <= MAX_WEIGHT; weight++) {
    for (let length = 0; length <= MAX_LABEL; length++) {
      const next = weight + (length <= MAX_SHORT ? 1 : 2);
      const state = weight * width + length;
      if (length < MAX_LABEL) edges.add(0, DOT - 1, state + 1);
      if (next <= MAX_WEIGHT) edges.add(DOT, DOT, next * width);
      if (length < MAX_LABEL) edges.add(DOT + 1, 0x7f, state + 1);
      edges.endState();
      accepting.push(next <= MAX_WEIGHT || length <= MAX_LAST ? 1 : 0);
    }
  }
  return minimise(edges.finish(Uint8Array.from(accepting)));
}
