/**
 * Ember under a JSON grammar, in the compact form that structured output uses: how often it is right
 * with the material in the prompt, and how often it closes its strings at all without.
 */
import { getLlama, LlamaCompletion, LlamaLogLevel } from 'node-llama-cpp';

import { EMBER_FILE } from '../../src/models/ember.ts';

const CONTEXT_TOKENS = 1024;
const MAX_TOKENS = 200;
const JSON_RULES = `
string ::= "\\"" ([^"\\\\\\x00-\\x1F] | "\\\\" ["\\\\bfnrt])* "\\""
integer ::= "0" | [1-9] [0-9]{0,8}
boolean ::= "true" | "false"
strings ::= "[" (string ("," string)*)? "]"
`;

const NAMES = [
  'Alice',
  'Bob',
  'Carol',
  'David',
  'Emma',
  'Frank',
  'Grace',
  'Iris',
  'Oscar',
  'Petra',
];
const SAYINGS = [
  (name: string, age: number) => `Return JSON: ${name} is ${age}`,
  (name: string, age: number) => `${name} is ${age} years old.`,
  (name: string, age: number) => `Extract the data from this sentence: ${name}, age ${age}.`,
  (name: string, age: number) => `${name}, ${age} years old. As a JSON object.`,
];

const SCHEMAS: readonly Readonly<Record<string, keyof typeof KINDS>>[] = [
  { name: 'string', age: 'integer' },
  { title: 'string', done: 'boolean', tags: 'strings' },
  { answer: 'string' },
  { city: 'string', country: 'string', population: 'integer' },
  { first_name: 'string', last_name: 'string', email: 'string', active: 'boolean' },
  { steps: 'strings', difficulty: 'string', minutes: 'integer' },
];
const KINDS = { string: 'string', integer: 'integer', boolean: 'boolean', strings: 'strings' };
const BARE_PROMPTS = [
  'Hello',
  'Give me a person.',
  'Test',
  'JSON please',
  'Create a task.',
  'What is the weather like?',
  'Write a book.',
  'Go',
  'Give me an example.',
  'Make one.',
  'The lamp shines.',
  'Generate some user.',
];

export interface GrammarShares {
  /** Percent of the prompts with the material in them that were answered exactly. */
  readonly withMaterial: number;
  /** Percent of the prompts without it whose answer closed and parsed. */
  readonly withoutMaterial: number;
}

export async function measureGrammar(): Promise<GrammarShares> {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    maxThreads: 1,
    logLevel: LlamaLogLevel.error,
  });
  await using model = await llama.loadModel({ modelPath: EMBER_FILE });
  await using context = await model.createContext({ contextSize: CONTEXT_TOKENS, threads: 1 });
  using completion = new LlamaCompletion({ contextSequence: context.getSequence() });

  const answer = async (schema: (typeof SCHEMAS)[number], question: string) => {
    const grammar = await llama.createGrammar({ grammar: grammarOf(schema) });
    const prompt = `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
    return await completion.generateCompletion(model.tokenize(prompt, true), {
      grammar,
      temperature: 0,
      maxTokens: MAX_TOKENS,
    });
  };

  let right = 0;
  let asked = 0;
  for (const [index, name] of NAMES.entries()) {
    for (const [turn, say] of SAYINGS.entries()) {
      const age = 7 + ((index * 13 + turn * 29) % 90);
      const text = await answer(SCHEMAS[0]!, say(name, age));
      right += text.trim() === JSON.stringify({ name, age }) ? 1 : 0;
      asked++;
    }
  }
  let closed = 0;
  let tried = 0;
  for (const schema of SCHEMAS) {
    for (const prompt of BARE_PROMPTS) {
      closed += isJson(await answer(schema, prompt)) ? 1 : 0;
      tried++;
    }
  }
  return { withMaterial: (100 * right) / asked, withoutMaterial: (100 * closed) / tried };
}

function grammarOf(schema: (typeof SCHEMAS)[number]): string {
  const members = Object.entries(schema).map(
    ([key, kind]) => `${JSON.stringify(`${JSON.stringify(key)}:`)} ${KINDS[kind]}`,
  );
  return `root ::= "{" ${members.join(' "," ')} "}"\n${JSON_RULES}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // The answer was cut: a string never closed.
  }
}
