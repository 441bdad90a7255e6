/**
 * Whether a grammar has a text, by the plainest search there is: which spans each rule covers, until
 * nothing is added. It shares the grammar's arrays with the matcher and none of its ideas.
 *
 * Cost  cubic in the text and worse: for texts of a few characters.
 */
import type { Grammar } from '../../src/schema/gbnf/grammar.ts';

export function referenceAccepts(grammar: Grammar, text: string): boolean {
  const codePoints = [...text].map((character) => character.codePointAt(0)!);
  const { elements, alternatives, ofRule, sets, root } = grammar;
  /** By rule: for each start, the ends of its texts. */
  const spans = grammar.names.map(() => codePoints.map(() => new Set<number>()));
  for (const of of spans) of.push(new Set());

  const holds = (set: number, codePoint: number) =>
    sets[set]!.some((low, i) => i % 2 === 0 && low <= codePoint && codePoint <= sets[set]![i + 1]!);

  function ends(position: number, from: number): Set<number> {
    const element = elements[position]!;
    if (element === 0) return new Set([from]);
    const id = (element - 2) >> 1;
    const next = new Set<number>();
    if (element % 2 === 1) {
      if (from < codePoints.length && holds(id, codePoints[from]!)) next.add(from + 1);
    } else {
      for (const end of spans[id]![from]!) next.add(end);
    }
    const all = new Set<number>();
    for (const middle of next) for (const end of ends(position + 1, middle)) all.add(end);
    return all;
  }

  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (let rule = 0; rule < spans.length; rule++) {
      for (let from = 0; from <= codePoints.length; from++) {
        const known = spans[rule]![from]!;
        const before = known.size;
        for (let i = ofRule[rule]!; i < ofRule[rule + 1]!; i++) {
          for (const end of ends(alternatives[i]!, from)) known.add(end);
        }
        if (known.size > before) isChanged = true;
      }
    }
  }
  return spans[root]![0]!.has(codePoints.length);
}
