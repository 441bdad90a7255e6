/**
 * Answers under a grammar, by real worker processes on the real library, through both of its doors:
 * the native objects and the public API. MX-004, MX-005.
 *
 * The models write nonsense: Ember at a temperature at which it knows nothing, and random weights over
 * the 256 bytes. Whether an answer is a sentence is for our own matcher to say.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readGgufFileInfo } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import type { Grammar } from '../../src/core/engine.ts';
import { EMBER_FILE } from '../../src/models/ember.ts';
import { toPiece } from '../../src/worker/backends/llama-cpp/grammar/utf8.ts';
import { Vocabulary } from '../../src/worker/backends/llama-cpp/vocabulary.ts';
import { ensurePreset } from '../support/gguf-writer-presets.ts';
import { grammarOf, isSentence } from '../support/grammar.ts';
import { realModel } from '../support/real-model.ts';
import { type Generation, userSays, WorkerClient } from '../support/worker-client.ts';

vi.setConfig({ testTimeout: 180_000 });

const YES_OR_NO = grammarOf('root ::= "yes" | "no"');
const prompt = { text: 'Is it so?' };

/** Random text runs on for ever in an open string: these end by themselves, most of the time. */
const FUZZED: Readonly<Record<string, string>> = {
  choice: 'root ::= "yes" | "no" | "perhaps, and then again perhaps not"',
  object: String.raw`root ::= "{\"name\":" string ",\"age\":" [0-9]{1,3} "}"
string ::= "\"" [a-zA-Z ]{0,12} "\""`,
  nested: String.raw`root ::= value
value ::= "{" (pair ("," pair){0,2})? "}" | "[" (value ("," value){0,2})? "]" | [0-9]{1,4} | "null"
pair ::= "\"" [a-z]{1,5} "\":" value`,
  escapes: String.raw`root ::= "\"" ([^"\\\x00-\x1f] | "\\" ["\\/bfnrt] | "\\u" [0-9a-f]{4}){1,8} "\""`,
  accents: 'root ::= [à-ÿ]{1,6} " " [ぁ-ん]{2,5} "!"',
  plane: 'root ::= [😀-🙏]{1,4} | [à-ÿ😀-🙏]{2,3}',
  anything: 'root ::= .{0,10}',
  narrow: String.raw`root ::= ([\u0800-\u0fff] | [\ud000-\uf000] | [\U00010000-\U00010fff] | [\U0010f000-\U0010ffff]){1,6}`,
  dates: 'root ::= [0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" [0-3] [0-9] ("T" [0-2] [0-9])?',
};

function expectSentence(grammar: Grammar, answer: Generation): void {
  const { text, finished, error } = answer;
  expect(error).toBeUndefined();
  expect(text).not.toContain('\ufffd');
  expect(finished!.reason).toBe('stop');
  expect(isSentence(grammar, text), JSON.stringify(text)).toBe(true);
}

const subjects = [
  { name: 'native objects', options: { llamaPath: 'internal' } },
  { name: 'public API', options: { llamaPath: 'public' } },
] as const;

