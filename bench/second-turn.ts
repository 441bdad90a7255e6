/**
 * `npm run bench -- second-turn`: the second turn of a conversation, whose beginning is cached:
 * 1,000 shared and 32 new tokens, against the same length read cold.
 *
 * Bar     TTFT of the second turn ≤ 0.12 × of the cold one; llama-server's figures beside it.
 */
import { runLoad } from '../src/cli/bench/load.ts';
import { BENCH_MODELS, type BenchModel } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  inTurns,
  joinPrompts,
  REQUEST_LIMIT_MS,
  startPair,
} from './lib/pair.ts';
import { ensurePeer } from './lib/peer-build.ts';
import { Report } from './lib/report.ts';
import type { Server } from './lib/servers.ts';
import { pairedRatio, showSpread, spreadOf } from './lib/stats.ts';

const SHARED_TOKENS = 1000;
const NEW_TOKENS = 32;
const GENERATED_TOKENS = 8;
const BAR = 0.12;

interface Turns {
  readonly coldMs: number;
  readonly warmMs: number;
  readonly cachedTokens: number;
}

export async function runSecondTurn(options: BenchOptions): Promise<number> {
  const report = new Report('second-turn', 'A cached second turn');
  report.note(`Peer: ${ensurePeer()}.`);
  report.note(
    `${SHARED_TOKENS} shared and ${NEW_TOKENS} new prompt tokens; medians of ${options.rounds} interleaved rounds (range in brackets).`,
  );
  const rows: string[][] = [];
  for (const model of options.models) {
    await using pair = await startPair(model, options.signal);
    for (const server of [pair.peer, pair.hearth]) await turns(model, server);
    const all: { hearth: Turns[]; peer: Turns[] } = { hearth: [], peer: [] };
    for (let round = 0; round < options.rounds; round++) {
      const both = await inTurns(pair, round, (server) => turns(model, server));
      all.hearth.push(both.hearth.value);
      all.peer.push(both.peer.value);
    }
    for (const name of ['hearth', 'peer'] as const) {
      const cold = all[name].map(({ coldMs }) => coldMs);
      const warm = all[name].map(({ warmMs }) => warmMs);
      const ratio = pairedRatio(warm, cold);
      const cached = spreadOf(all[name].map(({ cachedTokens }) => cachedTokens)).median;
      rows.push([
        BENCH_MODELS[model].title,
        name === 'hearth' ? 'Hearth' : 'llama-server',
        showSpread(spreadOf(cold), 0),
        showSpread(spreadOf(warm), 0),
        showSpread(ratio, 3),
        String(cached),
      ]);
      if (name === 'peer') continue;
      report.bar({
        name: `${BENCH_MODELS[model].title}: second turn against cold`,
        value: ratio.median,
        limit: BAR,
        rule: 'at most',
        unit: ' ×',
      });
    }
    report.data(model, all);
  }
  report.table(
    ['model', 'server', 'cold TTFT ms', 'second turn TTFT ms', 'ratio', 'cached tokens'],
    rows,
  );
  return report.finish();
}

async function turns(model: BenchModel, server: Server): Promise<Turns> {
  const random = freshRandom();
  const shared = freshPrompt(model, SHARED_TOKENS, random);
  const prompts = [0, 1].map(() => joinPrompts(shared, freshPrompt(model, NEW_TOKENS, random)));
  const { outcomes } = await runLoad({
    baseUrl: server.baseUrl,
    route: 'completions',
    streams: 1,
    requestsPerStream: 2,
    body: (index) => completionBody(prompts[index]!, GENERATED_TOKENS, random),
    timeoutMs: REQUEST_LIMIT_MS,
  });
  assertAnswered(server, outcomes);
  const [cold, warm] = outcomes.map((one) => one.chunkTimesMs[0]! - one.startedMs);
  return { coldMs: cold!, warmMs: warm!, cachedTokens: outcomes[1]!.cachedTokens };
}
