/**
 * `npm run bench -- flood`: 10,000 requests in twenty seconds, whether or not anybody answers, on a
 * server that can do a small part of them. What must hold: the cap of the queue, a time in every refusal,
 * no connection that breaks, memory that stays bounded over two floods, and the order inside each key and
 * class.
 *
 * One slot and no spare, so that the order of the answers is the order of the grants.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { PRIORITIES, type Priority } from '../src/core/priority.ts';
import { KEYS } from './lib/arrivals.ts';
import { keyTables } from './lib/key-tables.ts';
import type { BenchOptions } from './lib/options.ts';
import { rssBytesOf } from './lib/proc.ts';
import { at } from './lib/queue-figures.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth } from './lib/servers.ts';

const REQUESTS = 10_000;
const SPREAD_MS = 20_000;
const TOKENS = 4;
const TOKENS_PER_SECOND = 500;
const DEPTH_MAX = 100;
const HIGH_SPARE = 20;
const LOOK_MS = 100;
const ON_THE_WAY_MS = 250;
/** Twenty thousand requests that each left 10 KB behind would be 200 MiB above what garbage comes to. */
const MEMORY_MAX_MIB = 350;

interface Answer {
  readonly index: number;
  readonly lane: string;
  readonly status: number;
  readonly retryAfterMs: number;
  readonly endedMs: number;
  readonly tookMs: number;
  /** Of the connection. */
  readonly error: string | undefined;
}

export async function runFlood({ signal }: BenchOptions): Promise<number> {
  const report = new Report('flood', 'Ten thousand requests at once, nearly');
  const folder = mkdtempSync(join(tmpdir(), 'hearth-flood-'));
  try {
    const config = join(folder, 'hearth.toml');
    const model = join(folder, 'model.json');
    writeFileSync(config, configText());
    writeFileSync(model, JSON.stringify({ tokensPerSecond: TOKENS_PER_SECOND }));
    const options = { model, slots: 1, highSpare: 0, contextTokens: 512, threads: 1 };
    await using server = await startHearth({ ...options, config, signal });
    await flood(server, report);
    return report.finish();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function flood(server: Server, report: Report): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4096 });
  // Warm: the first requests compile the server's code.
  for (let i = 0; i < 200; i++) await ask(server, agent, -1 - i);
  const rssBefore = rssBytesOf(server.pid)!;
  const { answers, seen } = await oneFlood(server, agent);
  const again = await oneFlood(server, agent);
  const late = await ask(server, agent, REQUESTS);
  agent.destroy();

  const served = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 503);
  const broken = answers.filter(({ error }) => error !== undefined);
  const other = answers.length - served.length - refused.length - broken.length;
  const refusals = refused.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const waits = refused.map(({ retryAfterMs }) => retryAfterMs).sort((a, b) => a - b);
  report.note(
    `${REQUESTS} requests in ${SPREAD_MS / 1000} s, 3 classes, ${KEYS} keys: ${served.length} answered, ${refused.length} refused with 503 within ${at(refusals, 0.5).toFixed(1)} ms (p50) and ${at(refusals, 0.99).toFixed(1)} ms (p99), told to come back after ${at(waits, 0.5)} ms (p50); deepest queue seen ${seen.depth}; orchestrator ${mib(rssBefore)} MiB before, ${mib(seen.rss)} MiB at most; ${mib(again.seen.rss)} MiB at most in a second flood after it.`,
  );
  report.table(
    ['class', 'asked', 'answered', 'refused'],
    PRIORITIES.map((priority) => {
      const of = (all: readonly Answer[]) =>
        String(all.filter(({ lane }) => lane.startsWith(priority)).length);
      return [priority, of(answers), of(served), of(refused)];
    }),
  );
  const bars = [
    ['connections that broke', broken.length, 0],
    ['answers that are neither 200 nor 503', other, 0],
    [
      'refusals without a time to come back',
      refused.filter((one) => !(one.retryAfterMs > 0)).length,
      0,
    ],
    ['deepest queue seen', seen.depth, DEPTH_MAX + HIGH_SPARE],
    ['inversions inside (class, key)', inversions(served), 0],
    ['a request after the flood that is not answered', late.status === 200 ? 0 : 1, 0],
  ] as const;
  for (const [name, value, limit] of bars) {
    report.bar({ name, value, limit, rule: 'at most', unit: '' });
  }
  report.bar({
    name: "orchestrator's memory at most, in both floods",
    value: Math.max(seen.rss, again.seen.rss) / 2 ** 20,
    limit: MEMORY_MAX_MIB,
    rule: 'at most',
    unit: ' MiB',
  });
}

