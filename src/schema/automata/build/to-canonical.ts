/**
 * Numbers the blocks of equal states breadth first along ascending code points, and writes the
 * edges as ranges again. Pure; the result depends on the language alone.
 *
 * Errors  BudgetError: one edge of a class may be several hundred ranges.
 */
import { assertEdges } from '../budget.ts';
import type { Dfa } from '../dfa.ts';
import type { LabelledDfa } from './labelled.ts';
import { neighbours } from './neighbours.ts';
import type { Partition } from './partition.ts';
import { RangeEdges } from './range-edges.ts';

export function toCanonical(dfa: LabelledDfa, blocks: Partition, budget: number): Dfa {
  const { piecesOf, from, to } = dfa.alphabet;
  const outgoing = neighbours(dfa.accepting.length, dfa.tail);
  const numberOf = new Int32Array(blocks.count).fill(-1);
  const order: number[] = [blocks.blockOf[0]!];
  numberOf[order[0]!] = 0;
  const edges = new RangeEdges();
  const headAt = new Int32Array(from.length);
  for (let state = 0; state < order.length; state++) {
    const member = blocks.elements[blocks.first[order[state]!]!]!;
    const pieces: number[] = [];
    for (let i = outgoing.first[member]!; i < outgoing.first[member + 1]!; i++) {
      const edge = outgoing.edges[i]!;
      for (const piece of piecesOf[dfa.label[edge]!]!) {
        pieces.push(piece);
        headAt[piece] = blocks.blockOf[dfa.head[edge]!]!;
      }
    }
    if (pieces.length > 1) pieces.sort(ascending);
    for (const piece of pieces) {
      const block = headAt[piece]!;
      if (numberOf[block] === -1) {
        numberOf[block] = order.length;
        order.push(block);
      }
      edges.add(from[piece]!, to[piece]!, numberOf[block]!);
    }
    edges.endState();
    assertEdges(edges.edges, budget);
  }
  const accepting = Uint8Array.from(
    order,
    (block) => dfa.accepting[blocks.elements[blocks.first[block]!]!]!,
  );
  return { ...edges.finish(accepting), isMinimal: true };
}

function ascending(a: number, b: number): number {
  return a - b;
}
