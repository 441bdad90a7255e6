/**
 * What stands on the right of a grammar rule, independent of the notation it will be printed in.
 *
 * Sets and texts are of the value; how they are spelled inside of a JSON string is the printer's.
 */
import type { Ranges } from './ranges.ts';

export type GrammarExpression =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'set'; readonly ranges: Ranges }
  | { readonly type: 'rule'; readonly name: string }
  | { readonly type: 'sequence'; readonly items: readonly GrammarExpression[] }
  | { readonly type: 'choice'; readonly items: readonly GrammarExpression[] }
  /** `max` may be Infinity. */
  | {
      readonly type: 'count';
      readonly body: GrammarExpression;
      readonly min: number;
      readonly max: number;
    };

export interface Grammar {
  readonly root: GrammarExpression;
  /** In the order in which they were needed. */
  readonly rules: ReadonlyMap<string, GrammarExpression>;
}

/** A repeated text that is not longer, in UTF-16 units, is written out. */
const MAX_REPEATED_TEXT = 16;

const NOTHING: GrammarExpression = { type: 'sequence', items: [] };

/** Texts in a row become one text, and equal counted bodies in a row one count. */
export function inSequence(items: readonly GrammarExpression[]): GrammarExpression {
  const flat: GrammarExpression[] = [];
  for (const item of items.flatMap((one) => (one.type === 'sequence' ? one.items : [one]))) {
    const last = flat.at(-1);
    const joined = last && join(last, item);
    if (joined === undefined) flat.push(item);
    else flat[flat.length - 1] = joined;
  }
  return flat.length === 1 ? flat[0]! : { type: 'sequence', items: flat };
}

export function counted(body: GrammarExpression, min: number, max: number): GrammarExpression {
  if (max === 0) return NOTHING;
  if (body.type === 'text' && min === max && body.text.length * min <= MAX_REPEATED_TEXT) {
    return { type: 'text', text: body.text.repeat(min) };
  }
  return min === 1 && max === 1 ? body : { type: 'count', body, min, max };
}

export function optional(body: GrammarExpression): GrammarExpression {
  return counted(body, 0, 1);
}

/** A set of one is a text. */
export function ofSet(ranges: Ranges): GrammarExpression {
  const isOne = ranges.length === 2 && ranges[0] === ranges[1];
  return isOne ? { type: 'text', text: String.fromCodePoint(ranges[0]!) } : { type: 'set', ranges };
}

function join(a: GrammarExpression, b: GrammarExpression): GrammarExpression | undefined {
  if (a.type === 'text' && b.type === 'text') return { type: 'text', text: a.text + b.text };
  const [first, second] = [asCount(a), asCount(b)];
  if (first.body.type !== 'set' || second.body.type !== 'set') return undefined;
  if (first.body.ranges.join() !== second.body.ranges.join()) return undefined;
  // `x{0,2}x{0,3}` would match a text in several ways: only what is certain goes first.
  if (first.min !== first.max && second.max !== Infinity) return undefined;
  return counted(first.body, first.min + second.min, first.max + second.max);
}

function asCount(one: GrammarExpression): {
  readonly body: GrammarExpression;
  readonly min: number;
  readonly max: number;
} {
  return one.type === 'count' ? one : { body: one, min: 1, max: 1 };
}
