// Random grammars and what the orchestrator's own matcher says of texts, as lines of JSON:
//   { grammar, texts: [[text, taken, ends]] }
// taken: how many of its characters a sentence begins with; ends: after each of those, and before the first, whether
// the text up to there is a sentence. Arguments: a seed, how many grammars.

import { drawSentence } from '../../src/schema/gbnf/draw.ts';
import { advance, isAccepting, makeMatcher, start } from '../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../src/schema/gbnf/parse.ts';
import { seededRandom } from '../../src/schema/gbnf/seeded-random.ts';
import { randomGrammar } from '../support/random-grammar.ts';

const WORK = 2_000_000;
const ALPHABET = [...'abcAéè日😀😁"\nxy ,.'];
const [seed, count] = process.argv.slice(2).map(Number);
const random = seededRandom(seed);
const pick = (from) => from[Math.floor(random() * from.length)];

for (let made = 0; made < count; ) {
  const grammar = randomGrammar(random);
  const matcher = readable(grammar);
  if (matcher === undefined) continue;
  made++;
  const texts = new Set();
  for (let drawn = 0; drawn < 8; drawn++) {
    const characters = [...(drawSentence(matcher, random, { work: WORK }) ?? '')].slice(0, 40);
    texts.add(characters.join(''));
    texts.add(changed(characters).join(''));
  }
  const judgedTexts = Array.from(texts, (text) => judged(matcher, text));
  process.stdout.write(`${JSON.stringify({ grammar, texts: judgedTexts })}\n`);
}

/** Undefined for grammars that are refused, and those with a rule that never ends: the linter refuses them. */
function readable(text) {
  try {
    const grammar = parseGrammar(text);
    if (grammar.leastLength.some((length) => length === Number.POSITIVE_INFINITY)) return undefined;
    return makeMatcher(grammar);
  } catch (error) {
    if (error.name === 'GrammarError') return undefined;
    throw error;
  }
}

function changed(characters) {
  const at = Math.floor(random() * (characters.length + 1));
  const way = random();
  return characters.toSpliced(at, way < 0.4 ? 0 : 1, ...(way < 0.7 ? [pick(ALPHABET)] : []));
}

function judged(matcher, text) {
  let state = start(matcher, WORK);
  const ends = [isAccepting(state)];
  for (const character of text) {
    state = advance(state, character.codePointAt(0));
    if (state === undefined) break;
    ends.push(isAccepting(state));
  }
  return [text, ends.length - 1, ends];
}
