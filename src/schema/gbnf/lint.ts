/**
 * Decides whether a grammar that a caller wrote may reach the engine.
 *
 * Reading it as the engine does is the first part (`parse.ts`). The second is what the engine takes
 * and should not: texts that mean something else than they say, rules that never end, and grammars
 * that cost it more time than their size (it has no bound of its own). The third is measured: stacks
 * are counted along one text that is led to where they are most, and along sentences that are drawn,
 * since nothing can tell from a grammar alone whether they grow without end.
 *
 * Errors  GrammarError: one line with what, where or which rule, and what to do.
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`.
 */
import { drawSentence } from './draw.ts';
import { GrammarError } from './error.ts';
import type { Grammar } from './grammar.ts';
import { advance, type MatchState, makeMatcher, start } from './match.ts';
import { checkCost, findWideRule, StackCounter } from './native-cost.ts';
import { parseGrammar } from './parse.ts';
import { idOf, isRule, plainName, RULE_END } from './rule-list.ts';
import { seededRandom } from './seeded-random.ts';

export interface LintLimits {
  readonly textBytes: number;
  readonly rules: number;
  readonly elements: number;
  /** Stacks that the engine may have at once. */
  readonly stacks: number;
  /**
   * For each character the stacks that take it, times those that there are then, since it compares
   * each with all; together for a text of up to 200 characters.
   */
  readonly comparisons: number;
}

export const LINT_LIMITS: LintLimits = {
  textBytes: 65_536,
  rules: 20_000,
  elements: 400_000,
  stacks: 4_000,
  comparisons: 50_000_000,
};

/** What we print ourselves is not ambiguous, so that more of it is borne. */
const OWN_LIMITS = { rules: 100_000, elements: 1_000_000, stacks: LINT_LIMITS.stacks };

/** Of the engine's check for left recursion, which runs by recursion and in no bounded time. */
const CHECK_CALLS = 1_000_000;
const CHECK_DEPTH = 5_000;
/** For all of what is measured. */
const WORK = 20_000_000;
const DRAWN_SENTENCES = 8;
const LED_CODE_POINTS = 100;
const LED_CHOICES = 8;

/** Returns the grammar for those who go on to match with it. */
export function lintGrammar(text: string, limits: LintLimits = LINT_LIMITS): Grammar {
  if (text.length > limits.textBytes || Buffer.byteLength(text) > limits.textBytes) {
    throw new GrammarError(
      `The grammar is longer than ${limits.textBytes} bytes`,
      'send a shorter grammar',
    );
  }
  if (text.includes('\0') || !text.isWellFormed()) {
    throw new GrammarError(
      'The grammar has U+0000 or half of a surrogate pair in its text',
      'write such code points as escapes, or leave them out',
    );
  }
  const grammar = parseGrammar(text);
  refuseOddities(grammar);
  refuseDeadEnds(grammar);
  refuseCosts(grammar, limits);
  refuseGrowth(grammar, limits);
  return grammar;
}

/** For a grammar of our own, which is right by construction and may still cost too much. */
export function assertAffordable(text: string): void {
  refuseCosts(parseGrammar(text), OWN_LIMITS);
}

function refuseOddities({ oddities }: Grammar): void {
  for (const name of oddities.undefined) {
    throw new GrammarError(`The rule '${name}' is used and not defined`, `add ${name} ::= …`);
  }
  for (const name of oddities.redefined) {
    throw new GrammarError(
      `The rule '${name}' is defined more than once`,
      'join the definitions with |',
    );
  }
  for (const name of oddities.unbounded) {
    throw new GrammarError(
      `A repeat in the rule '${name}' may go beyond 2000, which the engine does not count`,
      'write {m,} for no upper bound, or chain rules of their own',
    );
  }
}

/** Where generation gets to and never ends, or where nothing can come next. */
function refuseDeadEnds(grammar: Grammar): void {
  const { elements, sets, leastLength, names, placeOf } = grammar;
  for (const [rule, at] of reachable(grammar)) {
    const name = plainName(names[rule]!);
    if (leastLength[rule] === Number.POSITIVE_INFINITY) {
      throw new GrammarError(
        `The rule '${name}' never ends`,
        'give it an alternative that does',
        placeOf(rule),
      );
    }
    const element = elements[at]!;
    if (element !== RULE_END && !isRule(element) && sets[idOf(element)]!.length === 0) {
      throw new GrammarError(
        `The rule '${name}' has a character that no text can have`,
        'look for [z-a], a half of a surrogate pair, U+0000, or more than U+10FFFF',
        placeOf(rule),
      );
    }
  }
}

