/** Faults 6, 8: the network between clients and server is slow, or stands still. */
import { readFileSync } from 'node:fs';

import { atWork, type Experiment } from '../experiment.ts';
import { NarrowProxy } from '../narrow-proxy.ts';
import { RawClient, rawCompletion } from '../raw-client.ts';
import type { World } from '../world.ts';

const MB = 1_000_000;
const READERS = 50;
const SLOW_READER_MS = 1_000;
/** The server looks twice in that time, and a stream is cut at the third look at the latest. */
const CUT_WITHIN_MS = 1.5 * SLOW_READER_MS + 3_000;
/** Of nine in ten: the rest is for the pauses of a busy machine. Alone they take a tenth of it. */
const OTHERS_WITHIN_MS = 500;
/** Each is six bytes on the wire, more than lie in all buffers on the way. They are echoed at once. */
const PROMPT_TOKENS = 20_000;
/** Within the first answers, and so early that far more than what lies in buffers is still to come. */
const STILL_AFTER_BYTES = 40_000;
/** What a worker may be ahead of the reader of a stream, and as much again on the way. */
const AHEAD_TOKENS = 512;
/** For the prompts and their echoes, a few copies of each. */
const GROWTH_MAX_BYTES = 100 * MB;

const BUSY = /^hearth_slots\{.*state="busy"\} (\d+)/gm;
const WAITING = /^hearth_queue_depth\{.*\} (\d+)/gm;
const CUT = /^hearth_requests_total\{.*status="408"\} (\d+)/gm;
const FIRST_TOKENS = /^hearth_ttft_seconds_count\{.*\} (\d+)/gm;
const KV_TOKENS = /^hearth_kv_tokens\{.*state="used"\} (\d+)/gm;

const SETTINGS = {
  args: () => ['--context-tokens', '200000'],
  env: {
    HEARTH_SERVER_SLOW_READER_S: String(SLOW_READER_MS / 1_000),
    HEARTH_WORKER_HEARTBEAT_INTERVAL_MS: '100',
    HEARTH_WORKER_HEARTBEAT_MISSES: '100',
  },
  // As fast as it can: what holds it back is its readers.
  prepare: (world: World) => world.writeModel({ tokensPerSecond: 0 }),
};