async function oneFlood(server: Server, agent: Agent) {
  const seen = { depth: 0, rss: 0 };
  const stop = new AbortController();
  const looking = look(server, agent, seen, stop.signal);
  const startedMs = performance.now();
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, index) => {
      await sleep(Math.max(0, startedMs + (index * SPREAD_MS) / REQUESTS - performance.now()));
      return ask(server, agent, index);
    }),
  );
  stop.abort();
  await looking;
  return { answers, seen };
}

async function ask(server: Server, agent: Agent, index: number): Promise<Answer> {
  const priority = classOf(index);
  const key = `key-${Math.abs(index) % KEYS}`;
  const body = JSON.stringify({
    model: 'bench',
    prompt: `[[tokens:${TOKENS}]]x`,
    max_tokens: TOKENS,
  });
  const startedMs = performance.now();
  const { status, retryAfterMs, error } = await new Promise<{
    status: number;
    retryAfterMs: number;
    error?: string;
  }>((resolve) => {
    const request = httpRequest(
      `${server.baseUrl}/completions`,
      {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          authorization: `Bearer ${key}`,
          'x-priority': priority,
        },
      },
      (response: IncomingMessage) => {
        const retryAfterMs = Number(response.headers['retry-after-ms'] ?? 0);
        const broke = (cause: Error) => resolve({ status: 0, retryAfterMs, error: cause.message });
        response.once('error', broke).once('end', () => {
          resolve({ status: response.statusCode ?? 0, retryAfterMs });
        });
        response.resume();
      },
    );
    request.once('error', (cause) => resolve({ status: 0, retryAfterMs: 0, error: cause.message }));
    request.end(body);
  });
  const endedMs = performance.now();
  const lane = `${priority} ${key}`;
  return { index, lane, status, retryAfterMs, endedMs, tookMs: endedMs - startedMs, error };
}

/** By turns of keys and classes: every lane has its own. */
function classOf(index: number): Priority {
  return PRIORITIES[Math.floor(Math.abs(index) / KEYS) % PRIORITIES.length]!;
}

async function look(
  server: Server,
  agent: Agent,
  seen: { depth: number; rss: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const text = await metricsOf(server, agent);
    const waiting = [...text.matchAll(/^hearth_queue_depth\{[^}]*\} (\d+)$/gm)];
    const busy = /^hearth_slots\{[^}]*state="busy"\} (\d+)$/m.exec(text)?.[1] ?? '0';
    const depth = waiting.reduce((sum, [, count]) => sum + Number(count), Number(busy));
    seen.depth = Math.max(seen.depth, depth);
    seen.rss = Math.max(seen.rss, rssBytesOf(server.pid)!);
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}

function metricsOf(server: Server, agent: Agent): Promise<string> {
  const url = server.baseUrl.replace(/\/v1$/, '/metrics');
  return new Promise((resolve, reject) => {
    httpRequest(url, { agent, headers: { authorization: 'Bearer key-0' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.once('end', () => resolve(text)).once('error', reject);
    })
      .once('error', reject)
      .end();
  });
}

/**
 * Answers that came after one of the same lane that was asked later: by more than a pause of either process
 * may swap two requests on their way.
 */
function inversions(served: readonly Answer[]): number {
  const last = new Map<string, number>();
  let count = 0;
  for (const { lane, endedMs, tookMs } of served.toSorted((a, b) => a.endedMs - b.endedMs)) {
    const askedMs = endedMs - tookMs;
    const latestMs = last.get(lane) ?? Number.NEGATIVE_INFINITY;
    if (askedMs + ON_THE_WAY_MS < latestMs) count += 1;
    last.set(lane, Math.max(askedMs, latestMs));
  }
  return count;
}

function configText(): string {
  const lines = [
    '[limits]',
    `queue_depth_max = ${DEPTH_MAX}`,
    `queue_depth_high_spare = ${HIGH_SPARE}`,
  ];
  return `${[...lines, ...keyTables()].join('\n')}\n`;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
