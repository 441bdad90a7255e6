/**
 * Section `constrained`: what a grammar costs on MLX: tokens/s under the schemas of the bench `constrained` against
 * free answers, over HTTP; and one mask of 49,152 tokens, with its way onto the logits.
 */
import * as z from 'zod';

import { runLoad } from '../../src/cli/bench/load.ts';
import { percentilesOf, summarise } from '../../src/cli/bench/summary.ts';
import { compileSchema } from '../../src/schema/compile.ts';
import type { BenchOptions } from '../lib/options.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  REQUEST_LIMIT_MS,
} from '../lib/pair.ts';
import { runQuiet } from '../lib/quiet.ts';
import type { Report } from '../lib/report.ts';
import { SCHEMAS } from '../lib/schemas.ts';
import { type Server, startHearth } from '../lib/servers.ts';
import { pairedRatio, showSpread, spreadOf } from '../lib/stats.ts';
import { startLineProcess } from './line-process.ts';
import { type MlxSetup, scriptOf } from './setup.ts';

const PROMPT_TOKENS = 64;
const GENERATED_TOKENS = 96;
const STREAMS = [1, 4];
const SLOTS = 4;
const CONTEXT_TOKENS = 2048;
const SHARE_MIN = 0.9;
const MASK_MAX_MS = 0.3;
const MASKED_TOKENS = 200;
const NO_TARGETS = { ttftMs: Number.POSITIVE_INFINITY, tpotMs: Number.POSITIVE_INFINITY };

export async function measureConstrained(
  setup: MlxSetup,
  options: BenchOptions,
  report: Report,
): Promise<void> {
  report.note('## What a grammar costs');
  await measureMasks(setup, options, report);
  await measureSpeed(setup, options, report);
}

const Masked = z.object({ ms: z.array(z.number()) });

async function measureMasks(
  setup: MlxSetup,
  { rounds, signal }: BenchOptions,
  report: Report,
): Promise<void> {
  await using process = await startLineProcess(
    scriptOf(setup, 'mask_cost.py', setup.smollm2),
    signal,
  );
  const rows: string[][] = [];
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    const { grammar } = compileSchema(schema);
    const all: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const { value } = await runQuiet([process.pid], () =>
        process.ask({ grammar, tokens: MASKED_TOKENS }, Masked),
      );
      if (round >= 0) all.push(...value.ms);
    }
    const mean = all.reduce((sum, ms) => sum + ms, 0) / all.length;
    const { p50, p99, max } = percentilesOf(all)!;
    rows.push([name, ...[mean, p50, p99, max].map((ms) => ms.toFixed(3))]);
    report.bar({
      name: `${name}: mask of a row and token, mean`,
      ...{ value: mean, limit: MASK_MAX_MS, rule: 'at most', unit: ' ms' },
    });
  }
  report.table(['mask, apply and step, ms', 'mean', 'p50', 'p99', 'max'], rows);
}

async function measureSpeed(
  { smollm2, environment }: MlxSetup,
  { rounds, signal }: BenchOptions,
  report: Report,
): Promise<void> {
  report.note(
    `SmolLM2 float32, ${PROMPT_TOKENS} prompt tokens, ${GENERATED_TOKENS} generated, tokens/s of all streams together; share of free in the same round; medians of ${rounds} rounds (range in brackets).`,
  );
  await using hearth = await startHearth({
    ...{ model: smollm2, slots: SLOTS, contextTokens: CONTEXT_TOKENS, threads: 1 },
    ...{ environment, signal },
  });
  const names = ['free', ...Object.keys(SCHEMAS)];
  for (const streams of STREAMS) {
    const speeds = new Map(names.map((name) => [name, [] as number[]]));
    for (let round = -1; round < rounds; round++) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        signal.throwIfAborted();
        const { value } = await runQuiet([hearth.pid], () => speedOf(hearth, name, streams));
        console.error(`${name} ×${streams}: ${value.toFixed(1)} tok/s`);
        if (round >= 0) speeds.get(name)!.push(value);
      }
    }
    const free = speeds.get('free')!;
    report.table(
      [`${streams} streams`, 'tok/s', 'of free'],
      names.map((name) => [
        name,
        showSpread(spreadOf(speeds.get(name)!)),
        showSpread(pairedRatio(speeds.get(name)!, free), 2),
      ]),
    );
    for (const name of Object.keys(SCHEMAS)) {
      report.bar({
        name: `${name} at ${streams} streams, share of free`,
        value: pairedRatio(speeds.get(name)!, free).median,
        ...{ limit: SHARE_MIN, rule: 'at least', unit: ' ×' },
      });
    }
    report.data(`constrained: ${streams} streams`, Object.fromEntries(speeds));
  }
}

async function speedOf(hearth: Server, name: string, streams: number): Promise<number> {
  const random = freshRandom();
  const schema = SCHEMAS[name];
  const result = await runLoad({
    ...{ baseUrl: hearth.baseUrl, route: 'completions', streams, requestsPerStream: 1 },
    body: () => {
      const prompt = freshPrompt('smollm2', PROMPT_TOKENS, random);
      const body = completionBody(prompt, GENERATED_TOKENS, random);
      if (schema === undefined) return body;
      const format = { type: 'json_schema', json_schema: { name: 'bench', schema } };
      return { ...body, ignore_eos: false, response_format: format };
    },
    timeoutMs: REQUEST_LIMIT_MS,
  });
  assertAnswered(hearth, result.outcomes);
  const short = result.outcomes.find((one) => one.generatedTokens !== GENERATED_TOKENS);
  if (short) throw new Error(`${hearth.name} generated ${short.generatedTokens} tokens`);
  return summarise(result, NO_TARGETS).generatedPerSecond;
}