export const NETWORK: readonly Experiment[] = [
  {
    number: 6,
    name: 'fifty clients read a byte a second: cut at their deadline, and others do not notice',
    rules: { mayFailWith: [] },
    ...SETTINGS,
    args: () => [...SETTINGS.args(), '--slots', String(READERS + 8)],
    run: async (world) => {
      const problems: string[] = [];
      await world.load({ clients: 4, requests: 8 });
      const kvBefore = await world.metric(KV_TOKENS);
      const tokensBefore = await world.metric(FIRST_TOKENS);
      const restBytes = rssBytes(world.serverPid());
      await using proxy = await NarrowProxy.start(world.server.port);
      await proxy.be('slow');
      const readers = Array.from({ length: READERS }, () => new RawClient(proxy.port));
      const lengths = readers.map(() => PROMPT_TOKENS - world.below(PROMPT_TOKENS / 20));
      for (const [index, reader] of readers.entries()) {
        reader.send(longAnswer(world, lengths[index]!));
      }
      await world.until(async () => (await world.metric(FIRST_TOKENS)) >= tokensBefore + READERS);
      const beganMs = performance.now();
      let [mostBytes, mostTokens] = [0, 0];
      const times: number[] = [];
      const isOver = () => readers.every(({ isClosed }) => isClosed);
      const others = async () => {
        while (!isOver()) {
          const askedMs = performance.now();
          await world.ask(40 + world.below(100));
          times.push(performance.now() - askedMs);
        }
      };
      await Promise.all([
        others(),
        others(),
        world.until(async () => {
          mostBytes = Math.max(mostBytes, rssBytes(world.serverPid()) - restBytes);
          mostTokens = Math.max(mostTokens, await world.metric(KV_TOKENS));
          return isOver();
        }),
      ]);
      const cutMs = performance.now() - beganMs;
      if (cutMs > CUT_WITHIN_MS) problems.push(`the last was cut after ${cutMs.toFixed(0)} ms`);
      const late = times.filter((timeMs) => timeMs > OTHERS_WITHIN_MS);
      if (late.length > times.length / 10) {
        problems.push(
          `${late.length} of ${times.length} others took more than ${OTHERS_WITHIN_MS} ms`,
        );
      }
      if (mostBytes > GROWTH_MAX_BYTES) problems.push(`the server grew by ${mostBytes} bytes`);
      const unread = mostTokens - kvBefore - lengths.reduce((sum, length) => sum + length, 0);
      if (unread > READERS * AHEAD_TOKENS) {
        problems.push(`${unread} tokens were made that nobody read`);
      }
      const cut = await world.metric(CUT);
      if (cut !== READERS) problems.push(`${cut} of ${READERS} were cut`);
      return { faults: cut, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 8,
    name: 'the network stands still and nobody hangs up: slots come back, others are served',
    rules: { mayFailWith: [] },
    ...SETTINGS,
    run: async (world) => {
      const problems: string[] = [];
      await world.load({ clients: 4, requests: 8 });
      const files = world.openFiles();
      await using proxy = await NarrowProxy.start(world.server.port);
      const clients = Array.from({ length: 20 }, () => new RawClient(proxy.port));
      const streams = clients.splice(0, 4);
      const behind = clients.splice(0, 1 + world.below(6));
      const halves = clients.splice(0, 1 + world.below(6));
      for (const half of halves) half.send(cutAnywhere(world, shortAnswer(world)));
      const { port } = world.server;
      for (const idle of clients)
        idle.send(`GET /health HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
      await world.until(() => clients.every(({ receivedBytes }) => receivedBytes > 0));
      // These have the slots until those stand in the queue that are to have them.
      const first = Array.from({ length: 4 }, () => new RawClient(port));
      for (const holder of first) holder.send(longAnswer(world, 10, '[[slow:5]]'));
      await world.until(async () => (await world.metric(BUSY)) === first.length);
      for (const stream of streams) stream.send(longAnswer(world, 4 * PROMPT_TOKENS));
      await world.until(async () => (await world.metric(WAITING)) === streams.length);
      for (const client of behind) client.send(shortAnswer(world));
      const isStill = proxy.be(`still ${1 + world.below(STILL_AFTER_BYTES)}`);
      for (const holder of first) holder.leave();
      await isStill;
      const beganMs = performance.now();
      // Their turn comes when the streams have been cut.
      await world.load({ clients: 4, requests: 12 });
      const isOver = async () =>
        (await world.metric(CUT)) === streams.length && (await world.metric(BUSY)) === 0;
      await world.until(isOver);
      const cutMs = performance.now() - beganMs;
      if (cutMs > CUT_WITHIN_MS) problems.push(`it held them for ${cutMs.toFixed(0)} ms`);
      problems.push(...(await atWork(world)));
      // The cable is mended: now the server hears that nobody is there.
      await proxy[Symbol.asyncDispose]();
      await world.until(() => world.openFiles() <= files + 4);
      return { faults: streams.length, problems };
    },
  },
];

function shortAnswer(world: World): string {
  const fields = { model: 'test-model', prompt: 'x', max_tokens: 100, stream: true };
  return rawCompletion(world.server.port, fields);
}

function cutAnywhere(world: World, request: string): string {
  return request.slice(0, 1 + world.below(request.length - 1));
}

/** It begins with its prompt, and nobody is to see its end. */
function longAnswer(world: World, promptTokens: number, commands = ''): string {
  const prompt = commands + '\u0001'.repeat(promptTokens);
  const fields = { model: 'test-model', prompt, stream: true, echo: true, temperature: 0 };
  return rawCompletion(world.server.port, { ...fields, ignore_eos: true, max_tokens: 100_000 });
}

function rssBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024;
}
