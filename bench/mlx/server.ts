/**
 * Section `server`: Hearth against `mlx_lm.server`, both over HTTP, every request with a seed: then mlx-lm's server
 * empties its batch and answers one by one. And whether Hearth loses any of a hundred requests at 16 streams.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

import { runLoad } from '../../src/cli/bench/load.ts';
import { summarise } from '../../src/cli/bench/summary.ts';
import type { BenchOptions } from '../lib/options.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  inTurns,
  type Pair,
  REQUEST_LIMIT_MS,
} from '../lib/pair.ts';
import type { Report } from '../lib/report.ts';
import { type Server, startHearth, startMlxServer } from '../lib/servers.ts';
import { pairedRatio, showSpread, spreadOf } from '../lib/stats.ts';
import { type MlxSetup, scriptOf } from './setup.ts';

const PROMPT_TOKENS = 64;
const GENERATED_TOKENS = 48;
const SLOTS = 8;
const CONTEXT_TOKENS = 2048;
const REQUESTS_MIN = 2;
/** Streams → tokens/s of `mlx_lm.server`. */
const SHARE_MIN: Readonly<Record<number, number>> = { 1: 1, 8: 1.2 };
const MANY_STREAMS = 16;
const MANY_REQUESTS = 100;
const MANY_GENERATED_TOKENS = 16;
const NO_TARGETS = { ttftMs: Number.POSITIVE_INFINITY, tpotMs: Number.POSITIVE_INFINITY };

interface Figures {
  readonly tokensPerSecond: number;
  readonly ttftMs: number;
}

export async function measureServer(
  setup: MlxSetup,
  { rounds, signal }: BenchOptions,
  report: Report,
): Promise<void> {
  report.note('## Against mlx_lm.server');
  report.note(
    `SmolLM2 float32 over HTTP, ${PROMPT_TOKENS} prompt tokens, ${GENERATED_TOKENS} generated, sampler 0.8/40/0.95/0.05 with a seed, ${SLOTS} slots on both; tokens/s of all streams, prompts included; medians of ${rounds} rounds in turns (range in brackets).`,
  );
  const { smollm2: model, environment } = setup;
  const bans = bansOf(model);
  await using stack = new AsyncDisposableStack();
  const common = { model, slots: SLOTS, signal };
  const program = scriptOf(setup, 'serve.py');
  const peer = stack.use(await startMlxServer({ ...common, program }));
  const hearth = stack.use(
    await startHearth({ ...common, contextTokens: CONTEXT_TOKENS, threads: 1, environment }),
  );
  const pair: Pair = { hearth, peer, [Symbol.asyncDispose]: async () => {} };
  const ask = (server: Server, streams: number, requests: number) =>
    run(server, { streams, requests, generatedTokens: GENERATED_TOKENS, bans });
  await inTurns(pair, 0, (server) => ask(server, 1, 1));
  for (const [streams, limit] of Object.entries(SHARE_MIN)) {
    const runs = { hearth: [] as Figures[], peer: [] as Figures[] };
    const requests = Math.max(REQUESTS_MIN, Number(streams));
    for (let round = 0; round < rounds; round++) {
      signal.throwIfAborted();
      const both = await inTurns(pair, round, (server) => ask(server, Number(streams), requests));
      for (const name of ['hearth', 'peer'] as const) {
        const { value } = both[name];
        runs[name].push(value);
        console.error(
          `${streams} streams, ${name}: ${value.tokensPerSecond.toFixed(1)} tok/s, TTFT ${value.ttftMs.toFixed(0)} ms`,
        );
      }
    }
    const pick = (name: keyof typeof runs, key: keyof Figures) => runs[name].map((one) => one[key]);
    const [ours, theirs] = [pick('hearth', 'tokensPerSecond'), pick('peer', 'tokensPerSecond')];
    const [ourTtft, theirTtft] = [pick('hearth', 'ttftMs'), pick('peer', 'ttftMs')];
    report.table(
      [`${streams} streams`, 'Hearth', 'mlx_lm.server', 'ratio'],
      [
        ['tok/s', ours, theirs, 1] as const,
        ['first token, ms', ourTtft, theirTtft, 0] as const,
      ].map(([what, a, b, digits]) => [
        what,
        showSpread(spreadOf(a), digits),
        showSpread(spreadOf(b), digits),
        showSpread(pairedRatio(a, b), 2),
      ]),
    );
    report.bar({
      name: `${streams} streams: tokens/s of mlx_lm.server`,
      ...{ value: pairedRatio(ours, theirs).median, limit, rule: 'at least', unit: ' ×' },
    });
    report.data(`server: ${streams} streams`, runs);
  }
  await loseNone(hearth, bans, report);
}

async function loseNone(hearth: Server, bans: Bans, report: Report): Promise<void> {
  const random = freshRandom();
  const { outcomes } = await runLoad({
    ...{ baseUrl: hearth.baseUrl, route: 'completions', streams: MANY_STREAMS },
    requestsPerStream: Math.ceil(MANY_REQUESTS / MANY_STREAMS),
    body: () => bodyOf(hearth, MANY_GENERATED_TOKENS, bans, random),
    timeoutMs: REQUEST_LIMIT_MS,
  });
  const failed = outcomes.filter(
    ({ error, generatedTokens }) =>
      error !== undefined || generatedTokens !== MANY_GENERATED_TOKENS,
  );
  report.note(`${outcomes.length} requests at ${MANY_STREAMS} streams: ${failed.length} failed.`);
  report.bar({
    name: `of ${outcomes.length} requests at ${MANY_STREAMS} streams failed`,
    ...{ value: failed.length, limit: 0, rule: 'at most', unit: '' },
  });
  report.data('server: failed', failed);
}

async function run(
  server: Server,
  plan: { streams: number; requests: number; generatedTokens: number; bans: Bans },
): Promise<Figures> {
  const random = freshRandom();
  const result = await runLoad({
    ...{ baseUrl: server.baseUrl, route: 'completions', streams: plan.streams },
    requestsPerStream: Math.ceil(plan.requests / plan.streams),
    body: () => bodyOf(server, plan.generatedTokens, plan.bans, random),
    timeoutMs: REQUEST_LIMIT_MS,
  });
  assertAnswered(server, result.outcomes);
  const short = result.outcomes.find((one) => one.generatedTokens !== plan.generatedTokens);
  if (short) throw new Error(`${server.name} generated ${short.generatedTokens} tokens`);
  const ttfts = result.outcomes.map((one) => one.chunkTimesMs[0]! - one.startedMs);
  return {
    tokensPerSecond: summarise(result, NO_TARGETS).generatedPerSecond,
    ttftMs: spreadOf(ttfts).median,
  };
}

/** Both know `logit_bias`, and only one `ignore_eos`: an answer ends at its limit because nothing else is left to it. */
function bodyOf(server: Server, tokens: number, bans: Bans, random: () => number) {
  const prompt = freshPrompt('smollm2', PROMPT_TOKENS, random);
  const { ignore_eos: _, ...body } = completionBody(prompt, tokens, random);
  const model = server.name === 'hearth' ? body.model : 'default_model';
  return { ...body, model, logit_bias: bans };
}

type Bans = Readonly<Record<string, number>>;

function bansOf(model: string): Bans {
  const text = readFileSync(join(model, 'config.json'), 'utf8');
  const { eos_token_id } = z
    .looseObject({ eos_token_id: z.array(z.int()) })
    .parse(JSON.parse(text));
  return Object.fromEntries(eos_token_id.map((token) => [String(token), -100]));
}
