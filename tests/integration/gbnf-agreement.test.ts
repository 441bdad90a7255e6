/**
 * The matcher against the engine that it stands for: random grammars and sentences, each with one
 * character changed, and the repeats around the engine's limits.
 *
 * Asked twice: the grammar state over whole code points, and the sampler over single bytes, as a
 * model with byte tokens generates. That one also says at which byte a text fails. When the engine
 * refuses a grammar it writes it to stderr.
 */
import { getLlama, type Llama, type LlamaModel } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { drawSentence } from '../../src/schema/gbnf/draw.ts';
import { GrammarError } from '../../src/schema/gbnf/error.ts';
import {
  acceptsText,
  advance,
  type Matcher,
  type MatchState,
  makeMatcher,
  start,
} from '../../src/schema/gbnf/match.ts';
import { StackCounter } from '../../src/schema/gbnf/native-cost.ts';
import { parseGrammar } from '../../src/schema/gbnf/parse.ts';
import { seededRandom } from '../../src/schema/gbnf/seeded-random.ts';
import { ensurePreset } from '../support/gguf-writer-presets.ts';
import { byteVerdict, type NativeGrammar, nativeGrammar } from '../support/native-grammar.ts';
import { randomGrammar } from '../support/random-grammar.ts';

const GRAMMARS = 250;
const TEXTS = 50;
/** What the engine may keep at once: it takes seconds for thousands. */
const STACKS = 100;

let llama: Llama;
let model: LlamaModel;

beforeAll(async () => {
  llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logger: () => {} });
  model = await llama.loadModel({ modelPath: await ensurePreset('tiny') });
});
afterAll(() => llama.dispose());

function read(text: string): Matcher | GrammarError {
  try {
    return makeMatcher(parseGrammar(text));
  } catch (error) {
    if (error instanceof GrammarError) return error;
    throw error;
  }
}

function expectAgreement(
  matcher: Matcher,
  native: NativeGrammar,
  text: string,
  about: string,
): void {
  const verdict = acceptsText(matcher, text);
  const atByte = verdict.ok ? Buffer.byteLength(text) : verdict.atByte;
  const message = `${about}\n${JSON.stringify(text.slice(0, 100))}`;
  expect(native.isTextCompatible(text), message).toBe(verdict.ok);
  const byByte = byteVerdict(model, native, Buffer.from(text));
  expect(byByte.ok, message).toBe(verdict.ok);
  // A byte may fail inside of a character, the character fails as a whole.
  const isInside = byByte.atByte > atByte && (Buffer.from(text)[byByte.atByte]! & 0xc0) === 0x80;
  expect(isInside ? atByte : byByte.atByte, message).toBe(atByte);
}

/** One character more, less, or another one. */
function mutate(sentence: string, random: () => number): string {
  const characters = [...sentence];
  const at = Math.floor(random() * (characters.length + 1));
  const other = ['a', 'b', 'c', 'é', 'è', '日', '😀', '😁', '"', '\n', 'A', '-', '~', 'x', '\x7f'];
  const another = other[Math.floor(random() * other.length)]!;
  const way = Math.floor(random() * 3);
  characters.splice(at, way === 0 ? 0 : 1, ...(way === 1 ? [] : [another]));
  return characters.join('');
}

/** The most stacks that the engine has at once on the way through a text, of those that it takes. */
function mostStacks(matcher: Matcher, text: string): number {
  let at: MatchState | undefined = start(matcher);
  const counter = new StackCounter(at.automaton, 10_000);
  let most = 0;
  for (const character of text) {
    most = Math.max(most, counter.count(at.state));
    at = advance(at, character.codePointAt(0)!);
    if (at === undefined) return most;
  }
  return Math.max(most, counter.count(at.state));
}

/** TEXTS of them, or none when sentences are longer, or cost the engine more, than a test may. */
function drawSamples(matcher: Matcher, random: () => number): string[] {
  const samples: string[] = [];
  for (let tries = 0; samples.length < TEXTS; tries++) {
    // Its stacks may double with every character: then shorter ones must do.
    const maxCodePoints = Math.max(30 - tries + samples.length, 0);
    const sentence = drawSentence(matcher, random, { maxCodePoints });
    if (sentence === undefined || tries > 10 * TEXTS) return [];
    const sample = samples.length % 5 === 0 ? sentence : mutate(sentence, random);
    if (mostStacks(matcher, sample) <= STACKS) samples.push(sample);
  }
  return samples;
}

