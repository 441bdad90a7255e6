/** Random sets of texts, with a membership that is written down as the definition says it. */
import * as fc from 'fast-check';

import { complement } from '../../../../src/schema/automata/complement.ts';
import type { Dfa } from '../../../../src/schema/automata/dfa.ts';
import { ofStrings } from '../../../../src/schema/automata/of-strings.ts';
import { difference, intersection, union } from '../../../../src/schema/automata/product.ts';
import { concatenation, repeat } from '../../../../src/schema/automata/sequence.ts';
import { ofRanges } from '../../../../src/schema/automata/simple.ts';
import { unionOf } from '../../../../src/schema/automata/union-of.ts';

export interface Expression {
  readonly dfa: Dfa;
  readonly has: (text: string) => boolean;
}

const LETTERS = ['a', 'b', '😀'];

/** Every text of these letters, up to a length. */
export function everyText(length: number): readonly string[] {
  let texts = [''];
  let last = [''];
  for (let i = 0; i < length; i++) {
    last = last.flatMap((text) => LETTERS.map((letter) => text + letter));
    texts = [...texts, ...last];
  }
  return texts;
}

const text = fc.array(fc.constantFrom(...LETTERS), { maxLength: 3 }).map((all) => all.join(''));

const strings = fc
  .array(text, { maxLength: 4 })
  .map((all): Expression => ({ dfa: ofStrings(all), has: (one) => all.includes(one) }));

const letters = fc.subarray(LETTERS).map((all): Expression => {
  const set = all.map((letter) => letter.codePointAt(0)!).sort((a, b) => a - b);
  const pairs =
    set.length > 1 && set[1] === set[0]! + 1
      ? [set[0]!, set[1]!, ...set.slice(2).flatMap((c) => [c, c])]
      : set.flatMap((c) => [c, c]);
  return { dfa: ofRanges(pairs), has: (one) => all.includes(one) };
});

export const expressions: fc.Arbitrary<Expression> = fc.letrec<{ all: Expression }>((tie) => ({
  all: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    strings,
    letters,
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => both(a, b, union, (x, y) => x || y)),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) =>
      both(
        a,
        b,
        (x, y) => unionOf([x, y]),
        (x, y) => x || y,
      ),
    ),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => both(a, b, intersection, (x, y) => x && y)),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => both(a, b, difference, (x, y) => x && !y)),
    tie('all').map((a) => ({ dfa: complement(a.dfa), has: (one: string) => !a.has(one) })),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => ({
      dfa: concatenation([a.dfa, b.dfa]),
      has: (one: string) => cuts(one).some(([x, y]) => a.has(x) && b.has(y)),
    })),
    fc
      .tuple(tie('all'), fc.nat({ max: 2 }), fc.constantFrom(0, 1, Infinity))
      .map(([a, min, more]) => ({
        dfa: repeat(a.dfa, min, min + more),
        has: (one: string) => isRepeated(a, one, min, min + more),
      })),
  ),
})).all;

function both(
  a: Expression,
  b: Expression,
  build: (a: Dfa, b: Dfa) => Dfa,
  decide: (a: boolean, b: boolean) => boolean,
): Expression {
  return { dfa: build(a.dfa, b.dfa), has: (one) => decide(a.has(one), b.has(one)) };
}

function cuts(one: string): readonly (readonly [string, string])[] {
  const all = [...one];
  return Array.from({ length: all.length + 1 }, (_, at) => [
    all.slice(0, at).join(''),
    all.slice(at).join(''),
  ]);
}

function isRepeated(a: Expression, one: string, min: number, max: number): boolean {
  if (max === 0) return one === '';
  if (one === '' && (min === 0 || a.has(''))) return true;
  // A part may be empty only as long as the count asks for it: more of them change nothing.
  return cuts(one).some(
    ([x, y]) =>
      a.has(x) && (x !== '' || min > 0) && isRepeated(a, y, Math.max(0, min - 1), max - 1),
  );
}
