/**
 * `npm run bench -- workers`: many workers of one model at once. 100 of them from `start` until each can answer,
 * against 100 bare Node processes from their spawn until each has printed a byte, in turns; then 250, all asked, and
 * all gone.
 *
 * Bars    100 workers ≤ 2.5 × of the bare processes; of 250 none is missing, restarted or left, and every answer is
 *         right. Source: rows SP-195, SP-213, SP-214, SP-270; workers.md.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '../src/core/clock.ts';
import { silentLog } from '../src/core/log.ts';
import { silentObserver } from '../src/core/observer.ts';
import { Orchestrator } from '../src/orchestrator/orchestrator.ts';
import { GREEDY } from '../tests/support/greedy.ts';
import type { BenchOptions } from './lib/options.ts';
import { isWorker, processTree } from './lib/proc.ts';
import { Report, ROOT } from './lib/report.ts';
import { pairedRatio, showSpread, spreadOf } from './lib/stats.ts';

const COMPARED = 100;
const MANY = 250;
const REQUESTS_EACH = 4;
const LIMIT = 2.5;
/** The first fills the compile cache. */
const WARM_UP_ROUNDS = 1;

export async function runWorkers({ rounds, signal }: BenchOptions): Promise<number> {
  const report = new Report('workers', 'Many workers of one model');
  report.note(
    `The fake model, one slot each; ${rounds} rounds in turns, medians (range in brackets).`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'hearth-workers-'));
  const path = join(folder, 'fake.json');
  writeFileSync(path, JSON.stringify({ vocabulary: 'bytes' }));
  const times = { workers: [] as number[], bare: [] as number[] };
  const many: { readyMs: number; wrong: number; restarts: number; left: number }[] = [];
  try {
    for (let round = -WARM_UP_ROUNDS; round < rounds && !signal.aborted; round++) {
      const bareMs = await startBare(COMPARED);
      const { readyMs } = await startWorkers(path, COMPARED);
      if (round < 0) continue;
      times.bare.push(bareMs);
      times.workers.push(readyMs);
    }
    for (let round = 0; round < rounds && !signal.aborted; round++) {
      many.push(await startWorkers(path, MANY));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const ratio = pairedRatio(times.workers, times.bare);
  const readyMs = spreadOf(many.map((one) => one.readyMs));
  report.table(
    ['', 'ready, ms'],
    [
      [`${COMPARED} bare Node processes`, showSpread(spreadOf(times.bare), 0)],
      [`${COMPARED} workers`, showSpread(spreadOf(times.workers), 0)],
      ['workers against bare', `${showSpread(ratio, 2)} ×`],
      [`${MANY} workers`, showSpread(readyMs, 0)],
    ],
  );
  report.note(
    `Each of the ${many.length} times ${MANY} workers were started, ${MANY * REQUESTS_EACH} requests were asked at once.`,
  );
  const sum = (of: 'wrong' | 'restarts' | 'left') => many.reduce((all, one) => all + one[of], 0);
  const bars = [
    [`${COMPARED} workers against bare processes`, ratio.median, LIMIT, ' ×'],
    [`answers of ${MANY} workers that were wrong`, sum('wrong'), 0, ''],
    ['workers that were restarted', sum('restarts'), 0, ''],
    ['workers that were left', sum('left'), 0, ''],
  ] as const;
  for (const [name, value, limit, unit] of bars) {
    report.bar({ name, value, limit, rule: 'at most', unit });
  }
  report.data('times', times);
  report.data('many', many);
  return report.finish();
}

async function startBare(count: number): Promise<number> {
  const startedMs = performance.now();
  const program = "process.stdout.write('x');setInterval(() => {}, 60_000);";
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    }),
  );
  await Promise.all(children.map(({ stdout }) => once(stdout, 'data')));
  const ms = performance.now() - startedMs;
  await Promise.all(
    children.map((child) => {
      child.kill('SIGKILL');
      return once(child, 'exit');
    }),
  );
  return ms;
}

async function startWorkers(path: string, count: number) {
  let restarts = 0;
  const startedMs = performance.now();
  const ready = Promise.withResolvers<void>();
  let loaded = 0;
  const orchestrator = new Orchestrator({
    models: [
      {
        ...{ name: 'm', backend: 'fake', path, replicas: count, slots: 1, highSpare: 0 },
        ...{ contextTokens: 4_096, threads: 1, preload: true, pin: false, gpu: 'off' },
        ...{ keepAliveMs: Number.POSITIVE_INFINITY, recycle: {}, defaults: {} },
      },
    ],
    limits: {
      queueDepthMax: count * REQUESTS_EACH,
      queueDepthHighSpare: 0,
      queueTimeoutMs: { high: 60_000, normal: 60_000, low: 60_000 },
      weights: { high: 8, normal: 3, low: 1 },
      agedAfterMs: { high: 2_000, normal: 10_000, low: 30_000 },
    },
    worker: {
      ...{ startTimeoutMs: 30_000, loadTimeoutMs: 60_000, drainTimeoutMs: 30_000 },
      ...{ killTimeoutMs: 5_000, heartbeatIntervalMs: 1_000, heartbeatMisses: 30 },
      ...{ heartbeatDependent: true, silenceLimitMs: 60_000, stepFloorMs: 30_000 },
      ...{ restartMax: 3, restartPeriodMs: 60_000, probeAfterMs: 30_000 },
      environment: {
        PATH: process.env.PATH ?? '',
        NODE_COMPILE_CACHE: join(ROOT, '.cache/compile'),
      },
    },
    cores: availableParallelism(),
    clock: systemClock,
    log: silentLog,
    observer: {
      ...silentObserver,
      modelLoaded: () => {
        loaded += 1;
        if (loaded === count) ready.resolve();
      },
      workerRestarted: () => {
        restarts += 1;
      },
    },
    newRunId: () => crypto.randomUUID(),
  });
  await orchestrator.start();
  await ready.promise;
  const readyMs = performance.now() - startedMs;
  const asks = Array.from({ length: count * REQUESTS_EACH }, (_, n) => ask(orchestrator, n));
  const wrong = (await Promise.all(asks)).filter((isRight) => !isRight).length;
  await orchestrator.close();
  const left = processTree(process.pid).filter(isWorker).length;
  return { readyMs, wrong, restarts, left };
}

async function ask(orchestrator: Orchestrator, number: number): Promise<boolean> {
  const text = `${number} has a number of its own`;
  const ticket = await orchestrator.submit(
    { model: 'm', prompt: { text }, sampling: GREEDY, stops: [], maxTokens: text.length },
    {
      requestId: `r${number}`,
      tenant: 'bench',
      priority: 'normal',
      signal: new AbortController().signal,
    },
  );
  let said = '';
  for await (const event of ticket.events) if (event.type === 'delta') said += event.text;
  return said === text;
}
