import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { drawSentence } from '../../../../src/schema/gbnf/draw.ts';
import type { Grammar } from '../../../../src/schema/gbnf/grammar.ts';
import {
  acceptsText,
  advance,
  type Matcher,
  type MatchState,
  makeMatcher,
  start,
} from '../../../../src/schema/gbnf/match.ts';
import { checkCost, findWideRule, StackCounter } from '../../../../src/schema/gbnf/native-cost.ts';
import { parseGrammar } from '../../../../src/schema/gbnf/parse.ts';
import { seededRandom } from '../../../../src/schema/gbnf/seeded-random.ts';
import { randomGrammar } from '../../../support/random-grammar.ts';

const grammarOf = (...rules: string[]): Grammar => parseGrammar(rules.join('\n'));

/** The engine's way: every stack by itself, positions from the bottom to the top. */
function openStacks(grammar: Grammar, from: readonly (readonly number[])[]): number[][] {
  const { elements, alternatives, ofRule } = grammar;
  const done = new Map<string, number[]>();
  const seen = new Set<string>();
  const todo = from.map((stack) => [...stack]);
  for (let stack = todo.pop(); stack !== undefined; stack = todo.pop()) {
    const key = stack.join();
    if (seen.has(key)) continue;
    seen.add(key);
    const top = stack.at(-1);
    const element = top === undefined ? 1 : elements[top]!;
    if (element % 2 === 1) {
      done.set(key, stack);
      continue;
    }
    const rest = stack.slice(0, -1);
    if (elements[top! + 1] !== 0) rest.push(top! + 1);
    const rule = (element - 2) >> 1;
    for (let i = ofRule[rule]!; i < ofRule[rule + 1]!; i++) {
      const first = alternatives[i]!;
      todo.push(elements[first] === 0 ? rest : [...rest, first]);
    }
  }
  return [...done.values()];
}

function takeCharacter(
  grammar: Grammar,
  stacks: readonly number[][],
  codePoint: number,
): number[][] {
  const moved: number[][] = [];
  for (const stack of stacks) {
    const top = stack.at(-1);
    if (top === undefined) continue;
    const ranges = grammar.sets[(grammar.elements[top]! - 2) >> 1]!;
    if (!ranges.some((low, i) => i % 2 === 0 && low <= codePoint && codePoint <= ranges[i + 1]!))
      continue;
    const rest = stack.slice(0, -1);
    if (grammar.elements[top + 1] !== 0) rest.push(top + 1);
    moved.push(rest);
  }
  return openStacks(grammar, moved);
}

function firstStacks({ grammar }: Matcher): number[][] {
  const { elements, alternatives, ofRule, root } = grammar;
  const starts = [...alternatives.slice(ofRule[root]!, ofRule[root + 1]!)];
  return openStacks(
    grammar,
    starts.map((at) => (elements[at] === 0 ? [] : [at])),
  );
}

describe('StackCounter', () => {
  test('counts what keeping every stack by itself has', () => {
    let compared = 0;
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seededRandom(seed);
        let matcher: Matcher;
        try {
          matcher = makeMatcher(parseGrammar(randomGrammar(random)));
        } catch {
          return;
        }
        const counter = new StackCounter(matcher.automaton, 1_000_000);
        let at: MatchState = start(matcher);
        let stacks = firstStacks(matcher);
        for (const character of drawSentence(matcher, random, { maxCodePoints: 12 }) ?? '') {
          expect(counter.count(at.state)).toBe(stacks.length);
          if (stacks.length > 200) return;
          compared++;
          at = advance(at, character.codePointAt(0)!)!;
          stacks = takeCharacter(matcher.grammar, stacks, character.codePointAt(0)!);
        }
        expect(counter.count(at.state)).toBe(stacks.length);
      }),
      { numRuns: 200 },
    );
    expect(compared).toBeGreaterThan(200);
  });

  test('sees doubling, and gives up in bounded work', () => {
    const matcher = makeMatcher(
      grammarOf('root ::= "a" root b | "a" root c | "a"', 'b ::= "b"', 'c ::= "c"'),
    );
    const counts: number[] = [];
    let at: MatchState = start(matcher);
    for (let i = 0; i < 12; i++) {
      counts.push(new StackCounter(at.automaton, 100_000).count(at.state));
      at = advance(at, 0x61)!;
    }
    expect(counts.slice(0, 3)).toEqual([3, 7, 14]);
    expect(counts.at(-1)! / counts.at(-2)!).toBe(2);
    expect(new StackCounter(at.automaton, 1).count(at.state)).toBe(Number.POSITIVE_INFINITY);
    expect(acceptsText(matcher, `aaa${'bc'}`).ok).toBe(true);
  });
});

describe('checkCost', () => {
  test('counts calls of the check, which asks again for every way', () => {
    expect(checkCost(grammarOf('root ::= "a"'))).toEqual({ calls: 1, depth: 1 });
    expect(checkCost(grammarOf('root ::= x | x', 'x ::= y | y', 'y ::= "a"'))).toEqual({
      calls: 7,
      depth: 3,
    });
    // Visited from root: not started from again.
    expect(checkCost(grammarOf('root ::= x', 'x ::= "a" root'))).toEqual({ calls: 2, depth: 2 });
    expect(checkCost(grammarOf('x ::= "a"', 'root ::= x'))).toEqual({ calls: 3, depth: 2 });
    // It looks past a rule with an empty alternative only.
    expect(checkCost(grammarOf('root ::= e x', 'e ::= "" | "b"', 'x ::= "a"')).calls).toBe(3);
    expect(checkCost(grammarOf('root ::= e x', 'e ::= f', 'f ::= ""', 'x ::= "a"')).calls).toBe(4);
  });
});

describe('findWideRule', () => {
  test('names the rule that is wide, not those that lead to it', () => {
    const grammar = grammarOf('root ::= "x" many', 'many ::= [a] | [b] | [c] | [d]');
    expect(findWideRule(grammar, 3)?.rule).toBe('many');
    expect(findWideRule(grammar, 10)).toBeUndefined();
  });

  test('multiplies what may be empty', () => {
    const nested = grammarOf(
      'root ::= "x" d',
      'a ::= ""| "a"',
      'b ::= a a a',
      'c ::= b b b',
      'd ::= c c c',
    );
    const row = grammarOf('root ::= "x" a a a a a a', 'a ::= "" | "a"');
    // Six times the rule and its two alternatives, and the end.
    expect(findWideRule(row, 18)).toEqual({ stacks: 19, rule: 'root' });
    expect(findWideRule(row, 19)).toBeUndefined();
    expect(findWideRule(nested, 80)?.stacks).toBeGreaterThan(80);
  });
});