describe('the matcher and the engine agree', () => {
  test(`on ${GRAMMARS} random grammars, ${TEXTS} texts each`, () => {
    const seen = { grammars: 0, accepted: 0, rejected: 0 };
    for (let seed = 1; seen.grammars < GRAMMARS; seed++) {
      const random = seededRandom(seed);
      const text = randomGrammar(random);
      const matcher = read(text);
      // Those that the engine would hang on are not for it to answer; see below for refusals.
      if (matcher instanceof GrammarError) continue;
      const native = nativeGrammar(llama, text);
      expect(native, text).toBeDefined();
      const samples = drawSamples(matcher, random);
      if (samples.length === 0) continue;
      seen.grammars++;
      for (const sample of samples) {
        expectAgreement(matcher, native!, sample, text);
        if (acceptsText(matcher, sample).ok) seen.accepted++;
        else seen.rejected++;
      }
    }
    // Both verdicts must be common, or the test says little.
    expect(seen.accepted).toBeGreaterThan(GRAMMARS * TEXTS * 0.2);
    expect(seen.rejected).toBeGreaterThan(GRAMMARS * TEXTS * 0.2);
  });

  const counts = [
    0, 1, 2, 3, 10, 20, 254, 255, 256, 257, 258, 1998, 1999, 2000, 2001, 2002, 3999, 4000, 4001,
  ];
  const nested = [509, 510, 511, 512, 513];

  test.each([
    ...[255, 256, 257, 1998, 1999, 2000, 2001, 4000].flatMap((n) => [
      [`"a"{${n}}`],
      [`"a"{0,${n}}`],
      [`"a"{1,${n}}`],
      [`"a"{${n},}`],
    ]),
    ['"a"{1999,2001}'],
    ['"a"{255,256}'],
    ['("a"{255}){2}'],
    ['("a"{256}){2}'],
    ['("a"{0,255}){2}'],
    ['("a"{0,255}){7}'],
    ['("a"{0,255}){8}'],
    ['("a"{0,256}){0,2}'],
    ['("a"{2}){1999}'],
    ['("a"{2}){2000}'],
    ['"a"{44}{45}'],
    ['"a"{45}{45}'],
    ['("a"{0,44}){44}'],
    ['(("a"{0,9}){9}){19}'],
    ['(("a"{0,9}){9}){200}'],
    ['"a"{2,1999}{1}'],
    ['"a"{0,2001}{3}'],
  ])('on the repeat %s', (text) => {
    const grammar = `root ::= ${text}`;
    const matcher = read(grammar);
    const native = nativeGrammar(llama, grammar);
    expect(matcher instanceof GrammarError ? matcher.message : undefined, grammar).toEqual(
      native === undefined ? expect.any(String) : undefined,
    );
    if (matcher instanceof GrammarError || native === undefined) return;
    for (const count of [...counts, ...nested]) {
      const sentence = 'a'.repeat(count);
      if (mostStacks(matcher, sentence) > STACKS) continue;
      expect(native.isTextCompatible(sentence), `${grammar} ${count}`).toBe(
        acceptsText(matcher, sentence).ok,
      );
    }
    for (const count of [0, 1, 10, 255, 256]) {
      const sentence = 'a'.repeat(count);
      if (mostStacks(matcher, sentence) > STACKS) continue;
      expectAgreement(matcher, native, sentence, grammar);
    }
  });

  test.each([
    'root ::= "a" b',
    'root ::= b{0}\nc ::= "x"',
    'root ::= b{0}',
    'root ::= "x"\nroot ::= "y"',
    'root ::= "a"\n| "b"',
    'root\n::= "a"',
    'root ::= a_b',
    'root ::= "\\/"',
    'root ::= "\\x4"',
    'root ::= ""*',
    'root ::= []+',
    'root ::= [^]',
    'root ::= "a"{,2}',
    'root ::= "a"{2,99999999999999999999}',
    'root ::= "a"{2,18446744073709551615}',
    'root ::= "a" )',
    'root ::= ("a"',
    'root ::= a\na ::= root',
    'root ::= "a"? root',
    'root ::= ("a"?)*',
    'root ::= (("a"?))*',
    'root ::= a root | "y"\na ::= b\nb ::= "x"?',
    'x ::= "a"',
    '',
    '# only a comment',
    'root ::=',
    'root ::= x\rx ::= "a"',
    'root ::= "a"\0 nonsense',
    'root ::= [a-c-e] [--0] [z-a]?',
    'root ::= "\ud800"',
  ])('on whether %j is a grammar', (grammar) => {
    const matcher = read(grammar);
    const native = nativeGrammar(llama, grammar);
    expect(!(matcher instanceof GrammarError)).toBe(native !== undefined);
    if (matcher instanceof GrammarError || native === undefined) return;
    for (const text of ['', 'a', 'x', 'y', 'xxy', 'b-', 'e.', '\ufffd', 'aaa']) {
      expectAgreement(matcher, native, text, grammar);
    }
  });

  test('but for a negated class beyond ASCII, which bytes cannot decide', () => {
    const grammar = 'root ::= [^é]';
    const native = nativeGrammar(llama, grammar)!;
    expect(acceptsText(read(grammar) as Matcher, 'è')).toEqual({ ok: true });
    expect(native.isTextCompatible('è')).toBe(true);
    // Both begin with the byte C3: split into bytes, neither can be generated.
    expect(byteVerdict(model, native, Buffer.from('è'))).toEqual({ ok: false, atByte: 0 });
  });

  test('but for bytes that are no UTF-8, of which there is no text', () => {
    const any = nativeGrammar(llama, 'root ::= .')!;
    const surrogate = Buffer.from([0xed, 0xa0, 0x80]);
    const overlong = Buffer.from([0xe0, 0x82, 0x80]);
    const beyond = Buffer.from([0xf4, 0x90, 0x80, 0x80]);
    for (const bytes of [surrogate, overlong, beyond]) {
      expect(byteVerdict(model, any, bytes).ok).toBe(true);
    }
    // Ranges that leave them out keep out what is not an overlong form.
    const ranges = nativeGrammar(llama, 'root ::= [\\u0001-\\uD7FF\\uE000-\\U0010FFFF]')!;
    expect(
      [surrogate, overlong, beyond].map((bytes) => byteVerdict(model, ranges, bytes).ok),
    ).toEqual([false, true, false]);
  });
});
