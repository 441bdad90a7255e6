/**
 * `npm run bench -- hostile-schemas`: what schemas that crash or hang other servers cost here: how long they are answered
 * after, how long the event loop stands meanwhile, and what a stream that runs beside them feels.
 *
 * Bars    each is answered within 5 s; the event loop never stands for 50 ms; the stream is not cut.
 */

import { Agent } from 'node:http';
import { streamRequest } from '../src/cli/bench/stream-request.ts';

import { ensurePreset } from '../tests/support/gguf-writer-presets.ts';
import type { BenchOptions } from './lib/options.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth } from './lib/servers.ts';
import { showSpread, spreadOf } from './lib/stats.ts';

const LAG = /^hearth_event_loop_lag_seconds\{at="max"\} (\S+)/m;
const LAG_LIMIT_MS = 50;
const ANSWER_LIMIT_S = 5;
/** Of the same schema at once, each under a title of its own: what is compiled is compiled for each. */
const CLIENTS = 2;
const STREAM_TOKENS = 900;

const properties = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, { type: 'string' }]));
const nested = (depth: number): object => (depth === 0 ? {} : { not: nested(depth - 1) });

const HOSTILE: Readonly<Record<string, object>> = {
  'a reference to itself': { $ref: '#' },
  'two that refer to each other': {
    $ref: '#/$defs/a',
    $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } },
  },
  'deep recursion': {
    $ref: '#/$defs/n',
    $defs: { n: { anyOf: [{ type: 'null' }, { type: 'array', items: { $ref: '#/$defs/n' } }] } },
  },
  '500 schemas inside of each other': nested(500),
  'a billion items': { type: 'array', minItems: 1e9 },
  'nested repeats': { type: 'string', pattern: '(a+)+b' },
  'patterns that multiply': {
    allOf: Array.from({ length: 12 }, (_, i) => ({
      patternProperties: { [`(a|b)*a(a|b){${i + 9}}$`]: { type: i % 2 ? 'string' : 'number' } },
    })),
  },
  '9,000 values': { enum: Array.from({ length: 9_000 }, (_, i) => i * 7919) },
  'a million values': { enum: Array.from({ length: 1_000_000 }, (_, i) => i) },
  '2,000 properties': { type: 'object', properties: properties(2_000) },
  '10,000 properties': { type: 'object', properties: properties(10_000) },
};

export async function runHostileSchemas({ rounds, signal }: BenchOptions): Promise<number> {
  const report = new Report('hostile-schemas', 'Schemas that break other servers');
  report.note(
    `${CLIENTS} clients send each at once, ${rounds} times, each time under other titles; a stream of a small random model runs beside them.`,
  );
  const model = await ensurePreset('a');
  await using server = await startHearth({
    model,
    slots: 4,
    contextTokens: 1024,
    threads: 1,
    signal,
  });
  const rows: string[][] = [];
  let isOver = false;
  let cut = 0;
  const running = (async () => {
    while (!isOver && !signal.aborted) cut += (await stream(server, signal)) ? 0 : 1;
  })();
  // The first of all imports the compiler's other half.
  await attack(server, { type: 'null' }, 1, signal);
  for (const [name, schema] of Object.entries(HOSTILE)) {
    const found = await attack(server, schema, rounds, signal);
    rows.push([
      name,
      [...new Set(found.answers)].join(', '),
      showSpread(spreadOf(found.seconds), 2),
      showSpread(spreadOf(found.lagsMs), 1),
    ]);
    report.bar({
      name: `${name}: answered within`,
      value: Math.max(...found.seconds),
      limit: ANSWER_LIMIT_S,
      rule: 'at most',
      unit: ' s',
    });
    report.bar({
      name: `${name}: the event loop stands for`,
      value: Math.max(...found.lagsMs),
      limit: LAG_LIMIT_MS,
      rule: 'at most',
      unit: ' ms',
    });
  }
  isOver = true;
  await running;
  report.bar({
    name: 'streams beside them that were cut',
    value: cut,
    limit: 0,
    rule: 'at most',
    unit: '',
  });
  report.table(['schema', 'answer', 'seconds', 'event loop, ms'], rows);
  return report.finish();
}

interface Found {
  readonly answers: string[];
  readonly seconds: number[];
  readonly lagsMs: number[];
}

async function attack(
  server: Server,
  schema: object,
  rounds: number,
  signal: AbortSignal,
): Promise<Found> {
  const found: Found = { answers: [], seconds: [], lagsMs: [] };
  for (let round = 0; round < rounds; round++) {
    const bodies = Array.from({ length: CLIENTS }, (_, client) =>
      JSON.stringify({
        model: 'bench',
        prompt: 'x',
        max_tokens: 4,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { ...schema, title: `${round} ${client}` } },
        },
      }),
    );
    // Each look begins a new maximum.
    await lagMs(server);
    for (const { answer, seconds } of await Promise.all(
      bodies.map((body) => ask(server, body, signal)),
    )) {
      found.answers.push(answer);
      found.seconds.push(seconds);
    }
    found.lagsMs.push(await lagMs(server));
  }
  return found;
}

async function ask(server: Server, body: string, signal: AbortSignal) {
  const startedMs = performance.now();
  const response = await fetch(`${server.baseUrl}/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal,
  });
  const { error } = (await response.json()) as { readonly error?: { readonly code: string } };
  const seconds = (performance.now() - startedMs) / 1000;
  return { answer: `${response.status}${error ? ` ${error.code}` : ''}`, seconds };
}

async function lagMs(server: Server): Promise<number> {
  const page = await (await fetch(`${server.baseUrl.replace(/\/v1$/, '')}/metrics`)).text();
  return Number(LAG.exec(page)?.[1] ?? Number.NaN) * 1000;
}

async function stream(server: Server, signal: AbortSignal): Promise<boolean> {
  const agent = new Agent();
  const body = { model: 'bench', prompt: 'x', max_tokens: STREAM_TOKENS, ignore_eos: true };
  const call = {
    baseUrl: server.baseUrl,
    route: 'completions' as const,
    body,
    agent,
    timeoutMs: 120_000,
    signal,
  };
  const { error } = await streamRequest(call);
  agent.destroy();
  return error === undefined;
}
