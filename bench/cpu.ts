/**
 * `npm run bench -- cpu`: what the orchestrator costs beside its workers, from the kernel's own
 * accounts, while SmolLM2 streams.
 *
 * Bars    orchestrator ≤ 4 % of its workers' CPU time and ≤ 120 µs per streamed token.
 */
import { availableParallelism } from 'node:os';

import { runLoad } from '../src/cli/bench/load.ts';
import { BENCH_MODELS, modelFile } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  REQUEST_LIMIT_MS,
} from './lib/pair.ts';
import { isWorker, processTree } from './lib/proc.ts';
import { runQuiet } from './lib/quiet.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth } from './lib/servers.ts';
import { showSpread, spreadOf } from './lib/stats.ts';

const MODEL = 'smollm2';
const PROMPT_TOKENS = 128;
const GENERATED_TOKENS = 128;
const REQUESTS_PER_STREAM = 3;

interface Cost {
  readonly orchestratorMs: number;
  readonly workersMs: number;
  readonly tokens: number;
}

export async function runCpu({ streams, rounds, signal }: BenchOptions): Promise<number> {
  const report = new Report('cpu', "The orchestrator's CPU time beside its workers'");
  report.note(
    `${BENCH_MODELS[MODEL].title}, ${PROMPT_TOKENS} prompt and ${GENERATED_TOKENS} generated tokens, every token streamed; medians of ${rounds} (range in brackets).`,
  );
  const rows: string[][] = [];
  const threads = availableParallelism();
  const model = await modelFile(MODEL);
  await using server = await startHearth({ model, slots: 8, contextTokens: 2048, threads, signal });
  await cost(server, 2);
  for (const count of streams) {
    const costs: Cost[] = [];
    for (let round = 0; round < rounds; round++) {
      costs.push((await runQuiet([server.pid], () => cost(server, count))).value);
    }
    const share = spreadOf(costs.map((one) => (100 * one.orchestratorMs) / one.workersMs));
    const perToken = spreadOf(costs.map((one) => (1000 * one.orchestratorMs) / one.tokens));
    rows.push([String(count), showSpread(share, 2), showSpread(perToken, 0)]);
    const [rule, name] = ['at most', `${count} streams: orchestrator`] as const;
    report.bar({ name: `${name} of its workers`, value: share.median, limit: 4, rule, unit: ' %' });
    report.bar({
      name: `${name} per token`,
      value: perToken.median,
      limit: 120,
      rule,
      unit: ' µs',
    });
    report.data(`streams ${count}`, costs);
  }
  report.table(['streams', "% of the workers' CPU time", 'µs per streamed token'], rows);
  return report.finish();
}

async function cost(server: Server, streams: number): Promise<Cost> {
  const random = freshRandom();
  const before = cpuOf(server.pid);
  const { outcomes } = await runLoad({
    baseUrl: server.baseUrl,
    route: 'completions',
    streams,
    requestsPerStream: REQUESTS_PER_STREAM,
    body: () => completionBody(freshPrompt(MODEL, PROMPT_TOKENS, random), GENERATED_TOKENS, random),
    timeoutMs: REQUEST_LIMIT_MS,
  });
  const after = cpuOf(server.pid);
  assertAnswered(server, outcomes);
  return {
    orchestratorMs: after.orchestratorMs - before.orchestratorMs,
    workersMs: after.workersMs - before.workersMs,
    tokens: outcomes.reduce((sum, one) => sum + one.generatedTokens, 0),
  };
}

/** The launcher counts as the orchestrator. */
function cpuOf(pid: number): Omit<Cost, 'tokens'> {
  const cost = { orchestratorMs: 0, workersMs: 0 };
  for (const one of processTree(pid)) {
    cost[isWorker(one) ? 'workersMs' : 'orchestratorMs'] += one.cpuMs;
  }
  return cost;
}
