/**
 * `hearth bench`: streams requests at any OpenAI-compatible server and says how quick it was.
 * One table row, or one JSON line with --json, for each number of streams.
 *
 * Errors  CliError when flags make no sense, the server has no model, or a request failed.
 */
import { randomInt } from 'node:crypto';

import type { Command } from 'commander';
import * as z from 'zod';

import { keyHeaders } from '../api-key.ts';
import { CliError } from '../context.ts';
import type { Environment } from '../environment.ts';
import { runLoad } from './load.ts';
import { makeRandom, randomIds, randomWords } from './prompts.ts';
import type { Route } from './stream-request.ts';
import { type Percentiles, type Summary, summarise } from './summary.ts';

const positive = z.coerce.number().int().positive();

const Flags = z.object({
  url: z.url({ protocol: /^http$/ }).transform((url) => url.replace(/\/+$/, '')),
  model: z.string().optional(),
  streams: z
    .string()
    .transform((list) => list.split(',').map(Number))
    .pipe(z.array(z.int().positive().max(1024)).min(1)),
  requests: positive,
  promptTokens: positive,
  generatedTokens: positive,
  route: z.enum(['chat', 'completions']),
  vocabulary: positive.min(264).optional(),
  ignoreEos: z.boolean(),
  ttftMs: z.coerce.number().positive(),
  tpotMs: z.coerce.number().positive(),
  timeoutS: z.coerce.number().positive(),
  /** Random if absent: prompts of an earlier run may still be in the server's cache. */
  seed: z.coerce
    .number()
    .int()
    .min(0)
    .max(0xffff_ffff)
    .default(() => randomInt(2 ** 32)),
  json: z.boolean().default(false),
});

type Flags = z.output<typeof Flags>;

const ModelList = z.looseObject({ data: z.array(z.looseObject({ id: z.string() })).min(1) });

/** Fills in the program's `bench` command, or adds it. */
export function registerBench(program: Command, environment: Environment): void {
  const known = program.commands.find((command) => command.name() === 'bench');
  const command = known ?? program.command('bench');
  command
    .description('measure a server over HTTP: latencies, tokens a second, goodput')
    .option('--url <url>', 'base address with /v1', 'http://127.0.0.1:11440/v1')
    .option('--model <name>', "the server's first model if absent")
    .option('--streams <list>', 'streams at once, one run each', '1,2,4,8')
    .option('--requests <n>', 'requests of each stream', '4')
    .option('--prompt-tokens <n>', 'length of a prompt, about', '128')
    .option('--generated-tokens <n>', 'tokens to generate', '64')
    .option('--route <name>', 'chat or completions', 'chat')
    .option('--vocabulary <n>', 'completions: prompts of exactly so many random ids below n')
    .option(
      '--no-ignore-eos',
      'let answers end; else servers that know ignore_eos go on to the limit',
    )
    .option('--ttft-ms <ms>', 'goodput: time to the first token', '1000')
    .option('--tpot-ms <ms>', 'goodput: time of each further token', '100')
    .option('--timeout-s <s>', 'limit of one request', '300')
    .option('--seed <n>', 'seed of prompts and sampling; random if absent')
    .option('--json', 'print JSON lines')
    .action((raw: unknown) => bench(parseFlags(raw), keyHeaders(environment)));
}

function parseFlags(raw: unknown): Flags {
  const parsed = Flags.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const flag = String(issue.path[0]).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new CliError(`--${flag}: ${issue.message}`);
  }
  if (parsed.data.vocabulary !== undefined && parsed.data.route === 'chat') {
    throw new CliError('--vocabulary: a chat has words, not ids; add --route completions');
  }
  return parsed.data;
}

type Headers = Readonly<Record<string, string>>;

