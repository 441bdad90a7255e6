/**
 * `npm run bench -- start`: from spawn to the first 200 of /ready, with where the time goes, and
 * what the orchestrator weighs; the built package, SmolLM2, llama-server beside it.
 *
 * Bars    ready ≤ 1.5 s; the orchestrator's RSS ≤ 110 MB, also after it has served.
 */
import { availableParallelism } from 'node:os';

import * as z from 'zod';

import { runLoad } from '../src/cli/bench/load.ts';
import { modelFile } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import { buildPackage } from './lib/package.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  REQUEST_LIMIT_MS,
} from './lib/pair.ts';
import { ensurePeer } from './lib/peer-build.ts';
import { isWorker, processTree, rssBytesOf } from './lib/proc.ts';
import { runQuiet } from './lib/quiet.ts';
import { Report } from './lib/report.ts';
import { type Server, startHearth, startPeer } from './lib/servers.ts';
import { showSpread, spreadOf } from './lib/stats.ts';

const MODEL = 'smollm2';
const READY_LIMIT_S = 1.5;
const RSS_LIMIT_MB = 110;
const STREAMS = 8;

interface Start {
  /** Moments and durations by name, ms; the moments count from the spawn. */
  readonly times: Readonly<Record<string, number>>;
  readonly rssReadyMb: number;
  readonly rssServedMb: number;
}

export async function runStart({ rounds, signal }: BenchOptions): Promise<number> {
  const report = new Report('start', 'Start and weight');
  report.note(`Peer: ${ensurePeer()}.`);
  const entry = buildPackage();
  const model = await modelFile(MODEL);
  const options = { model, slots: 4, contextTokens: 4096, threads: availableParallelism(), signal };
  const startPeerOnce = async () => {
    await using server = await startPeer(options);
    return server.readyMs;
  };
  const startOnce = async () => {
    await using server = await startHearth(options, entry);
    return await weigh(server);
  };

  const first = await startOnce();
  report.note(
    `The first start after a build took ${first.times.ready?.toFixed(0)} ms: nothing is compiled and nothing tried out yet. Medians of ${rounds} later ones (range in brackets):`,
  );
  const starts: Start[] = [];
  const peers: number[] = [];
  for (let round = 0; round < rounds; round++) {
    starts.push((await runQuiet([], startOnce)).value);
    peers.push((await runQuiet([], startPeerOnce)).value);
  }

  const names = Object.keys(starts[0]!.times);
  report.table(
    ['what', 'ms'],
    [
      ...names.map((name) => [
        name,
        showSpread(spreadOf(starts.map(({ times }) => times[name] ?? Number.NaN)), 0),
      ]),
      ['llama-server: ready', showSpread(spreadOf(peers), 0)],
    ],
  );
  const ready = spreadOf(starts.map(({ times }) => times.ready!));
  const rssReady = spreadOf(starts.map((one) => one.rssReadyMb));
  const rssServed = spreadOf(starts.map((one) => one.rssServedMb));
  report.table(
    ['RSS of the orchestrator', 'MB'],
    [
      ['when ready', showSpread(rssReady)],
      [`after ${4 * STREAMS} requests`, showSpread(rssServed)],
    ],
  );
  const rule = 'at most';
  report.bar({
    name: 'spawn to /ready',
    value: ready.median / 1000,
    limit: READY_LIMIT_S,
    rule,
    unit: ' s',
  });
  report.bar({
    name: 'RSS when ready',
    value: rssReady.median,
    limit: RSS_LIMIT_MB,
    rule,
    unit: ' MB',
  });
  report.bar({
    name: 'RSS after requests',
    value: rssServed.median,
    limit: RSS_LIMIT_MB,
    rule,
    unit: ' MB',
  });
  report.data('first', first);
  report.data('starts', starts);
  report.data('peerReadyMs', peers);
  return report.finish();
}

async function weigh(server: Server): Promise<Start> {
  const rssReadyMb = orchestratorRssMb(server);
  const random = freshRandom();
  const { outcomes } = await runLoad({
    baseUrl: server.baseUrl,
    route: 'completions',
    streams: STREAMS,
    requestsPerStream: 4,
    body: () => completionBody(freshPrompt(MODEL, 16, random), 16, random),
    timeoutMs: REQUEST_LIMIT_MS,
  });
  assertAnswered(server, outcomes);
  return { times: breakdown(server), rssReadyMb, rssServedMb: orchestratorRssMb(server) };
}

function orchestratorRssMb(server: Server): number {
  const tree = processTree(server.pid).filter((one) => !isWorker(one));
  const sizes = tree.map(({ pid }) => rssBytesOf(pid) ?? 0);
  // The launcher waits beside it and is the smaller one.
  return Math.max(...sizes) / 1e6;
}

const Line = z.looseObject({
  event: z.string().optional(),
  msg: z.string().optional(),
  parts: z.record(z.string(), z.number()).optional(),
});

/** When each thing was said, and the parts of loading as the worker timed them. */
function breakdown(server: Server): Record<string, number> {
  const times: Record<string, number> = {};
  for (const { atMs, text } of server.output) {
    for (const line of text.split('\n')) {
      const said = parseLine(line);
      if (said === undefined) continue;
      if (said.msg === 'worker started') times['worker spawned'] ??= atMs;
      if (said.event === 'listening') times.listening ??= atMs;
      for (const [part, ms] of Object.entries(said.parts ?? {})) times[`loading: ${part}`] ??= ms;
    }
  }
  return { ...times, ready: server.readyMs };
}

function parseLine(line: string): z.output<typeof Line> | undefined {
  try {
    return Line.parse(JSON.parse(line));
  } catch {
    return undefined; // Half a line, or no JSON: only whole records count.
  }
}
