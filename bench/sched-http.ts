/**
 * `npm run bench -- sched-http`: the load of `sched` on a real server over HTTP, in real time, beside
 * what the simulator says of the very same arrivals. The model is the fake one, which is as quick as the
 * simulated machine, so that what differs is what the simulator leaves out: HTTP, timers, processes.
 *
 * Time    four times as quick as the simulated one: a request of 40 ms there takes 10 ms here, and all
 *         deadlines are a fourth. Figures are given in simulated seconds.
 * Bars    none: the two tables are there to be compared. No request may fail but by the queue's rules.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { makeRandom } from '../src/cli/bench/prompts.ts';
import { type StreamOutcome, streamRequest } from '../src/cli/bench/stream-request.ts';
import { PRIORITIES } from '../src/core/priority.ts';
import { KEYS, LIMITS, MACHINE, poisson, SEED } from './lib/arrivals.ts';
import { keyTables } from './lib/key-tables.ts';
import type { BenchOptions } from './lib/options.ts';
import { at, percent } from './lib/queue-figures.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth } from './lib/servers.ts';
import { type Arrival, type Served, simulate } from './lib/simulate.ts';

const SPEED = 4;
const LOADS = [0.7, 1.5, 3] as const;
const SIMULATED_S = 240;
const CONTEXT_TOKENS = 8192;
const REQUEST_LIMIT_MS = 600_000;

interface Result {
  readonly arrival: Arrival;
  readonly outcome: StreamOutcome;
}

export async function runSchedHttp({ signal }: BenchOptions): Promise<number> {
  const report = new Report('sched-http', 'The scheduler behind HTTP, in real time');
  report.note(
    `A fake model as quick as the simulated machine (${MACHINE.slots} slots and ${MACHINE.spare} spare), ${KEYS} API keys, Poisson arrivals for ${SIMULATED_S} simulated seconds, ${SPEED} times as quick as told; the simulator on the same arrivals beside it.`,
  );
  const rows: string[][] = [];
  let strange = 0;
  for (const load of LOADS) {
    const arrivals = [...poisson(makeRandom(SEED), { load, burst: 1, count: 100_000 })].filter(
      ({ atMs }) => atMs < 1000 * SIMULATED_S,
    );
    const real = await runReal(arrivals, signal);
    const simulated = runSimulated(arrivals);
    for (const priority of PRIORITIES) {
      const ours = real.filter(({ arrival }) => arrival.priority === priority);
      const answered = ours.filter(({ outcome }) => outcome.error === undefined);
      const ttfts = answered.map(
        ({ outcome }) => SPEED * (outcome.chunkTimesMs[0]! - outcome.startedMs),
      );
      const theirs = simulated.filter((one) => one.priority === priority);
      const served = theirs.filter(({ end }) => end === 'served');
      rows.push([
        `${load} ×`,
        priority,
        String(ours.length),
        percent(answered.length / ours.length),
        show(ttfts),
        percent(served.length / theirs.length),
        show(served.map(({ atMs, firstTokenMs }) => firstTokenMs! - atMs)),
      ]);
    }
    strange += real.filter(({ outcome }) => isStrange(outcome)).length;
    report.data(`${load}`, summaryOf(real));
  }
  report.table(
    [
      ...['load', 'class', 'requests', 'served', 'TTFT p50/p95/p99 s'],
      ...['simulated: served', 'simulated: TTFT p50/p95/p99 s'],
    ],
    rows,
  );
  report.bar({
    name: 'requests that failed otherwise than by queue_full or queue_timeout',
    value: strange,
    limit: 0,
    rule: 'at most',
    unit: '',
  });
  return report.finish();
}

async function runReal(arrivals: readonly Arrival[], signal: AbortSignal): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-sched-http-'));
  const script = join(folder, 'model.json');
  const config = join(folder, 'hearth.toml');
  writeFileSync(
    script,
    JSON.stringify({
      vocabulary: 'bytes',
      tokensPerSecond: (1000 * SPEED) / MACHINE.stepMs,
      prefillTokensPerSecond: 1000 * SPEED * MACHINE.readTokensPerMs,
    }),
  );
  writeFileSync(config, configText());
  try {
    const { slots, spare: highSpare } = MACHINE;
    const options = { model: script, slots, highSpare, contextTokens: CONTEXT_TOKENS, threads: 1 };
    await using server = await startHearth({ ...options, config, signal });
    const agent = new Agent({ keepAlive: true, maxSockets: 4096 });
    const startedMs = performance.now();
    const running = arrivals.map(async (arrival, index) => {
      await sleep(Math.max(0, startedMs + arrival.atMs / SPEED - performance.now()));
      return { arrival, outcome: await ask(server, agent, arrival, index) };
    });
    const results = await Promise.all(running);
    agent.destroy();
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function ask(server: Server, agent: Agent, arrival: Arrival, index: number) {
  const { tenant, priority, promptTokens, generatedTokens } = arrival;
  // A byte is a token; no two begin alike, so that nothing is found in a cache.
  const command = `[[tokens:${generatedTokens}]]`;
  const prompt = `${command}${index.toString(36)} `.padEnd(promptTokens, 'x');
  return streamRequest({
    baseUrl: server.baseUrl,
    route: 'completions',
    body: { model: 'bench', prompt, max_tokens: generatedTokens },
    headers: { authorization: `Bearer ${tenant}`, 'x-priority': priority },
    agent,
    timeoutMs: REQUEST_LIMIT_MS,
  });
}

function configText(): string {
  const { queueTimeoutMs, agedAfterMs } = LIMITS;
  const seconds = (ms: number) => ms / 1000 / SPEED;
  const lines = ['[server]', 'waiting_headers_s = 3600', '[limits]'];
  for (const priority of PRIORITIES) {
    lines.push(`queue_timeout_${priority}_s = ${seconds(queueTimeoutMs[priority])}`);
    lines.push(`aged_after_${priority}_s = ${seconds(agedAfterMs[priority])}`);
  }
  return `${[...lines, ...keyTables()].join('\n')}\n`;
}

function runSimulated(arrivals: readonly Arrival[]): Served[] {
  const served: Served[] = [];
  simulate({
    arrivals,
    machine: MACHINE,
    limits: LIMITS,
    onEnd: (one) => {
      served.push(one);
      return undefined;
    },
  });
  return served;
}

function isStrange({ error }: StreamOutcome): boolean {
  return error !== undefined && !/^status (503|408):/.test(error);
}

function summaryOf(results: readonly Result[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of results) {
    const name = outcome.error === undefined ? 'answered' : outcome.error.slice(0, 60);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function show(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return [0.5, 0.95, 0.99].map((q) => (at(sorted, q) / 1000).toFixed(2)).join('/');
}
