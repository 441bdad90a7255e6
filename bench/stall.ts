/**
 * `npm run bench -- stall`: what a running stream feels while somebody else's long prompt is read,
 * and what the newcomer pays for not being read in one go.
 *
 * Bars    longest token gap of the running stream ≤ 0.5 s on SmolLM2 and ≤ 1.0 s on the 650 M;
 *         the newcomer's TTFT ≤ 1.25 × of reading its prompt alone. llama-server beside it.
 */
import { Agent } from 'node:http';

import { type StreamOutcome, streamRequest } from '../src/cli/bench/stream-request.ts';
import { BENCH_MODELS, type BenchModel } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  inTurns,
  REQUEST_LIMIT_MS,
  startPair,
} from './lib/pair.ts';
import { ensurePeer } from './lib/peer-build.ts';
import { Report } from './lib/report.ts';
import type { Server } from './lib/servers.ts';
import { pairedRatio, showSpread, spreadOf } from './lib/stats.ts';

const FOREIGN_PROMPT_TOKENS = 1200;
const RUNNING_PROMPT_TOKENS = 64;
const RUNNING_TOKENS = 1500;
const TOKENS_BEFORE = 16;
const GENERATED_TOKENS = 4;
const GAP_LIMIT_S: Partial<Record<BenchModel, number>> = { smollm2: 0.5, d: 1 };
const TTFT_LIMIT = 1.25;

interface Stall {
  readonly gapMs: number;
  readonly aloneMs: number;
  readonly besideMs: number;
}

export async function runStall(options: BenchOptions): Promise<number> {
  const report = new Report('stall', 'A running stream while a long prompt is read');
  report.note(`Peer: ${ensurePeer()}.`);
  report.note(
    `A stream is generating when a prompt of ${FOREIGN_PROMPT_TOKENS} tokens arrives; medians of ${options.rounds} interleaved rounds (range in brackets).`,
  );
  const rows: string[][] = [];
  for (const model of options.models) {
    await using pair = await startPair(model, options.signal);
    await inTurns(pair, 0, (server) => stall(model, server));
    const all: { hearth: Stall[]; peer: Stall[] } = { hearth: [], peer: [] };
    for (let round = 0; round < options.rounds; round++) {
      const both = await inTurns(pair, round, (server) => stall(model, server));
      all.hearth.push(both.hearth.value);
      all.peer.push(both.peer.value);
    }
    for (const name of ['hearth', 'peer'] as const) {
      const pick = (key: keyof Stall) => all[name].map((one) => one[key]);
      const gap = spreadOf(pick('gapMs'));
      const ratio = pairedRatio(pick('besideMs'), pick('aloneMs'));
      const { title } = BENCH_MODELS[model];
      rows.push([
        title,
        name === 'hearth' ? 'Hearth' : 'llama-server',
        showSpread(gap, 0),
        showSpread(spreadOf(pick('aloneMs')), 0),
        showSpread(spreadOf(pick('besideMs')), 0),
        showSpread(ratio, 2),
      ]);
      const gapLimitS = GAP_LIMIT_S[model];
      if (name === 'peer' || gapLimitS === undefined) continue;
      const [rule, bars] = ['at most', `${title}: `] as const;
      report.bar({
        name: `${bars}longest gap`,
        value: gap.median / 1000,
        limit: gapLimitS,
        rule,
        unit: ' s',
      });
      report.bar({
        name: `${bars}newcomer against alone`,
        value: ratio.median,
        limit: TTFT_LIMIT,
        rule,
        unit: ' ×',
      });
    }
    report.data(model, all);
  }
  report.table(
    ['model', 'server', 'longest gap ms', 'TTFT alone ms', 'TTFT beside a stream ms', 'ratio'],
    rows,
  );
  return report.finish();
}

async function stall(model: BenchModel, server: Server): Promise<Stall> {
  const random = freshRandom();
  const agent = new Agent({ keepAlive: true });
  const call = {
    baseUrl: server.baseUrl,
    route: 'completions',
    agent,
    timeoutMs: REQUEST_LIMIT_MS,
  } as const;
  const newcomer = async () => {
    const prompt = freshPrompt(model, FOREIGN_PROMPT_TOKENS, random);
    const outcome = await streamRequest({
      ...call,
      body: completionBody(prompt, GENERATED_TOKENS, random),
    });
    assertAnswered(server, [outcome]);
    return outcome;
  };
  try {
    const alone = await newcomer();

    const leave = new AbortController();
    const runs = Promise.withResolvers<void>();
    const times: number[] = [];
    const prompt = freshPrompt(model, RUNNING_PROMPT_TOKENS, random);
    const running = streamRequest({
      ...call,
      body: completionBody(prompt, RUNNING_TOKENS, random),
      signal: leave.signal,
      onChunk: (atMs) => {
        if (times.push(atMs) === TOKENS_BEFORE) runs.resolve();
      },
    });
    const early = await Promise.race([runs.promise, running]);
    if (early !== undefined)
      throw new Error(`${server.name}: the running stream ended: ${early.error}`);
    const beside = await newcomer();
    leave.abort();
    await running;
    return { gapMs: longestGap(times, beside), aloneMs: ttft(alone), besideMs: ttft(beside) };
  } finally {
    agent.destroy();
  }
}

/** The longest gap that touches the newcomer's time, its end included when no token came after. */
function longestGap(times: readonly number[], { startedMs, endedMs }: StreamOutcome): number {
  const before = times.findLast((time) => time <= startedMs) ?? startedMs;
  const during = times.filter((time) => time > startedMs && time <= endedMs);
  const points = [before, ...during, endedMs];
  return Math.max(...points.slice(1).map((time, index) => time - points[index]!));
}

function ttft(outcome: StreamOutcome): number {
  return outcome.chunkTimesMs[0]! - outcome.startedMs;
}
