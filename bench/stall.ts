/**
 * `npm run bench -- stall`: what a running stream feels while somebody else's long prompt is read,
 * and what the newcomer pays for not being read in one go.
 *
 * Bars    longest token gap of the running stream ≤ 0.5 s on SmolLM2 and ≤ 1.0 s on the 650 M;
 *         the newcomer's TTFT ≤ 1.25 × of reading its prompt alone. llama-server beside it.
 */
import { measureStall, type Stall } from './lib/beside.ts';
import { BENCH_MODELS, type BenchModel } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import { inTurns, startPair } from './lib/pair.ts';
import { ensurePeer } from './lib/peer-build.ts';
import { Report } from './lib/report.ts';
import { pairedRatio, showSpread, spreadOf } from './lib/stats.ts';

const FOREIGN_PROMPT_TOKENS = 1200;
const GAP_LIMIT_S: Partial<Record<BenchModel, number>> = { smollm2: 0.5, d: 1 };
const TTFT_LIMIT = 1.25;

export async function runStall(options: BenchOptions): Promise<number> {
  const report = new Report('stall', 'A running stream while a long prompt is read');
  report.note(`Peer: ${ensurePeer()}.`);
  report.note(
    `A stream is generating when a prompt of ${FOREIGN_PROMPT_TOKENS} tokens arrives; medians of ${options.rounds} interleaved rounds (range in brackets).`,
  );
  const rows: string[][] = [];
  for (const model of options.models) {
    await using pair = await startPair(model, options.signal);
    await inTurns(pair, 0, (server) => measureStall(server, model, FOREIGN_PROMPT_TOKENS));
    const all: { hearth: Stall[]; peer: Stall[] } = { hearth: [], peer: [] };
    for (let round = 0; round < options.rounds; round++) {
      const both = await inTurns(pair, round, (server) =>
        measureStall(server, model, FOREIGN_PROMPT_TOKENS),
      );
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
