/**
 * `npm run bench -- constrained`: what a grammar costs, over HTTP on SmolLM2: the same prompts answered freely
 * and under three constraints that need more tokens than they get, at 1 and 4 streams, beside llama-server with
 * the same schemas.
 *
 * Bar     constrained ≥ 0.85 × of free at 1 and 4 streams.
 */
import { runLoad } from '../src/cli/bench/load.ts';
import { summarise } from '../src/cli/bench/summary.ts';
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
import { Report } from './lib/report.ts';
import { SCHEMAS } from './lib/schemas.ts';
import type { Server } from './lib/servers.ts';
import { pairedRatio, showSpread, spreadOf } from './lib/stats.ts';

const PROMPT_TOKENS = 64;
const GENERATED_TOKENS = 96;
const REQUESTS_MIN = 6;
const STREAMS = [1, 4];
const SHARE_MIN = 0.85;
const NO_TARGETS = { ttftMs: Number.POSITIVE_INFINITY, tpotMs: Number.POSITIVE_INFINITY };

export async function runConstrained(options: BenchOptions): Promise<number> {
  const report = new Report('constrained', 'What a grammar costs');
  report.note(`Peer: ${ensurePeer()}.`);
  await measureSpeed(options, report);
  return report.finish();
}

async function measureSpeed({ rounds, signal }: BenchOptions, report: Report): Promise<void> {
  report.note(
    `SmolLM2, ${PROMPT_TOKENS} prompt tokens, ${GENERATED_TOKENS} generated, tokens/s of all streams together; share of free in the same round; medians of ${rounds} rounds (range in brackets).`,
  );
  await using pair = await startPair('smollm2', signal);
  const names = ['free', ...Object.keys(SCHEMAS)];
  for (const streams of STREAMS) {
    const speeds = new Map(
      names.map((name) => [name, { hearth: [] as number[], peer: [] as number[] }]),
    );
    for (const name of names) await inTurns(pair, 0, (server) => speedOf(server, name, streams));
    for (let round = 0; round < rounds && !signal.aborted; round++) {
      for (const name of names) await measure(pair, { name, streams, round }, speeds.get(name)!);
    }
    const free = speeds.get('free')!;
    report.table(
      [`${streams} streams`, 'Hearth', 'of free', 'llama-server', 'of free'],
      names.map((name) => {
        const { hearth, peer } = speeds.get(name)!;
        const show = (values: number[], base: number[]) => [
          showSpread(spreadOf(values)),
          showSpread(pairedRatio(values, base), 2),
        ];
        return [name, ...show(hearth, free.hearth), ...show(peer, free.peer)];
      }),
    );
    for (const name of Object.keys(SCHEMAS)) {
      const { median } = pairedRatio(speeds.get(name)!.hearth, free.hearth);
      report.bar({
        name: `${name} at ${streams} streams, share of free`,
        value: median,
        limit: SHARE_MIN,
        rule: 'at least',
        unit: ' ×',
      });
    }
  }
}

interface Cell {
  readonly name: string;
  readonly streams: number;
  readonly round: number;
}

async function measure(
  pair: Pair,
  { name, streams, round }: Cell,
  speeds: { readonly hearth: number[]; readonly peer: number[] },
): Promise<void> {
  const { hearth, peer } = await inTurns(pair, round, (server) => speedOf(server, name, streams));
  speeds.hearth.push(hearth.value);
  speeds.peer.push(peer.value);
  console.error(
    `${name} N=${streams}: hearth ${hearth.value.toFixed(1)}, peer ${peer.value.toFixed(1)} tok/s`,
  );
}

async function speedOf(server: Server, name: string, streams: number): Promise<number> {
  const random = freshRandom();
  const schema = SCHEMAS[name];
  const result = await runLoad({
    baseUrl: server.baseUrl,
    route: 'completions',
    streams,
    requestsPerStream: Math.ceil(REQUESTS_MIN / streams),
    body: () => {
      const body = completionBody(
        freshPrompt('smollm2', PROMPT_TOKENS, random),
        GENERATED_TOKENS,
        random,
      );
      return schema === undefined ? body : { ...body, ...constraintFor(server, schema) };
    },
    timeoutMs: REQUEST_LIMIT_MS,
  });
  assertAnswered(server, result.outcomes);
  const short = result.outcomes.find((one) => one.generatedTokens !== GENERATED_TOKENS);
  if (short) throw new Error(`${server.name} generated ${short.generatedTokens} tokens`);
  return summarise(result, NO_TARGETS).generatedPerSecond;
}

function constraintFor(server: Server, schema: object): object {
  // After the end of a grammar nothing can come, so neither is told to go on.
  const common = { ignore_eos: false };
  return server.name === 'hearth'
    ? {
        ...common,
        response_format: { type: 'json_schema', json_schema: { name: 'bench', schema } },
      }
    : { ...common, json_schema: schema };
}
