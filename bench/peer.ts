/**
 * `npm run bench -- peer`: tokens a second and time to the first token against llama-server, both
 * over HTTP: 128 random prompt tokens, 64 generated, at 1, 2, 4 and 8 streams.
 *
 * Bars    aggregate ≥ 1.2 × on SmolLM2 and the 650 M Q8_0, ≥ 1.0 × elsewhere; TTFT ≤ 1.05 ×, and
 *         ≤ 0.8 × on Q8_0. Medians of paired rounds.
 */
import { runLoad } from '../src/cli/bench/load.ts';
import { summarise } from '../src/cli/bench/summary.ts';
import { BENCH_MODELS, type BenchModel } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  inTurns,
  type Pair,
  REQUEST_LIMIT_MS,
  startPair,
} from './lib/pair.ts';
import { ensurePeer } from './lib/peer-build.ts';
import { isDisturbed, type Quiet } from './lib/quiet.ts';
import { Report } from './lib/report.ts';
import type { Server } from './lib/servers.ts';
import { pairedRatio, showSpread, spreadOf } from './lib/stats.ts';

const PROMPT_TOKENS = 128;
const GENERATED_TOKENS = 64;
/** A run has at least so many requests: one of a fast model is over too soon to be timed well. */
const REQUESTS_MIN: Record<BenchModel, number> = { smollm2: 4, c: 4, d: 2 };

interface Figures {
  readonly tokensPerSecond: number;
  readonly ttftMs: number;
}

interface Cell {
  readonly streams: number;
  readonly hearth: Quiet<Figures>[];
  readonly peer: Quiet<Figures>[];
}

export async function runPeer(options: BenchOptions): Promise<number> {
  const report = new Report('peer', 'Speed against llama-server');
  report.note(`Peer: ${ensurePeer()}.`);
  report.note(
    `${PROMPT_TOKENS} random prompt tokens, ${GENERATED_TOKENS} generated, sampler 0.8/40/0.95/0.05, 8 slots of 2,048 tokens on both, medians of ${options.rounds} interleaved rounds (range in brackets), prefill included in tokens/s.`,
  );
  for (const model of options.models) {
    await using pair = await startPair(model, options.signal);
    await inTurns(pair, 0, (server) => run(model, server, 2));
    const cells: Cell[] = options.streams.map((streams) => ({ streams, hearth: [], peer: [] }));
    for (let round = 0; round < options.rounds; round++) {
      for (const cell of cells) await measure(model, pair, cell, round);
    }
    write(report, model, cells);
  }
  return report.finish();
}

async function measure(model: BenchModel, pair: Pair, cell: Cell, round: number): Promise<void> {
  const { hearth, peer } = await inTurns(pair, round, (server) => run(model, server, cell.streams));
  cell.hearth.push(hearth);
  cell.peer.push(peer);
  const show = ({ value, foreignShare, attempts }: Quiet<Figures>) =>
    `${value.tokensPerSecond.toFixed(1)} tok/s, TTFT ${value.ttftMs.toFixed(0)} ms (foreign ${(100 * foreignShare).toFixed(0)} %, ${attempts}×)`;
  console.error(`${model} N=${cell.streams}: hearth ${show(hearth)}; peer ${show(peer)}`);
}

async function run(model: BenchModel, server: Server, streams: number): Promise<Figures> {
  const random = freshRandom();
  const result = await runLoad({
    baseUrl: server.baseUrl,
    route: 'completions',
    streams,
    requestsPerStream: Math.ceil(REQUESTS_MIN[model] / streams),
    body: () => completionBody(freshPrompt(model, PROMPT_TOKENS, random), GENERATED_TOKENS, random),
    timeoutMs: REQUEST_LIMIT_MS,
  });
  assertAnswered(server, result.outcomes);
  const short = result.outcomes.find((one) => one.generatedTokens !== GENERATED_TOKENS);
  if (short) throw new Error(`${server.name} generated ${short.generatedTokens} tokens`);
  const promptTokens = spreadOf(result.outcomes.map((one) => one.promptTokens)).median;
  if (Math.abs(promptTokens - PROMPT_TOKENS) > 2) {
    throw new Error(`${server.name} read ${promptTokens} prompt tokens, not ${PROMPT_TOKENS}`);
  }
  const summary = summarise(result, { ttftMs: 1000, tpotMs: 100 });
  const ttfts = result.outcomes.map((one) => one.chunkTimesMs[0]! - one.startedMs);
  return { tokensPerSecond: summary.generatedPerSecond, ttftMs: spreadOf(ttfts).median };
}

function write(report: Report, model: BenchModel, cells: readonly Cell[]): void {
  const { title, isQ8 } = BENCH_MODELS[model];
  report.note(`## ${title}`);
  const rows = cells.map(({ streams, hearth, peer }) => {
    const pick = (of: Quiet<Figures>[], key: keyof Figures) => of.map(({ value }) => value[key]);
    const speed = { ours: pick(hearth, 'tokensPerSecond'), theirs: pick(peer, 'tokensPerSecond') };
    const ttft = { ours: pick(hearth, 'ttftMs'), theirs: pick(peer, 'ttftMs') };
    const speedRatio = pairedRatio(speed.ours, speed.theirs);
    const ttftRatio = pairedRatio(ttft.ours, ttft.theirs);
    const name = `${title}, ${streams} streams`;
    report.bar({
      name: `${name}: tokens/s against llama-server`,
      value: speedRatio.median,
      limit: model === 'c' ? 1 : 1.2,
      rule: 'at least',
      unit: ' ×',
    });
    report.bar({
      name: `${name}: TTFT against llama-server`,
      value: ttftRatio.median,
      limit: isQ8 ? 0.8 : 1.05,
      rule: 'at most',
      unit: ' ×',
    });
    const disturbed = [...hearth, ...peer].filter((one) => isDisturbed(one.foreignShare)).length;
    return [
      String(streams),
      showSpread(spreadOf(speed.ours)),
      showSpread(spreadOf(speed.theirs)),
      showSpread(speedRatio, 2),
      showSpread(spreadOf(ttft.ours), 0),
      showSpread(spreadOf(ttft.theirs), 0),
      showSpread(ttftRatio, 2),
      `${disturbed} of ${hearth.length + peer.length}`,
    ];
  });
  report.table(
    [
      'streams',
      'Hearth tok/s',
      'llama-server tok/s',
      'ratio',
      'Hearth TTFT ms',
      'llama-server TTFT ms',
      'ratio',
      'runs with > 8 % foreign load',
    ],
    rows,
  );
  report.data(model, cells);
}
