/**
 * A pattern that says no more than "so many of these": `^[a-z]{1,5000}$`, `^\d\d+$`. Kept as
 * numbers it costs nothing; as an automaton it has a state for each count. Pure.
 */
import { counted, type Grammar, ofSet } from './grammar-expression.ts';
import type { Ranges } from './ranges.ts';
import type { RegexNode } from './regex/ast.ts';
import type { Regex } from './regex.ts';

export interface CountedClass {
  readonly ranges: Ranges;
  readonly min: number;
  /** Infinity where there is no limit. */
  readonly max: number;
}

/** Undefined for any other pattern, and where UTF-16 units and code points would count differently. */
export function countedClass({ node, isUnicode }: Regex): CountedClass | undefined {
  if (node.type !== 'sequence' || node.items.length < 3) return undefined;
  if (!isAssertion(node.items[0]!, 'start') || !isAssertion(node.items.at(-1)!, 'end')) {
    return undefined;
  }
  let all: CountedClass | undefined;
  for (const item of node.items.slice(1, -1)) {
    const one = countedSet(item);
    if (one === undefined) return undefined;
    if (all === undefined) all = one;
    else if (all.ranges.join() !== one.ranges.join()) return undefined;
    else all = { ranges: all.ranges, min: all.min + one.min, max: all.max + one.max };
  }
  return all === undefined || (!isUnicode && hasSurrogate(all.ranges)) ? undefined : all;
}

/** The texts of so many code points, as a grammar without rules. */
export function countedGrammar({ ranges, min, max }: CountedClass): Grammar {
  return { root: counted(ofSet(ranges), min, max), rules: new Map() };
}

function countedSet(node: RegexNode): CountedClass | undefined {
  if (node.type === 'set') return { ranges: node.ranges, min: 1, max: 1 };
  if (node.type !== 'repeat' || node.body.type !== 'set') return undefined;
  return { ranges: node.body.ranges, min: node.min, max: node.max };
}

function isAssertion(node: RegexNode, kind: 'start' | 'end'): boolean {
  return node.type === 'assert' && node.kind === kind;
}

function hasSurrogate(ranges: Ranges): boolean {
  return ranges.some((code, at) => at % 2 === 0 && code <= 0xdfff && ranges[at + 1]! >= 0xd800);
}
