/**
 * Section `parity`: the same GGUF on llama.cpp and on MLX, and its numbers unpacked to float32 on MLX: the same
 * greedy answers, or from where on they part. llama.cpp rounds activations to 8 bit for its products, MLX does not: a
 * near tie may fall differently. No bar.
 */

import { userSays } from '../../tests/support/worker-client.ts';
import type { BenchOptions } from '../lib/options.ts';
import type { Report } from '../lib/report.ts';
import type { MlxSetup } from './setup.ts';
import { startWorker } from './worker-process.ts';

const MAX_TOKENS = 32;
const SLOTS = 4;
const CONTEXT_TOKENS = 512;
const SHOWN_TOKENS = 5;

const QUESTIONS = [
  'What is the capital of France?',
  'Name three colours.',
  'What is 2 + 2?',
  'Write one sentence about the sea.',
  'Who wrote Hamlet?',
  'What do bees make?',
  'Translate "good morning" into French.',
  'How many days are there in a week?',
  'What is the opposite of hot?',
  'Say hello.',
  'What is water made of?',
  'Name a planet with rings.',
  'Give me a synonym for happy.',
  'What is the largest animal?',
  'Complete the sentence: the quick brown fox',
  'In which country is Tokyo?',
  'What comes after Monday?',
  'Write a title for a story about a dragon.',
  'What is the boiling point of water?',
  'Why is the sky blue?',
];

interface Answer {
  readonly text: string;
  readonly ids: readonly number[];
}

export async function measureParity(
  setup: MlxSetup,
  { signal }: BenchOptions,
  report: Report,
): Promise<void> {
  report.note('## The same answers as llama.cpp');
  const llama = await answersOf({ backend: 'llama-cpp', path: setup.gguf }, setup, signal);
  const packed = await answersOf({ backend: 'mlx', path: setup.gguf }, setup, signal);
  const unpacked = await answersOf({ backend: 'mlx', path: setup.smollm2 }, setup, signal);
  const count = (a: readonly Answer[], b: readonly Answer[]) =>
    a.filter(({ ids }, index) => partsAt(ids, b[index]!.ids) === undefined).length;
  report.note(
    `${QUESTIONS.length} questions through the model's chat template, the likeliest token, up to ${MAX_TOKENS} tokens. The same answer: the GGUF on MLX and on llama.cpp ${count(packed, llama)} times; the GGUF and its float32 on MLX ${count(packed, unpacked)} times.`,
  );
  const rows = QUESTIONS.flatMap((question, index) => {
    const at = partsAt(packed[index]!.ids, llama[index]!.ids);
    if (at === undefined) return [];
    const show = ({ text, ids }: Answer) =>
      `${JSON.stringify(text.slice(0, 80)).replaceAll('|', '\\|')} (ids ${ids.slice(at, at + SHOWN_TOKENS).join(' ')} …)`;
    return [[question, String(at + 1), show(llama[index]!), show(packed[index]!)]];
  });
  if (rows.length > 0) report.table(['question', 'parts at token', 'llama.cpp', 'MLX'], rows);
  report.data('parity', { questions: QUESTIONS, llama, packed, unpacked });
}

async function answersOf(
  model: { readonly backend: 'llama-cpp' | 'mlx'; readonly path: string },
  { program }: MlxSetup,
  signal: AbortSignal,
): Promise<readonly Answer[]> {
  await using worker = await startWorker({
    ...model,
    program: model.backend === 'mlx' ? program : undefined,
    ...{ slots: SLOTS, contextTokens: CONTEXT_TOKENS, threads: 1, signal },
  });
  const { client } = worker;
  return await Promise.all(
    QUESTIONS.map(async (question) => {
      const end = await client.run({ prompt: userSays(question), maxTokens: MAX_TOKENS });
      if (end.error !== undefined) throw new Error(`${model.backend}: ${end.error.message}`);
      return { text: end.text, ids: end.ids };
    }),
  );
}

/** Index of the first token that differs; undefined: none does. */
function partsAt(a: readonly number[], b: readonly number[]): number | undefined {
  const length = Math.max(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return at;
  return undefined;
}
