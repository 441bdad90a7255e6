/**
 * `npm run bench -- swap`: two models of 98 MB and memory for one, asked for in turns; llama-server's
 * router with one model at a time beside it, round by round.
 *
 * Bars    every answer is right; after each unload the worker is gone and the memory of everything that the
 *         server started is within 5 % of what it was before that load, within 2 s. The time of a
 *         swap (request to whole answer of 8 tokens) is reported beside the peer's.
 */
import { linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { modelFile } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import { ensurePeer } from './lib/peer-build.ts';
import { isWorker, processTree, rssBytesOf } from './lib/proc.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth, startRouter } from './lib/servers.ts';
import { showSpread, spreadOf } from './lib/stats.ts';

const SWAPS = 10;
const UNLOADS = 5;
const SLOTS = 4;
const CONTEXT_TOKENS = 2048;
/** One takes some 450 MB, its process and the caches of five slots among them. */
const BUDGET_BYTES = 700e6;
const PROMPT = 'The capital of France is';
const BACK_WITHIN_MS = 2_000;
const BACK_WITHIN = 1.05;

export async function runSwap({ signal }: BenchOptions): Promise<number> {
  const report = new Report('swap', 'Two models and memory for one');
  report.note(`Peer: ${ensurePeer()}, as a router with one model at a time.`);
  const folder = mkdtempSync(join(tmpdir(), 'hearth-swap-'));
  try {
    const file = await modelFile('smollm2');
    for (const name of ['a', 'b']) linkSync(file, join(folder, `${name}.gguf`));
    const config = join(folder, 'hearth.toml');
    writeFileSync(config, configText(folder));
    const options = { slots: SLOTS, contextTokens: CONTEXT_TOKENS, signal };
    const threads = availableParallelism();
    await using ours = await startHearth({ ...options, threads, config, highSpare: 1 });
    await using theirs = await startRouter({ ...options, threads, modelsDir: folder });
    const times = { ours: [] as number[], theirs: [] as number[] };
    let wrong = 0;
    // The first of each reads the file and, for us, estimates what it takes.
    for (const server of [ours, theirs]) for (const model of ['a', 'b']) await ask(server, model);
    for (let swap = 0; swap < SWAPS; swap++) {
      const model = swap % 2 === 0 ? 'a' : 'b';
      for (const [server, list] of [
        [ours, times.ours],
        [theirs, times.theirs],
      ] as const) {
        const { ms, text } = await ask(server, model);
        list.push(ms);
        if (server === ours && !text.startsWith(' Paris')) wrong += 1;
      }
      if (workersOf(ours.pid) > 1) wrong += 1;
    }
    await unloadAll(ours, Number.POSITIVE_INFINITY);
    const backs = [];
    for (let round = 0; round < UNLOADS; round++) {
      const before = treeBytes(ours.pid);
      await ask(ours, 'a');
      const back = await unloadAll(ours, before);
      backs.push({ ...back, ratio: back.bytes / before });
    }
    const [hearth, peer] = [spreadOf(times.ours), spreadOf(times.theirs)];
    report.table(
      ['server', 'swap, ms'],
      [
        ['Hearth', showSpread(hearth, 0)],
        ['llama-server, router', showSpread(peer, 0)],
        ['Hearth against it', `${(hearth.median / peer.median).toFixed(2)} ×`],
      ],
    );
    const slowest = Math.max(...backs.map(({ ms }) => ms));
    report.note(
      `${UNLOADS} loads and unloads one by one: the memory was back after ${showSpread(spreadOf(backs.map(({ ms }) => ms)), 0)} ms.`,
    );
    report.data('times', times);
    report.data('unloads', backs);
    const bars = [
      ['answers that were wrong, or two models at once', wrong, 0, ''],
      ['workers left after an unload', Math.max(...backs.map((one) => one.workers)), 0, ''],
      [
        'memory after an unload, against before the load',
        Math.max(...backs.map(({ ratio }) => ratio)),
        BACK_WITHIN,
        ' ×',
      ],
      ['time until then', slowest, BACK_WITHIN_MS, ' ms'],
    ] as const;
    for (const [name, value, limit, unit] of bars) {
      report.bar({ name, value, limit, rule: 'at most', unit });
    }
    return report.finish();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function configText(folder: string): string {
  const models = ['a', 'b'].map((name) => `[models.${name}]\npath = "${join(folder, name)}.gguf"`);
  const limits = `[limits]\nmemory_budget_bytes = ${BUDGET_BYTES}`;
  return `${[limits, '[model_defaults]\npreload = false', ...models].join('\n')}\n`;
}

async function ask(server: Server, model: string): Promise<{ ms: number; text: string }> {
  const startedMs = performance.now();
  const response = await fetch(`${server.baseUrl}/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: PROMPT, max_tokens: 8, temperature: 0 }),
  });
  const body = (await response.json()) as { choices?: { text: string }[] };
  const text = body.choices?.[0]?.text;
  if (text === undefined) throw new Error(`${server.name}: ${JSON.stringify(body)}`);
  return { ms: performance.now() - startedMs, text };
}

/** Until the memory is back, or no longer than it may take. */
async function unloadAll(server: Server, beforeBytes: number) {
  const startedMs = performance.now();
  const { adminPort } = server;
  for (const model of ['a', 'b']) {
    await fetch(`http://127.0.0.1:${adminPort}/admin/unload/${model}`, { method: 'POST' });
  }
  for (;;) {
    const ms = performance.now() - startedMs;
    const bytes = treeBytes(server.pid);
    const workers = workersOf(server.pid);
    const isBack = workers === 0 && bytes <= BACK_WITHIN * beforeBytes;
    if (isBack || ms > BACK_WITHIN_MS) return { ms, bytes, workers };
    await sleep(20);
  }
}

function treeBytes(pid: number): number {
  return processTree(pid).reduce((sum, one) => sum + (rssBytesOf(one.pid) ?? 0), 0);
}

function workersOf(pid: number): number {
  return processTree(pid).filter(isWorker).length;
}
