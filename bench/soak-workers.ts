/**
 * `npm run bench -- soak-workers`: a day of traffic in small. 20,000 requests through three workers of one model, one
 * in five of them left by its client at a random point; memory and open files at the end as in the middle.
 *
 * Bars    last quarter against the second: RSS of the orchestrator and of the workers ≤ +3 %; open files of the
 *         orchestrator no more; requests that were neither answered nor left: none; workers replaced: none.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { makeRandom } from '../src/cli/bench/prompts.ts';
import { streamRequest } from '../src/cli/bench/stream-request.ts';
import type { BenchOptions } from './lib/options.ts';
import { REQUEST_LIMIT_MS } from './lib/pair.ts';
import { isWorker, processTree, rssBytesOf } from './lib/proc.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth } from './lib/servers.ts';
import { spreadOf } from './lib/stats.ts';

const REQUESTS = 20_000;
const QUARTER = REQUESTS / 4;
const WORKERS = 3;
const SLOTS = 4;
const STREAMS = 16;
const LEAVES_ONE_IN = 5;
const LIMIT = 1.03;
/** The machine has two cores; more would measure the queue. */
const TOKENS_PER_SECOND = 4_000;
const SEED = 20;

interface Quarter {
  readonly orchestratorMb: number;
  readonly workersMb: number;
  readonly files: number;
  readonly seconds: number;
  readonly answered: number;
  readonly left: number;
  readonly failed: number;
}

export async function runSoakWorkers({ signal }: BenchOptions): Promise<number> {
  const report = new Report('soak-workers', `${REQUESTS} requests through ${WORKERS} workers`);
  report.note(
    `The fake model, ${STREAMS} clients, answers of 10 to 60 tokens, one in ${LEAVES_ONE_IN} left at a random token; seed ${SEED}. Medians within each quarter.`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'hearth-soak-'));
  const quarters: Quarter[] = [];
  let restarts = Number.NaN;
  try {
    const config = writeConfig(folder);
    await using server = await startHearth({
      ...{ slots: SLOTS, contextTokens: 4_096, threads: 1, highSpare: 0, config, signal },
    });
    const random = makeRandom(SEED);
    for (let index = 0; index < 4 && !signal.aborted; index++) {
      quarters.push(await quarter(server, random));
    }
    const metrics = await (await fetch(server.baseUrl.replace(/v1$/, 'metrics'))).text();
    restarts = [...metrics.matchAll(/^hearth_worker_restarts_total\{.*\} (\d+)/gm)].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  report.table(
    ['quarter', 'orchestrator RSS MB', 'workers RSS MB', 'open files', 'answered', 'left', 's'],
    quarters.map((one, index) => [
      String(index + 1),
      one.orchestratorMb.toFixed(1),
      one.workersMb.toFixed(1),
      String(one.files),
      String(one.answered),
      String(one.left),
      one.seconds.toFixed(0),
    ]),
  );
  const [, second, , last] = quarters;
  const bars = [
    ["orchestrator's RSS", last!.orchestratorMb / second!.orchestratorMb, LIMIT, ' ×'],
    ["workers' RSS", last!.workersMb / second!.workersMb, LIMIT, ' ×'],
    ["orchestrator's open files", last!.files / second!.files, LIMIT, ' ×'],
    ['requests that failed', quarters.reduce((sum, { failed }) => sum + failed, 0), 0, ''],
    ['workers that were replaced', restarts, 0, ''],
  ] as const;
  for (const [name, value, limit, unit] of bars) {
    report.bar({ name, value, limit, rule: 'at most', unit });
  }
  report.data('quarters', quarters);
  return report.finish();
}

function writeConfig(folder: string): string {
  const model = join(folder, 'fake.json');
  writeFileSync(model, JSON.stringify({ vocabulary: 'bytes', tokensPerSecond: TOKENS_PER_SECOND }));
  const config = join(folder, 'hearth.toml');
  const lines = [`[models.bench]`, `path = ${JSON.stringify(model)}`, `replicas = ${WORKERS}`];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return config;
}

async function quarter(server: Server, random: () => number): Promise<Quarter> {
  const agent = new Agent({ keepAlive: true, maxSockets: STREAMS });
  const startedMs = performance.now();
  const seen = { orchestrator: [] as number[], workers: [] as number[], files: [] as number[] };
  const counts = { answered: 0, left: 0, failed: 0 };
  let next = 0;
  await Promise.all(
    Array.from({ length: STREAMS }, async () => {
      while (next < QUARTER) {
        next += 1;
        if (next % 50 === 0) look(server.pid, seen);
        counts[await ask(server, agent, random)] += 1;
      }
    }),
  );
  agent.destroy();
  return {
    orchestratorMb: spreadOf(seen.orchestrator).median,
    workersMb: spreadOf(seen.workers).median,
    files: spreadOf(seen.files).median,
    seconds: (performance.now() - startedMs) / 1_000,
    ...counts,
  };
}

async function ask(
  { baseUrl }: Server,
  agent: Agent,
  random: () => number,
): Promise<'answered' | 'left' | 'failed'> {
  const tokens = 10 + Math.floor(random() * 50);
  const leavesAfter =
    random() < 1 / LEAVES_ONE_IN ? 1 + Math.floor(random() * tokens) : Number.POSITIVE_INFINITY;
  const leaves = new AbortController();
  let chunks = 0;
  const outcome = await streamRequest({
    baseUrl,
    route: 'completions',
    body: {
      model: 'bench',
      prompt: `[[tokens:${tokens}]]${random().toString(36)}`,
      max_tokens: tokens,
    },
    agent,
    timeoutMs: REQUEST_LIMIT_MS,
    signal: leaves.signal,
    onChunk: () => {
      chunks += 1;
      if (chunks >= leavesAfter) leaves.abort();
    },
  });
  if (leaves.signal.aborted) return 'left';
  return outcome.error === undefined && outcome.generatedTokens === tokens ? 'answered' : 'failed';
}

function look(
  pid: number,
  seen: { orchestrator: number[]; workers: number[]; files: number[] },
): void {
  const tree = processTree(pid);
  const [workers, others] = [tree.filter(isWorker), tree.filter((one) => !isWorker(one))];
  const main = others.reduce((most, one) =>
    (rssBytesOf(one.pid) ?? 0) > (rssBytesOf(most.pid) ?? 0) ? one : most,
  );
  seen.orchestrator.push((rssBytesOf(main.pid) ?? 0) / 1e6);
  seen.workers.push(workers.reduce((sum, one) => sum + (rssBytesOf(one.pid) ?? 0), 0) / 1e6);
  seen.files.push(readdirSync(`/proc/${main.pid}/fd`).length);
}
