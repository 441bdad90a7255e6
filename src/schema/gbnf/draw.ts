/**
 * Draws a random sentence of a grammar: what a model with random weights would write under it, that
 * never runs out of room.
 *
 * At every step the code points are chosen from sets after which the text can still end in the room
 * that is left; in the second half of the room it takes a shortest way out. So it ends, always.
 *
 * Units   `maxCodePoints` bounds the sentence, 200 unless told.
 * Shapes  undefined when the grammar has no sentence that short.
 * Errors  GrammarError when the grammar takes more work than a match may.
 */
import type { State } from './automaton.ts';
import { hasCodePoint, type Ranges } from './char-set.ts';
import type { Grammar } from './grammar.ts';
import { advance, type Matcher, type MatchState, start } from './match.ts';
import { idOf, isRule, RULE_END } from './rule-list.ts';
import type { Tails } from './tails.ts';

export interface DrawOptions {
  readonly maxCodePoints?: number;
  /** As for a match. */
  readonly work?: number | undefined;
  /** Letters, digits and what else is easily read, wherever a set has some. */
  readonly isPlain?: boolean;
}

/** How often a text that may end does, while there is room. */
const END_CHANCE = 0.25;

/** `random`: like Math.random, in [0, 1). */
export function drawSentence(
  matcher: Matcher,
  random: () => number,
  { maxCodePoints = 200, work, isPlain = false }: DrawOptions = {},
): string | undefined {
  const { grammar } = matcher;
  const after = leastAfter(grammar);
  const ofFrame: number[] = [];
  let at: MatchState = start(matcher, work);
  let text = '';
  for (let room = maxCodePoints; ; room--) {
    const { state, automaton } = at;
    const isLate = room < maxCodePoints / 2;
    if (state.isAccepting && (isLate || random() < END_CHANCE)) return text;
    const ways = waysOut(state, automaton.tails, after, ofFrame);
    let least = Number.POSITIVE_INFINITY;
    for (const length of ways) least = Math.min(least, length);
    if (least > room) return state.isAccepting ? text : undefined;
    const longest = isLate ? least : room;
    const open = ways.flatMap((length, i) => (length <= longest ? [i] : []));
    const plain = isPlain ? open.filter((i) => !isEscape(grammar.sets[state.sets[i]!]!)) : open;
    const choices = plain.length > 0 ? plain : open;
    const set = state.sets[choices[below(random, choices.length)]!]!;
    const ranges = grammar.sets[set]!;
    const codePoint =
      (isPlain ? drawPlain(ranges, random) : undefined) ?? drawCodePoint(ranges, random);
    text += String.fromCodePoint(codePoint);
    at = advance(at, codePoint)!;
  }
}

/** By position of the state: the fewest code points to the end of a text that goes on there. */
function waysOut(
  { positions, tails }: State,
  shared: Tails,
  after: Float64Array,
  ofFrame: number[],
): number[] {
  // What lies below a frame is older and has a smaller number.
  for (let frame = ofFrame.length; frame < shared.positions.length; frame++) {
    const rest = frame === 0 ? 0 : after[shared.positions[frame]!]!;
    ofFrame.push(frame === 0 ? 0 : rest + leastOf(shared.framesOf(shared.below[frame]!), ofFrame));
  }
  return positions.map(
    (position, i) => after[position]! + leastOf(shared.framesOf(tails[i]!), ofFrame),
  );
}

function leastOf(frames: readonly number[], ofFrame: readonly number[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (const frame of frames) least = Math.min(least, ofFrame[frame]!);
  return least;
}

/** By position: the fewest code points from there to the end of its alternative. */
function leastAfter({ elements, sets, leastLength }: Grammar): Float64Array {
  const after = new Float64Array(elements.length);
  for (let at = elements.length - 1; at >= 0; at--) {
    const element = elements[at]!;
    if (element === RULE_END) continue;
    const id = idOf(element);
    const own = isRule(element)
      ? leastLength[id]!
      : sets[id]!.length > 0
        ? 1
        : Number.POSITIVE_INFINITY;
    after[at] = own + after[at + 1]!;
  }
  return after;
}

/** Ends of ranges come often: that is where mistakes are. */
function drawCodePoint(ranges: Ranges, random: () => number): number {
  const i = 2 * below(random, ranges.length / 2);
  const low = ranges[i]!;
  const high = ranges[i + 1]!;
  const way = random();
  if (way < 0.15) return low;
  if (way < 0.3) return high;
  return low + below(random, high - low + 1);
}

const PLAIN = [...'abcdefghijklmnopqrstuvwxyz0123456789'].map((one) => one.codePointAt(0)!);

/** Of JSON: a backslash and nothing else. */
function isEscape(ranges: Ranges): boolean {
  return ranges.length === 2 && ranges[0] === 0x5c && ranges[1] === 0x5c;
}

function drawPlain(ranges: Ranges, random: () => number): number | undefined {
  const found = PLAIN.filter((one) => hasCodePoint(ranges, one));
  return found[below(random, found.length)];
}

function below(random: () => number, limit: number): number {
  return Math.floor(random() * limit);
}
