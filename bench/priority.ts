/**
 * `npm run bench -- priority`: the first token of a high request while twelve low clients keep a server
 * of four slots at three times what it can do; llama-server, which knows no classes, beside it.
 *
 * Bars    high p95 TTFT (200-token prompts) ≤ 1.5 × of idle; tokens/s of everybody, read and generated,
 *         ≥ 0.99 × of the same load as one class without a spare slot.
 */
import { availableParallelism } from 'node:os';

import { runLoad } from '../src/cli/bench/load.ts';
import type { Priority } from '../src/core/priority.ts';
import { BENCH_MODELS, modelFile } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  REQUEST_LIMIT_MS,
} from './lib/pair.ts';
import { ensurePeer } from './lib/peer-build.ts';
import { at } from './lib/queue-figures.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth, startPeer } from './lib/servers.ts';

const MODEL = 'smollm2';
const SLOTS = 4;
const CLIENTS = 12;
const LOW: Load = { promptTokens: 48, generatedTokens: 48, samples: 30 };
/** Reported, without a bar: prompts that take seconds to read, so a peer without classes takes a minute. */
const LONG_LOW: Load = { promptTokens: 1000, generatedTokens: 48, samples: 8 };
const HIGH = { promptTokens: 200, generatedTokens: 8 };
const IDLE_SAMPLES = 20;

interface Load {
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** High requests that are measured beside it. */
  readonly samples: number;
}

interface Classes {
  readonly high?: Priority;
  readonly low?: Priority;
}

interface Busy {
  readonly ttftMs: readonly number[];
  readonly lowTokensPerS: number;
  /** Prompts and answers, of low and high. */
  readonly tokensPerS: number;
}

export async function runPriority({ signal }: BenchOptions): Promise<number> {
  const report = new Report('priority', 'A high request among low ones');
  report.note(`Peer: ${ensurePeer()}.`);
  report.note(
    `${BENCH_MODELS[MODEL].title}, ${SLOTS} slots, ${CLIENTS} closed-loop clients (${LOW.promptTokens} prompt and ${LOW.generatedTokens} generated tokens), one high request of ${HIGH.promptTokens} tokens after the other.`,
  );
  const rows: string[][] = [];
  const threads = availableParallelism();
  const model = await modelFile(MODEL);
  const options = { model, slots: SLOTS, contextTokens: 2048, threads, signal };
  const measure = async (
    name: string,
    start: () => Promise<Server>,
    { hasClasses, load = LOW }: { readonly hasClasses: boolean; readonly load?: Load },
  ) => {
    const classes: Classes = hasClasses ? { high: 'high', low: 'low' } : {};
    await using server = await start();
    await ask(server, classes.high);
    const idle = await samples(IDLE_SAMPLES, () => ask(server, classes.high));
    const busy = await underLoad(server, classes, load);
    const row = [idle, busy.ttftMs].flatMap((values) => [at(values, 0.5), at(values, 0.95)]);
    const ratio = at(busy.ttftMs, 0.95) / at(idle, 0.95);
    rows.push([
      name,
      ...row.map((ms) => ms.toFixed(0)),
      ratio.toFixed(2),
      busy.lowTokensPerS.toFixed(1),
      busy.tokensPerS.toFixed(0),
    ]);
    report.data(name, { idle, ...busy });
    return { ratio, tokensPerS: busy.tokensPerS };
  };
  const ours = await measure('Hearth', () => startHearth(options), { hasClasses: true });
  const one = await measure('Hearth, one class', () => startHearth({ ...options, highSpare: 0 }), {
    hasClasses: false,
  });
  await measure('llama-server', () => startPeer(options), { hasClasses: false });
  const long = { load: LONG_LOW };
  await measure(
    `Hearth, low prompts of ${LONG_LOW.promptTokens} tokens`,
    () => startHearth(options),
    {
      ...long,
      hasClasses: true,
    },
  );
  await measure(`llama-server, the same prompts`, () => startPeer(options), {
    ...long,
    hasClasses: false,
  });
  report.table(
    [
      'server',
      'idle TTFT p50 ms',
      'idle p95',
      'busy TTFT p50 ms',
      'busy p95',
      'p95 busy / idle',
      'low tokens/s generated',
      'tokens/s, all',
    ],
    rows,
  );
  report.bar({
    name: 'high p95 TTFT against idle',
    value: ours.ratio,
    limit: 1.5,
    rule: 'at most',
    unit: ' ×',
  });
  report.bar({
    name: 'tokens/s of everybody against one class',
    value: ours.tokensPerS / one.tokensPerS,
    limit: 0.99,
    rule: 'at least',
    unit: ' ×',
  });
  return report.finish();
}

async function underLoad(server: Server, { high, low }: Classes, load: Load): Promise<Busy> {
  const random = freshRandom();
  const stop = new AbortController();
  const done = { prompts: 0, answers: 0 };
  const running = runLoad({
    baseUrl: server.baseUrl,
    route: 'completions',
    streams: CLIENTS,
    requestsPerStream: 1_000,
    body: () => body(freshPrompt(MODEL, load.promptTokens, random), load.generatedTokens, low),
    timeoutMs: REQUEST_LIMIT_MS,
    signal: stop.signal,
    onOutcome: ({ promptTokens, generatedTokens, error }) => {
      if (error !== undefined) return;
      done.prompts += promptTokens;
      done.answers += generatedTokens;
    },
  });
  // Until everybody has had an answer: the queue is full, and what is measured is the middle.
  await samples(load.samples / 4, () => ask(server, high));
  const [startedMs, before] = [performance.now(), { ...done }];
  const ttftMs = await samples(load.samples, () => ask(server, high));
  const tookS = (performance.now() - startedMs) / 1000;
  const answers = done.answers - before.answers;
  const highTokens = load.samples * (HIGH.promptTokens + HIGH.generatedTokens);
  stop.abort();
  await running;
  return {
    ttftMs,
    lowTokensPerS: answers / tookS,
    tokensPerS: (answers + done.prompts - before.prompts + highTokens) / tookS,
  };

  function body(prompt: ReturnType<typeof freshPrompt>, maxTokens: number, priority?: Priority) {
    return {
      ...completionBody(prompt, maxTokens, random),
      ...(priority === undefined ? {} : { priority }),
    };
  }
}

/** Time to the first token of one request, alone in its class. */
async function ask(server: Server, priority: Priority | undefined): Promise<number> {
  const random = freshRandom();
  const { outcomes } = await runLoad({
    baseUrl: server.baseUrl,
    route: 'completions',
    streams: 1,
    requestsPerStream: 1,
    body: () => ({
      ...completionBody(
        freshPrompt(MODEL, HIGH.promptTokens, random),
        HIGH.generatedTokens,
        random,
      ),
      ...(priority === undefined ? {} : { priority }),
    }),
    timeoutMs: REQUEST_LIMIT_MS,
  });
  assertAnswered(server, outcomes);
  const [outcome] = outcomes;
  return outcome!.chunkTimesMs[0]! - outcome!.startedMs;
}

async function samples(count: number, sample: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  while (values.length < count) values.push(await sample());
  return values.sort((a, b) => a - b);
}
