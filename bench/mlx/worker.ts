/**
 * Section `worker`: the worker behind its frames against a bare loop over mlx-lm's `BatchGenerator` in one process,
 * with the same model, prompts, samplers and processors; and, without a bar, against that loop without any of them.
 *
 * Units   ms, tokens; tokens/s of all rows together, prompts included.
 */
import * as z from 'zod';

import { type Random, randomIds } from '../../src/cli/bench/prompts.ts';
import type { BenchOptions } from '../lib/options.ts';
import { freshRandom } from '../lib/pair.ts';
import { runQuiet } from '../lib/quiet.ts';
import type { Report } from '../lib/report.ts';
import { pairedRatio, showSpread, spreadOf } from '../lib/stats.ts';
import { type LineProcess, startLineProcess } from './line-process.ts';
import { type MlxSetup, scriptOf } from './setup.ts';
import { type BenchWorker, startWorker } from './worker-process.ts';

const PROMPT_TOKENS = 64;
const SLOTS = 8;
const CONTEXT_TOKENS = 2048;
const SPEED_MIN = 0.95;
const FIRST_MAX = 1.1;
/** Nothing is left out of what a chat asks for. */
const SAMPLING = { temperature: 0.8, topP: 0.95, topK: 40, minP: 0.05, repeatPenalty: 1.1 };

const MODELS = [
  { title: 'SmolLM2 float32', of: 'smollm2', generated: 64, hasBar: true },
  { title: 'tiny llama', of: 'tiny', generated: 512, hasBar: false },
] as const;
const WAYS = ['worker', 'bare', 'plain'] as const;
type Way = (typeof WAYS)[number];

const Figures = z.object({ firstMs: z.array(z.number()), ms: z.number() });
type Figures = z.output<typeof Figures>;

interface Batch {
  readonly prompts: readonly (readonly number[])[];
  readonly seeds: readonly number[];
  readonly maxTokens: number;
}

interface Cell {
  readonly rows: number;
  readonly runs: Record<Way, { tokensPerSecond: number; firstMs: number }[]>;
}

export async function measureWorker(
  setup: MlxSetup,
  { streams, rounds, signal }: BenchOptions,
  report: Report,
): Promise<void> {
  report.note('## The worker against a bare loop');
  report.note(
    `Rows of ${PROMPT_TOKENS} random prompt tokens that begin together, sampler 0.8/40/0.95/0.05, repeat penalty 1.1; tokens/s of all rows, prompts included; first token: median of the rows; medians of ${rounds} rounds in turns (range in brackets). Plain: the likeliest token, no sampler and no processor.`,
  );
  for (const { title, of, generated, hasBar } of MODELS) {
    const path = setup[of];
    await using worker = await startWorker({
      ...{ backend: 'mlx', program: setup.program, path, slots: SLOTS },
      ...{ contextTokens: CONTEXT_TOKENS, threads: 1, signal },
    });
    await using loop = await startLineProcess(scriptOf(setup, 'bare.py', path), signal);
    const width = worker.loaded.facts.vocabularySize;
    const cells = streams.map(
      (rows): Cell => ({ rows, runs: { worker: [], bare: [], plain: [] } }),
    );
    for (let round = -1; round < rounds; round++) {
      for (const cell of cells) {
        const batch = newBatch(cell.rows, round < 0 ? 8 : generated, width);
        for (const way of inTurn(round)) {
          signal.throwIfAborted();
          const { value } = await runQuiet([worker.client.pid, loop.pid], () =>
            run(way, worker, loop, batch),
          );
          // The first round finds out how fast the machine is, and is not counted.
          if (round < 0) continue;
          const one = {
            tokensPerSecond: (1000 * cell.rows * batch.maxTokens) / value.ms,
            firstMs: spreadOf(value.firstMs).median,
          };
          cell.runs[way].push(one);
          console.error(
            `${title} ×${cell.rows} ${way}: ${one.tokensPerSecond.toFixed(1)} tok/s, first ${one.firstMs.toFixed(0)} ms`,
          );
        }
      }
    }
    write(report, title, cells, hasBar);
  }
}

/** Who goes first changes from round to round. */
function inTurn(round: number): readonly Way[] {
  return round % 2 === 0 ? WAYS : WAYS.toReversed();
}

function newBatch(rows: number, maxTokens: number, width: number): Batch {
  const random: Random = freshRandom();
  const each = <T>(make: () => T) => Array.from({ length: rows }, make);
  return {
    prompts: each(() => randomIds(PROMPT_TOKENS, width, random)),
    seeds: each(() => Math.floor(random() * 2 ** 32)),
    maxTokens,
  };
}

function run(way: Way, worker: BenchWorker, loop: LineProcess, batch: Batch): Promise<Figures> {
  if (way === 'worker') return runWorker(worker, batch);
  return loop.ask({ ...SAMPLING, ...batch, seeds: way === 'bare' ? batch.seeds : null }, Figures);
}

async function runWorker({ client }: BenchWorker, batch: Batch): Promise<Figures> {
  const startedMs = performance.now();
  const since = () => performance.now() - startedMs;
  const calls = batch.prompts.map((tokens, row) =>
    client.start({
      prompt: { tokens: [...tokens] },
      maxTokens: batch.maxTokens,
      sampling: { ...SAMPLING, seed: batch.seeds[row]!, ignoreEos: true },
    }),
  );
  const firsts = calls.map(async (call) => {
    await client.until(() => client.generation(call).frames > 0);
    return since();
  });
  const ends = await Promise.all(calls.map((call) => client.end(call)));
  const ms = since();
  for (const { ids, error } of ends) {
    if (error !== undefined) throw new Error(`the worker: ${error.message}`);
    if (ids.length !== batch.maxTokens) throw new Error(`the worker gave ${ids.length} tokens`);
  }
  return { firstMs: await Promise.all(firsts), ms };
}

function write(report: Report, title: string, cells: readonly Cell[], hasBar: boolean): void {
  const rows = cells.map(({ rows, runs }) => {
    const speed = (way: Way) => runs[way].map((one) => one.tokensPerSecond);
    const first = (way: Way) => runs[way].map((one) => one.firstMs);
    const speedRatio = pairedRatio(speed('worker'), speed('bare'));
    const firstRatio = pairedRatio(first('worker'), first('bare'));
    if (hasBar) {
      const name = `${title}, ${rows} rows: `;
      const [value, limit, unit] = [speedRatio.median, SPEED_MIN, ' ×'];
      report.bar({
        name: `${name}tokens/s of the bare loop`,
        value,
        limit,
        rule: 'at least',
        unit,
      });
      report.bar({
        ...{ name: `${name}first token against the bare loop`, value: firstRatio.median },
        ...{ limit: FIRST_MAX, rule: 'at most', unit },
      });
    }
    return [
      String(rows),
      ...WAYS.map((way) => showSpread(spreadOf(speed(way)))),
      showSpread(speedRatio, 2),
      showSpread(pairedRatio(speed('worker'), speed('plain')), 2),
      ...WAYS.map((way) => showSpread(spreadOf(first(way)), 0)),
      showSpread(firstRatio, 2),
    ];
  });
  const speeds = WAYS.map((way) => `${way} tok/s`);
  const firsts = WAYS.map((way) => `${way} first ms`);
  report.table(
    [`${title}: rows`, ...speeds, 'of bare', 'of plain', ...firsts, 'against bare'],
    rows,
  );
  report.data(`worker: ${title}`, cells);
}
