/**
 * From an automaton over UTF-16 units to the one over code points that accepts the same texts. Pure.
 *
 * Two steps, over a high and a low surrogate, become one; a surrogate that has no partner is in no
 * text. A low range that is not whole gives one range for each high surrogate.
 *
 * Errors  BudgetError.
 */
import { assertEdges, DEFAULT_STATES } from '../budget.ts';
import { RangeEdges } from '../build/range-edges.ts';
import type { Dfa, RawDfa } from '../dfa.ts';
import { minimise } from '../minimise.ts';

const HIGH = 0xd800;
const LOW = 0xdc00;
const LOW_END = 0xdfff;
const LOWS = 0x400;

export function fromUnits(units: RawDfa, budget = DEFAULT_STATES): Dfa {
  const edges = new RangeEdges();
  for (let state = 0; state < units.accepting.length; state++) {
    const pairs: (readonly [from: number, to: number, target: number])[] = [];
    for (let edge = units.first[state]!; edge < units.first[state + 1]!; edge++) {
      const [from, to, target] = [units.from[edge]!, units.to[edge]!, units.target[edge]!];
      if (from < HIGH) edges.add(from, Math.min(to, HIGH - 1), target);
      if (to >= HIGH && from < LOW) {
        pairs.push(...pairsOf(units, Math.max(from, HIGH), Math.min(to, LOW - 1), target));
        assertEdges(edges.edges + pairs.length, budget);
      }
      if (to > LOW_END) edges.add(Math.max(from, LOW_END + 1), to, target);
    }
    for (const [from, to, target] of pairs.sort((a, b) => a[0] - b[0])) edges.add(from, to, target);
    edges.endState();
  }
  return minimise(edges.finish(units.accepting), budget);
}

/** The code points whose first unit is in `from…to`, by what their second unit leads to. */
function* pairsOf(
  units: RawDfa,
  from: number,
  to: number,
  middle: number,
): Generator<readonly [from: number, to: number, target: number]> {
  for (let edge = units.first[middle]!; edge < units.first[middle + 1]!; edge++) {
    const low = Math.max(units.from[edge]!, LOW) - LOW;
    const end = Math.min(units.to[edge]!, LOW_END) - LOW;
    const target = units.target[edge]!;
    if (low > end) continue;
    if (low === 0 && end === LOWS - 1) {
      yield [codePoint(from, 0), codePoint(to, end), target];
      continue;
    }
    for (let high = from; high <= to; high++) {
      yield [codePoint(high, low), codePoint(high, end), target];
    }
  }
}

function codePoint(high: number, low: number): number {
  return 0x10000 + (high - HIGH) * LOWS + low;
}