/** All elements of all rules that `root` leads to. */
function* reachable(grammar: Grammar): Generator<readonly [rule: number, position: number]> {
  const { elements, alternatives, ofRule, root } = grammar;
  const isSeen = new Uint8Array(grammar.names.length);
  const open = [root];
  isSeen[root] = 1;
  for (let rule = open.pop(); rule !== undefined; rule = open.pop()) {
    for (let i = ofRule[rule]!; i < ofRule[rule + 1]!; i++) {
      let at = alternatives[i]!;
      for (; elements[at] !== RULE_END; at++) {
        yield [rule, at];
        if (!isRule(elements[at]!)) continue;
        const next = idOf(elements[at]!);
        if (isSeen[next] === 0) open.push(next);
        isSeen[next] = 1;
      }
      yield [rule, at];
    }
  }
}

function refuseCosts(
  grammar: Grammar,
  limits: Pick<LintLimits, 'rules' | 'elements' | 'stacks'>,
): void {
  if (grammar.names.length > limits.rules || grammar.storedElements > limits.elements) {
    throw new GrammarError(
      `The grammar has ${grammar.names.length} rules and ${grammar.storedElements} elements when its repeats are written out, of at most ${limits.rules} and ${limits.elements}`,
      'repeat less, or shorter parts',
    );
  }
  const { calls, depth } = checkCost(grammar);
  if (calls > CHECK_CALLS || depth > CHECK_DEPTH) {
    throw new GrammarError(
      'The rules begin with each other in too many ways, or in too long a chain',
      'join alternatives that begin with the same rule',
    );
  }
  const wide = findWideRule(grammar, limits.stacks);
  if (wide !== undefined) {
    throw new GrammarError(
      `The rule '${wide.rule}' can go on in ${wide.stacks} ways at once, of at most ${limits.stacks}`,
      'share the beginnings of its alternatives, or make fewer parts optional',
    );
  }
}

function refuseGrowth(grammar: Grammar, { stacks, comparisons }: LintLimits): void {
  const matcher = makeMatcher(grammar);
  const random = seededRandom(grammar.elements.length);
  const first = start(matcher, WORK);
  const counter = new StackCounter(first.automaton, WORK);
  let compared = 0;
  /** Goes on, unless that costs too much. */
  const step = (from: MatchState, codePoint: number): MatchState | undefined => {
    const to = advance(from, codePoint);
    if (to === undefined) return undefined;
    const after = counter.count(to.state);
    compared += counter.countTaking(from.state, codePoint) * after;
    if (after <= stacks && compared <= comparisons) return to;
    throw new GrammarError(
      `The grammar is so ambiguous that the engine would keep more than ${stacks} stacks, or compare more than ${comparisons} in a short text`,
      'let every text be read in one way',
    );
  };
  leadToMost({ grammar, first, counter, random, step });
  for (let i = 0; i < DRAWN_SENTENCES; i++) {
    let at: MatchState | undefined = first;
    compared = 0;
    for (const character of drawSentence(matcher, random, { work: WORK }) ?? '') {
      at = step(at!, character.codePointAt(0)!);
    }
  }
}

/** Takes, of a few choices, the one with the most stacks. */
function leadToMost(options: {
  readonly grammar: Grammar;
  readonly first: MatchState;
  readonly counter: StackCounter;
  readonly random: () => number;
  readonly step: (from: MatchState, codePoint: number) => MatchState | undefined;
}): void {
  const { grammar, counter, random, step } = options;
  let at: MatchState | undefined = options.first;
  for (let i = 0; i < LED_CODE_POINTS && at !== undefined; i++) {
    const from: MatchState = at;
    const { sets } = from.state;
    let best: number | undefined;
    let most = 0;
    for (let choice = 0; choice < Math.min(LED_CHOICES, sets.length); choice++) {
      const picked = sets.length <= LED_CHOICES ? choice : Math.floor(random() * sets.length);
      const lowest = grammar.sets[sets[picked]!]![0];
      const next = lowest === undefined ? undefined : advance(from, lowest);
      if (next === undefined) continue;
      const stacks = counter.count(next.state);
      if (stacks > most) [best, most] = [lowest, stacks];
    }
    at = best === undefined ? undefined : step(from, best);
  }
}
