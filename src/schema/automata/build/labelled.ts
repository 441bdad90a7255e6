/**
 * A deterministic automaton whose edges carry classes of an alphabet instead of code points: the
 * form in which automata are built and minimised.
 *
 * Shapes  edge `e` leads from `tail[e]` to `head[e]` reading any code point of class `label[e]`;
 *         at most one edge per tail and label. State 0 is the start.
 */

import { assertEdges } from '../budget.ts';
import type { RawDfa } from '../dfa.ts';
import type { Alphabet } from './alphabet.ts';
import { classify } from './alphabet.ts';

export interface LabelledDfa {
  readonly accepting: Uint8Array;
  readonly tail: Int32Array;
  readonly label: Int32Array;
  readonly head: Int32Array;
  readonly alphabet: Alphabet;
}

/** The same automaton with one edge per class. */
export function toLabelled(dfa: RawDfa, budget: number): LabelledDfa {
  const alphabet = classify({ first: dfa.first, from: dfa.from, to: dfa.to, tag: dfa.target });
  const tail: number[] = [];
  const label: number[] = [];
  const head: number[] = [];
  // An edge covers whole classes, so that the first piece of a class stands for it.
  const isFirst = alphabet.classOf.map((id, piece) =>
    alphabet.piecesOf[id]![0] === piece ? 1 : 0,
  );
  for (let state = 0; state < dfa.accepting.length; state++) {
    let piece = 0;
    for (let edge = dfa.first[state]!; edge < dfa.first[state + 1]!; edge++) {
      piece = firstPieceAt(alphabet, dfa.from[edge]!, piece);
      for (; piece < alphabet.from.length && alphabet.from[piece]! <= dfa.to[edge]!; piece++) {
        if (isFirst[piece] === 0) continue;
        tail.push(state);
        label.push(alphabet.classOf[piece]!);
        head.push(dfa.target[edge]!);
      }
    }
    assertEdges(tail.length, budget);
  }
  return {
    accepting: dfa.accepting,
    tail: Int32Array.from(tail),
    label: Int32Array.from(label),
    head: Int32Array.from(head),
    alphabet,
  };
}

function firstPieceAt(alphabet: Alphabet, code: number, low: number): number {
  let high = alphabet.from.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (alphabet.from[middle]! < code) low = middle + 1;
    else high = middle;
  }
  return low;
}
