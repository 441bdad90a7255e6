/**
 * What a pattern says, without what does not change its language: groups have no names, and greedy
 * and lazy are the same.
 */
import type { Assertion } from '../build/nfa.ts';
import { type Ranges, uniteRanges } from '../ranges.ts';

export type RegexNode =
  | { readonly type: 'set'; readonly ranges: Ranges }
  | { readonly type: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly type: 'choice'; readonly items: readonly RegexNode[] }
  | {
      readonly type: 'repeat';
      readonly body: RegexNode;
      readonly min: number;
      readonly max: number;
    }
  | { readonly type: 'assert'; readonly kind: Assertion };

/** Sequences within a sequence become one. */
export function sequenceOf(items: readonly RegexNode[]): RegexNode {
  if (items.length === 1) return items[0]!;
  const flat = items.flatMap((item) => (item.type === 'sequence' ? item.items : [item]));
  return { type: 'sequence', items: flat };
}

/** A choice among single code points is a set of them. */
export function choiceOf(items: readonly RegexNode[]): RegexNode {
  if (items.length === 1) return items[0]!;
  let ranges: Ranges = [];
  for (const item of items) {
    if (item.type !== 'set') return { type: 'choice', items };
    ranges = uniteRanges(ranges, item.ranges);
  }
  return { type: 'set', ranges };
}

/** True when a match can begin nowhere but at the start of the text. */
export function isAnchoredAtStart(node: RegexNode): boolean {
  switch (node.type) {
    case 'set':
      return false;
    case 'assert':
      return node.kind === 'start';
    case 'repeat':
      return node.min > 0 && isAnchoredAtStart(node.body);
    case 'choice':
      return node.items.every(isAnchoredAtStart);
    case 'sequence':
      return node.items.length > 0 && isAnchoredAtStart(node.items[0]!);
  }
}
