/**
 * From the texts of a set to how `JSON.stringify` writes them between its quotes. Pure.
 *
 * `"` and `\` have a backslash before them, five controls have a letter, the others four hexadecimal
 * digits in lower case; everything else stands for itself.
 *
 * Source  ECMA-262, QuoteJSONString.
 */
import { DEFAULT_STATES } from './budget.ts';
import { RangeEdges } from './build/range-edges.ts';
import type { Dfa } from './dfa.ts';
import { minimise } from './minimise.ts';

const BACKSLASH = 0x5c;
const FIRST_PLAIN = 0x20;

interface Edge {
  readonly from: number;
  readonly to: number;
  readonly target: number;
}

/** The code points up to `\` that are written with a backslash. */
export const ESCAPED: readonly number[] = [
  ...Array.from({ length: FIRST_PLAIN }, (_, code) => code),
  0x22,
  BACKSLASH,
];

/** What `JSON.stringify` writes for one of them, without its backslash. */
export function escapeOf(code: number): string {
  return JSON.stringify(String.fromCodePoint(code)).slice(2, -1);
}

export function toJsonText(dfa: Dfa, budget = DEFAULT_STATES): Dfa {
  const edges = new RangeEdges();
  // The states of the values keep their numbers; those within escapes follow.
  const within: Map<string, number>[] = [];
  for (let state = 0; state < dfa.accepting.length; state++) {
    const plain: Edge[] = [];
    const escapes = new Map<string, number>();
    for (let edge = dfa.first[state]!; edge < dfa.first[state + 1]!; edge++) {
      const [from, to, target] = [dfa.from[edge]!, dfa.to[edge]!, dfa.target[edge]!];
      let next = from;
      for (const code of ESCAPED) {
        if (code < next || code > to) continue;
        escapes.set(escapeOf(code), target);
        if (next < code) plain.push({ from: next, to: code - 1, target });
        next = code + 1;
      }
      if (next <= to) plain.push({ from: next, to, target });
    }
    if (escapes.size > 0) {
      const target = dfa.accepting.length + within.push(escapes) - 1;
      plain.push({ from: BACKSLASH, to: BACKSLASH, target });
    }
    addState(edges, plain);
  }
  // A state within an escape is what may still follow, and where that leads.
  for (const rests of within) {
    const next: Edge[] = [];
    const byLetter = new Map<number, Map<string, number>>();
    for (const [rest, target] of rests) {
      const code = rest.charCodeAt(0);
      if (rest.length === 1) {
        next.push({ from: code, to: code, target });
        continue;
      }
      const known = byLetter.get(code);
      if (known !== undefined) known.set(rest.slice(1), target);
      else byLetter.set(code, new Map([[rest.slice(1), target]]));
    }
    for (const [code, shorter] of byLetter) {
      next.push({ from: code, to: code, target: dfa.accepting.length + within.push(shorter) - 1 });
    }
    addState(edges, next);
  }
  const accepting = new Uint8Array(edges.states);
  accepting.set(dfa.accepting);
  return minimise(edges.finish(accepting), budget);
}

function addState(edges: RangeEdges, list: Edge[]): void {
  list.sort((a, b) => a.from - b.from);
  for (const { from, to, target } of list) edges.add(from, to, target);
  edges.endState();
}
