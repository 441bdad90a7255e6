/**
 * Says of a text whether a grammar has it, the way the engine would that generates by it.
 *
 *   acceptsText(matcher, text)            the whole text
 *   start → advance → … → isAccepting     one code point at a time; states do not change
 *   nextRanges(state)                     which code points may come next
 *
 * Text is judged by whole code points. U+0000 and lone surrogates are never accepted: no text that
 * the engine generates has them (`char-set.ts`).
 *
 * Shapes  `atByte` counts UTF-8 bytes: where the first code point begins that nothing goes on with,
 *         or the length of the text when it is the start of a sentence or seems so. (A rule that
 *         never ends keeps a text going here as it does in the engine.)
 * Errors  GrammarError when a text takes more than the allowed work; never a hang. What was worked
 *         out for one text serves the next, so a second try may do with less.
 */
import { Automaton, type State } from './automaton.ts';
import { normalise, type Ranges } from './char-set.ts';
import type { Grammar } from './grammar.ts';

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly atByte: number };

export interface MatchState {
  readonly automaton: Automaton;
  readonly state: State;
}

export interface Matcher {
  readonly grammar: Grammar;
  /** Replaced when it has grown too large; states that are out keep theirs. */
  automaton: Automaton;
}

/** Some 100 times what a JSON text of 1 MiB takes in a grammar without ambiguity. */
const WORK = 200_000_000;
/** What an automaton may remember between texts: some 100 MB. */
const SIZE = 500_000;

export function makeMatcher(grammar: Grammar): Matcher {
  return { grammar, automaton: new Automaton(grammar, WORK) };
}

export function acceptsText(matcher: Matcher, text: string, work = WORK): Verdict {
  const automaton = fresh(matcher, work);
  let state = automaton.first;
  let atByte = 0;
  for (let i = 0; i < text.length; i++) {
    const codePoint = text.codePointAt(i)!;
    const next = automaton.advance(state, codePoint);
    if (next === undefined) return { ok: false, atByte };
    state = next;
    atByte += utf8Bytes(codePoint);
    if (codePoint > 0xffff) i++;
  }
  return state.isAccepting ? { ok: true } : { ok: false, atByte };
}

export function start(matcher: Matcher, work = WORK): MatchState {
  const automaton = fresh(matcher, work);
  return { automaton, state: automaton.first };
}

/** Undefined when no sentence goes on with this code point. */
export function advance(from: MatchState, codePoint: number): MatchState | undefined {
  const state = from.automaton.advance(from.state, codePoint);
  return state === undefined ? undefined : { automaton: from.automaton, state };
}

/** Whether the text up to here is a sentence. */
export function isAccepting({ state }: MatchState): boolean {
  return state.isAccepting;
}

/** Sorted and disjoint, as flat pairs [low, high, low, high, …]. */
export function nextRanges({ automaton, state }: MatchState): Ranges {
  const pairs: number[] = [];
  for (const set of new Set(state.sets)) {
    for (const bound of automaton.grammar.sets[set]!) pairs.push(bound);
  }
  return normalise(pairs);
}

function fresh(matcher: Matcher, work: number): Automaton {
  if (matcher.automaton.size > SIZE) matcher.automaton = new Automaton(matcher.grammar, WORK);
  matcher.automaton.workLeft = work;
  return matcher.automaton;
}

function utf8Bytes(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}