describe.each(subjects)('a grammar, $name, MX-004', ({ options }) => {
  let ember: WorkerClient;
  let random: WorkerClient;
  beforeAll(async () => {
    ember = WorkerClient.spawn('llama-cpp');
    random = WorkerClient.spawn('llama-cpp');
    // A thread each: both work at the same time.
    await ember.load({ path: EMBER_FILE, options, threads: 1 });
    await random.load({ path: await ensurePreset('tiny'), options, threads: 1 });
  });
  afterAll(() => Promise.all([ember.stop(), random.stop()]));

  test('nothing but yes or no is said, whatever the seed', async () => {
    for (const worker of [ember, random]) {
      for (let seed = 0; seed < 8; seed++) {
        const sampling = { temperature: 1, seed };
        const { text, finished } = await worker.run({ prompt, grammar: YES_OR_NO, sampling });
        expect(finished!.reason).toBe('stop');
        expect(['yes', 'no']).toContain(text);
      }
    }
  });

  test('it holds beside penalties, cuts and greedy decoding', async () => {
    const grammar = grammarOf('root ::= "aaaaaaaaaaaaaaaaaaaa"');
    for (const sampling of [
      { temperature: 0 },
      { temperature: 1, topK: 3 },
      { temperature: 1, topP: 0.1 },
      { temperature: 1, minP: 0.9 },
      { temperature: 1, frequencyPenalty: 2, presencePenalty: 2, repeatPenalty: 2 },
    ]) {
      const answer = await random.run({ prompt, grammar, sampling, maxTokens: 64 });
      expect(answer.text).toBe('a'.repeat(20));
      expectSentence(grammar, answer);
    }
  });

  test('free and constrained sequences run side by side, and the free ones say what they say alone', async () => {
    const free = [11, 12, 13].map((seed) => ({
      prompt: { text: `free ${seed}` },
      sampling: { temperature: 0.5, seed },
    }));
    const alone = [];
    for (const request of free) alone.push((await random.run(request)).ids);
    const bound = Array.from({ length: 6 }, (_, seed) =>
      random.start({ prompt, grammar: YES_OR_NO, sampling: { temperature: 1, seed } }),
    );
    const calls = free.map((request) => random.start(request));
    for (const call of bound) expectSentence(YES_OR_NO, await random.end(call));
    for (const [index, call] of calls.entries()) {
      expect((await random.end(call)).ids).toEqual(alone[index]);
    }
  });

  test.each(Object.entries(FUZZED))('hot models keep to it: %s', async (_, text) => {
    const grammar = grammarOf(text);
    const calls = [ember, random].flatMap((worker) =>
      Array.from({ length: 6 }, (_, seed) => ({
        worker,
        call: worker.start({
          prompt,
          grammar,
          sampling: { temperature: 2, seed },
          maxTokens: 100,
        }),
      })),
    );
    let finished = 0;
    for (const { worker, call } of calls) {
      const answer = await worker.end(call);
      // Cut off, which is no sentence and says so.
      if (answer.finished?.reason === 'length') continue;
      expectSentence(grammar, answer);
      finished++;
    }
    expect(finished).toBeGreaterThan(6);
  });

  test('an answer that is cut off says so', async () => {
    const grammar = grammarOf('root ::= [a-z]{40}');
    const { text, finished } = await random.run({ prompt, grammar, maxTokens: 10 });
    expect(finished).toMatchObject({ reason: 'length', generatedTokens: 10 });
    expect(text).toMatch(/^[a-z]{10}$/);
  });

  test('a stop string ends it, and is not in it', async () => {
    const grammar = grammarOf('root ::= "one, two, three"');
    const { text, finished } = await ember.run({ prompt, grammar, stops: [', th'] });
    expect(finished).toMatchObject({ reason: 'stop', stop: ', th' });
    expect(text).toBe('one, two');
  });

  test('it begins after a text, where one is named', async () => {
    const { text, finished } = await ember.run({
      prompt: userSays('What is the capital of France?'),
      grammar: grammarOf('root ::= " not" " the best"?', 'France is'),
      maxTokens: 60,
    });
    expect(finished!.reason).toBe('stop');
    expect(text).toMatch(/^The capital of France is not( the best)?$/);
  });

  test('it begins with the byte after that text, also where tokens have both in them', async () => {
    const request = { prompt: userSays('Give me JSON with a name.'), maxTokens: 60 };
    expect((await ember.run(request)).text).toMatch(/^\{"/);
    const answer = await ember.run({ ...request, grammar: grammarOf('root ::= "}"', '{') });
    expect(answer.text).toBe('{}');
  });

  test('free until that text is complete, it holds from the next byte on', async () => {
    // Two bytes of 256 are said until the text appears, then others.
    const logitBias: [number, number][] = [
      ['e'.charCodeAt(0), 30],
      ['f'.charCodeAt(0), 30],
    ];
    const mark = 'ef';
    let found = 0;
    for (let seed = 0; seed < 12; seed++) {
      const { text, finished, error } = await random.run({
        prompt,
        grammar: { ...YES_OR_NO, after: mark },
        sampling: { temperature: 1, seed, logitBias },
        maxTokens: 60,
      });
      expect(error).toBeUndefined();
      const at = text.indexOf(mark);
      if (at < 0) continue;
      found++;
      const rest = text.slice(at + mark.length);
      if (finished!.reason === 'stop') expect(['yes', 'no']).toContain(rest);
      else expect('yes'.startsWith(rest) || 'no'.startsWith(rest)).toBe(true);
    }
    expect(found).toBeGreaterThan(4);
  });

  test('a grammar of the same hash is not read again, MX-005', async () => {
    const { hash } = grammarOf('a text of its own');
    const first = { hash, text: 'root ::= "first"' };
    expect((await ember.run({ prompt, grammar: first })).text).toBe('first');
    // Were it read, it would be another one.
    const second = { hash, text: 'root ::= "second"' };
    expect((await ember.run({ prompt, grammar: second })).text).toBe('first');
  });

  test('ten grammars are kept, and an eleventh takes the place of the oldest, MX-005', async () => {
    const named = (name: string, said: string) => ({
      hash: grammarOf(`${name} of eleven`).hash,
      text: `root ::= "${said}"`,
    });
    const names = [...'abcdefghijk'];
    for (const name of names) await random.run({ prompt, grammar: named(name, 'old') });
    for (const name of names.slice(1)) {
      expect((await random.run({ prompt, grammar: named(name, 'new') })).text).toBe('old');
    }
    expect((await random.run({ prompt, grammar: named('a', 'new') })).text).toBe('new');
  });

  test('one that llama.cpp does not take fails its call, and nobody else', async () => {
    const bad = await ember.run({ prompt, grammar: grammarOf('root ::= "a') });
    expect(bad.error).toMatchObject({ code: 'internal' });
    expect(bad.accepted).toBeUndefined();
    expectSentence(YES_OR_NO, await ember.run({ prompt, grammar: YES_OR_NO }));
  });

  test('ignore_eos is refused by name, because nothing may follow', async () => {
    const { error, accepted } = await ember.run({
      prompt,
      grammar: YES_OR_NO,
      sampling: { ignoreEos: true },
    });
    expect(error).toMatchObject({ code: 'unsupported_parameter', param: 'ignore_eos' });
    expect(accepted).toBeUndefined();
  });

  test('where logit_bias leaves nothing to say the call fails alone', async () => {
    // The bytes are the first 256 tokens of this model.
    const logitBias: [number, number][] = [
      ['y'.charCodeAt(0), -100],
      ['n'.charCodeAt(0), -100],
    ];
    for (const temperature of [0, 1]) {
      const other = random.start({ prompt: { text: 'other' }, maxTokens: 24 });
      const { error, text } = await random.run({
        prompt,
        grammar: YES_OR_NO,
        sampling: { logitBias, temperature },
      });
      expect(error).toMatchObject({ param: 'logit_bias' });
      expect(text).toBe('');
      expect((await random.end(other)).error).toBeUndefined();
    }
  });

  test('logit_bias chooses within the grammar', async () => {
    const logitBias: [number, number][] = [['n'.charCodeAt(0), 100]];
    for (let seed = 0; seed < 4; seed++) {
      const sampling = { logitBias, temperature: 1, seed };
      expect((await random.run({ prompt, grammar: YES_OR_NO, sampling })).text).toBe('no');
    }
  });

  test('cancelled answers leave their slots to others, with their caches', async () => {
    const grammar = grammarOf('root ::= [a-z ]{500}');
    const long = { text: 'A prompt that is long enough to be worth its cache. '.repeat(3) };
    const calls = [1, 2, 3, 4].map((seed) =>
      random.start({
        prompt: long,
        grammar,
        maxTokens: 200,
        sampling: { temperature: 1, seed },
      }),
    );
    await random.until(() => calls.every((call) => random.generation(call).ids.length > 0));
    for (const call of calls) random.cancel(call);
    for (const call of calls) expect((await random.end(call)).finished!.reason).toBe('cancelled');
    const answer = await random.run({ prompt: long, grammar: YES_OR_NO });
    expect(answer.accepted!.cachedTokens).toBeGreaterThan(100);
    expectSentence(YES_OR_NO, answer);
  });

  test('the mark of a turn is no character of an answer', async () => {
    const grammar = grammarOf(String.raw`root ::= "\"" [^"\\\x00-\x1f]{1,12} "\""`);
    for (let seed = 0; seed < 12; seed++) {
      const answer = await random.run({
        prompt: userSays('Say something.'),
        grammar,
        sampling: {
          temperature: 1,
          seed,
          // <|im_start|> of this model, which a grammar alone would take for twelve characters.
          logitBias: [[257, 50]],
        },
        maxTokens: 64,
      });
      expect(answer.ids).not.toContain(257);
      expectSentence(grammar, answer);
    }
  });
});

describe('a grammar, the fake model, MX-004', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-grammar-'));
  let worker: WorkerClient;
  beforeAll(async () => {
    const path = join(folder, 'fake.json');
    writeFileSync(path, JSON.stringify({ reply: { kind: 'text', text: 'I think: so it is' } }));
    worker = WorkerClient.spawn('fake');
    await worker.load({ path });
  });
  afterAll(async () => {
    await worker.stop();
    rmSync(folder, { recursive: true });
  });

  test.each(Object.entries(FUZZED))('says a sentence of it: %s', async (_, text) => {
    const grammar = grammarOf(text);
    const request = { prompt, grammar, maxTokens: 1_000 };
    const said = new Set<string>();
    for (const seed of [1, 2, 3, 1, 2, 3]) {
      const answer = await worker.run({ ...request, sampling: { seed } });
      expectSentence(grammar, answer);
      said.add(answer.text);
    }
    expect(said.size).toBeLessThanOrEqual(3);
  });

  test('begins after a text, and is free where that never comes', async () => {
    const { text } = await worker.run({ prompt, grammar: { ...YES_OR_NO, after: 'think: ' } });
    expect(text).toMatch(/^I think: (yes|no)$/);
    const free = await worker.run({ prompt, grammar: { ...YES_OR_NO, after: 'never' } });
    expect(free.text).toBe('I think: so it is');
  });

  test('refuses what it cannot honour', async () => {
    const refused = async (grammar: Grammar, sampling = {}) =>
      (await worker.run({ prompt, grammar, sampling })).error;
    expect(await refused(YES_OR_NO, { ignoreEos: true })).toMatchObject({ param: 'ignore_eos' });
    expect(await refused(YES_OR_NO, { logitBias: [[1, 1]] })).toMatchObject({
      param: 'logit_bias',
    });
    expect(await refused(grammarOf('root ::= [a-z]{300}'))).toMatchObject({
      code: 'unsupported_parameter',
      param: 'response_format',
    });
    expect(await refused(grammarOf('root ::= "a'))).toMatchObject({ code: 'internal' });
  });
});

const real = realModel();

describe.skipIf(real === undefined)('a grammar on a vocabulary of 49,000 tokens, MX-004', () => {
  let worker: WorkerClient;
  beforeAll(async () => {
    worker = WorkerClient.spawn('llama-cpp');
    await worker.load({ path: real!, options: { llamaPath: 'internal' } });
  });
  afterAll(() => worker.stop());

  test.each(Object.entries(FUZZED))('hot, it keeps to it: %s', async (_, text) => {
    const grammar = grammarOf(text);
    const calls = [1, 2, 3, 4].map((seed) =>
      worker.start({ prompt, grammar, sampling: { temperature: 2, seed }, maxTokens: 60 }),
    );
    for (const call of calls) {
      const answer = await worker.end(call);
      if (answer.finished?.reason !== 'length') expectSentence(grammar, answer);
    }
  });

  test('where nothing may be said, an end is not taken for one', async () => {
    // Greedy among tokens that are all banned takes the first, which is an end of this model.
    const { metadata } = await readGgufFileInfo(real!, { logWarnings: false });
    const logitBias = metadata.tokenizer.ggml.tokens.flatMap((token, id): [number, number][] =>
      /^[yn]/.test(token) ? [[id, -100]] : [],
    );
    const { error, text, finished } = await worker.run({
      prompt,
      grammar: YES_OR_NO,
      sampling: { logitBias },
    });
    expect({ text, finished }).toEqual({ text: '', finished: undefined });
    expect(error).toMatchObject({ code: 'invalid_value', param: 'logit_bias' });
  });

  test('no end comes inside a character', async () => {
    const { metadata } = await readGgufFileInfo(real!, { logWarnings: false });
    const { ggml } = metadata.tokenizer;
    const vocabulary = new Vocabulary({
      kind: ggml.model,
      tokens: ggml.tokens,
      types: ggml.token_type ?? [],
      isEndOfGeneration: () => false,
      detokenize: String,
    });
    const straddling = ggml.tokens.findIndex((_, id) => {
      const bytes = vocabulary.spell(id);
      return toPiece(bytes).isStraddling && bytes[0]! < 0x80;
    });
    expect(straddling).toBeGreaterThan(0);
    // It wants nothing but this token, and after it an end, which the native grammar would take.
    const { text, finished } = await worker.run({
      prompt,
      grammar: grammarOf('root ::= .+'),
      sampling: {
        logitBias: [
          [straddling, 90],
          [ggml.eos_token_id!, 60],
        ],
      },
      maxTokens: 8,
    });
    expect(finished!.reason).toBe('length');
    expect(text.slice(0, -1)).not.toContain('\ufffd');
  });

  test('it answers sensibly in the shape that was asked for', async () => {
    const grammar = grammarOf(String.raw`root ::= "{\"capital\": \"" [A-Z] [a-z]{1,20} "\"}"`);
    const answer = await worker.run({
      prompt: userSays('What is the capital of France? Answer in JSON.'),
      grammar,
      maxTokens: 30,
    });
    expectSentence(grammar, answer);
    expect(JSON.parse(answer.text)).toEqual({ capital: 'Paris' });
  });
});
