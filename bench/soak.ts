/**
 * `npm run bench -- soak`: 2,000 requests, and whether the last ones are as good as the early ones.
 *
 * Bars    last quarter against the second: RSS of orchestrator and worker and median latency
 *         ≤ +3 %. The first quarter warms up and does not count.
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
import { isWorker, processTree, rssBytesOf } from './lib/proc.ts';
import { runQuiet } from './lib/quiet.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth } from './lib/servers.ts';
import { spreadOf } from './lib/stats.ts';

const MODEL = 'smollm2';
const STREAMS = 4;
const REQUESTS = 2000;
const QUARTER = REQUESTS / 4;
const PROMPT_TOKENS = 24;
const GENERATED_TOKENS = 12;
const LIMIT = 1.03;

interface Quarter {
  readonly latencyMs: number;
  readonly orchestratorMb: number;
  readonly workerMb: number;
  readonly foreignShare: number;
}

export async function runSoak({ signal }: BenchOptions): Promise<number> {
  const report = new Report('soak', `${REQUESTS} requests`);
  report.note(
    `${BENCH_MODELS[MODEL].title}, ${STREAMS} streams, ${PROMPT_TOKENS} prompt and ${GENERATED_TOKENS} generated tokens, every prompt new.`,
  );
  const threads = availableParallelism();
  const model = await modelFile(MODEL);
  await using server = await startHearth({
    model,
    slots: STREAMS,
    contextTokens: 2048,
    threads,
    signal,
  });
  const quarters: Quarter[] = [];
  // A spoiled quarter is run again, so that the requests may be more than promised, never fewer.
  for (let index = 0; index < 4; index++) {
    const { value, foreignShare } = await runQuiet([server.pid], () => quarter(server));
    quarters.push({ ...value, foreignShare });
  }
  report.table(
    ['quarter', 'median latency ms', 'orchestrator RSS MB', 'worker RSS MB', 'foreign CPU %'],
    quarters.map((one, index) => [
      String(index + 1),
      one.latencyMs.toFixed(1),
      one.orchestratorMb.toFixed(1),
      one.workerMb.toFixed(1),
      (100 * one.foreignShare).toFixed(1),
    ]),
  );
  const [, second, , last] = quarters;
  for (const [name, key] of [
    ['latency', 'latencyMs'],
    ["orchestrator's RSS", 'orchestratorMb'],
    ["worker's RSS", 'workerMb'],
  ] as const) {
    report.bar({
      name: `${name}, last quarter against the second`,
      value: last![key] / second![key],
      limit: LIMIT,
      rule: 'at most',
      unit: ' ×',
    });
  }
  report.data('quarters', quarters);
  return report.finish();
}

async function quarter(server: Server): Promise<Omit<Quarter, 'foreignShare'>> {
  const random = freshRandom();
  const orchestrator: number[] = [];
  const worker: number[] = [];
  const tree = processTree(server.pid);
  const workers = tree.filter(isWorker);
  const main = tree.filter((one) => !isWorker(one));
  let ended = 0;
  const { outcomes } = await runLoad({
    baseUrl: server.baseUrl,
    route: 'completions',
    streams: STREAMS,
    requestsPerStream: QUARTER / STREAMS,
    body: () => completionBody(freshPrompt(MODEL, PROMPT_TOKENS, random), GENERATED_TOKENS, random),
    timeoutMs: REQUEST_LIMIT_MS,
    onOutcome: () => {
      if (++ended % 10 !== 0) return;
      orchestrator.push(Math.max(...main.map(({ pid }) => rssBytesOf(pid) ?? 0)) / 1e6);
      worker.push(workers.reduce((sum, { pid }) => sum + (rssBytesOf(pid) ?? 0), 0) / 1e6);
    },
  });
  assertAnswered(server, outcomes);
  return {
    latencyMs: spreadOf(outcomes.map((one) => one.endedMs - one.startedMs)).median,
    orchestratorMb: spreadOf(orchestrator).median,
    workerMb: spreadOf(worker).median,
  };
}