async function bench(flags: Flags, headers: Headers): Promise<void> {
  const stop = new AbortController();
  const onInterrupt = () => stop.abort();
  process.once('SIGINT', onInterrupt);
  try {
    const model = flags.model ?? (await firstModel(flags.url, headers));
    const route: Route = flags.route === 'chat' ? 'chat/completions' : 'completions';
    const random = makeRandom(flags.seed);
    if (!flags.json) process.stdout.write(`${flags.url} ${model}\n${HEADINGS}\n`);

    const failures: Record<string, number> = {};
    for (const streams of flags.streams) {
      const result = await runLoad({
        baseUrl: flags.url,
        route,
        streams,
        requestsPerStream: flags.requests,
        body: (index) => bodyOf(flags, { model, index, random }),
        headers,
        timeoutMs: flags.timeoutS * 1000,
        signal: stop.signal,
      });
      if (stop.signal.aborted) throw new CliError('interrupted');
      const summary = summarise(result, { ttftMs: flags.ttftMs, tpotMs: flags.tpotMs });
      process.stdout.write(
        `${flags.json ? JSON.stringify({ model, streams, seed: flags.seed, ...summary }) : toRow(streams, summary)}\n`,
      );
      for (const [why, count] of Object.entries(summary.errors)) {
        failures[why] = (failures[why] ?? 0) + count;
      }
    }
    const [worst] = Object.entries(failures).sort(([, a], [, b]) => b - a);
    if (worst) throw new CliError(`${worst[1]} requests failed: ${worst[0]}`);
  } finally {
    process.removeListener('SIGINT', onInterrupt);
  }
}

function bodyOf(
  flags: Flags,
  { model, index, random }: { model: string; index: number; random: () => number },
): Record<string, unknown> {
  const common = {
    model,
    max_tokens: flags.generatedTokens,
    temperature: 0.8,
    top_p: 0.95,
    seed: (flags.seed + index) % 2 ** 32,
    ...(flags.ignoreEos ? { ignore_eos: true } : {}),
  };
  if (flags.vocabulary !== undefined) {
    return { ...common, prompt: randomIds(flags.promptTokens, flags.vocabulary, random) };
  }
  const text = randomWords(flags.promptTokens, random);
  if (flags.route === 'completions') return { ...common, prompt: text };
  return { ...common, messages: [{ role: 'user', content: text }] };
}

async function firstModel(url: string, headers: Headers): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch(`${url}/models`, { headers, signal: AbortSignal.timeout(10_000) });
  } catch (error) {
    const why =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : error;
    throw new CliError(
      `No server answers at ${url} (${why}). Start it, or name another with --url.`,
      {
        cause: error,
      },
    );
  }
  const parsed = ModelList.safeParse(await answer.json().catch(() => undefined));
  if (parsed.success) return parsed.data.data[0]!.id;
  throw new CliError(
    `${url}/models lists no model (status ${answer.status}). Name one with --model.`,
  );
}

const HEADINGS =
  'streams  requests  tok/s  req/s  goodput/s   TTFT p50    p90    p99   TPOT p50    p99    ITL p99    max    e2e p50    p99 (ms)';

function toRow(streams: number, summary: Summary): string {
  const ms = (of: Percentiles | undefined, key: keyof Percentiles, width: number) =>
    (of === undefined ? '–' : of[key].toFixed(of[key] < 100 ? 1 : 0)).padStart(width);
  const failed = summary.failed > 0 ? `  ${summary.failed} failed` : '';
  return [
    String(streams).padStart(7),
    String(summary.requests).padStart(9),
    summary.generatedPerSecond.toFixed(1).padStart(6),
    summary.requestsPerSecond.toFixed(2).padStart(6),
    summary.goodputPerSecond.toFixed(2).padStart(10),
    `${ms(summary.ttftMs, 'p50', 10)}${ms(summary.ttftMs, 'p90', 7)}${ms(summary.ttftMs, 'p99', 7)}`,
    `${ms(summary.tpotMs, 'p50', 10)}${ms(summary.tpotMs, 'p99', 7)}`,
    `${ms(summary.itlMs, 'p99', 10)}${ms(summary.itlMs, 'max', 7)}`,
    `${ms(summary.e2eMs, 'p50', 10)}${ms(summary.e2eMs, 'p99', 7)}`,
  ]
    .join(' ')
    .concat(failed);
}
