/** Faults 9, 10, 11: what a worker says, and where. */
import { setTimeout as sleep } from 'node:timers/promises';

import { encodeFrame } from '../../../src/ipc/codec.ts';
import { processFacts } from '../../../src/orchestrator/registry/processes.ts';
import type { CutOrders } from '../../fixtures/workers/cuts-frames.ts';
import type { SayOrders } from '../../fixtures/workers/says-on-signal.ts';
import { atWork, type Experiment, RESTARTS } from '../experiment.ts';
import type { World } from '../world.ts';

const BROKEN = /^hearth_worker_restarts_total\{reason="worker_protocol"\} (\d+)/gm;
const FIRST_TOKENS = /^hearth_ttft_seconds_count\{.*\} (\d+)/gm;
const CUTS: readonly CutOrders['cuts'][] = ['bytes', 'random', 'bursts'];

export const FRAMES: readonly Experiment[] = [
  {
    number: 9,
    name: 'frames come in pieces and glued together: they say the same',
    rules: { mayFailWith: [] },
    env: { HEARTH_LOG_LEVEL: 'debug' },
    prepare: (world) => {
      const orders: CutOrders = { seed: world.below(1e9), cuts: CUTS[world.below(3)]! };
      world.setWorker('cuts-frames', orders);
    },
    run: async (world) => {
      await world.load({ clients: 6, requests: 20 });
      const hasCut = () => world.server.output().includes('cut 20 pieces');
      await world.until(hasCut);
      const restarts = await world.metric(RESTARTS);
      const problems = restarts === 0 ? [] : [`${restarts} workers were replaced`];
      return { faults: Number(hasCut()), problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 10,
    name: 'a library prints on stdout and stderr what it likes: logged, and no answer is touched',
    rules: { mayFailWith: [] },
    env: { HEARTH_LOG_LEVEL: 'debug' },
    prepare: (world) => world.setWorker('says-on-signal'),
    run: async (world) => {
      const problems: string[] = [];
      const loading = world.load({ clients: 6, requests: 40 });
      const times = 4;
      for (let time = 0; time < times; time++) {
        const { outcomes } = world;
        const enough = Math.min(38, outcomes.length + 1 + world.below(8));
        await world.until(() => outcomes.length >= enough);
        const said = `said ${time} times`;
        // A line of its own, whatever was left open before it.
        const noise = Buffer.concat([makeNoise(world), Buffer.from(`\n${said}\n`)]);
        const to = ['stdout', 'stderr'][world.below(2)]!;
        say(world, { [to]: noise.toString('base64') });
        await world.until(() => world.server.output().includes(said));
      }
      await loading;
      const restarts = await world.metric(RESTARTS);
      if (restarts !== 0) problems.push(`${restarts} workers were replaced`);
      return { faults: times, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 11,
    name: 'a worker writes what is no frame: killed, its requests are told, the next one serves',
    rules: { mayFailWith: ['worker_protocol'] },
    prepare: (world) => world.setWorker('says-on-signal'),
    run: async (world) => {
      const problems: string[] = [];
      const kinds = Object.keys(BAD_BYTES);
      for (let time = 0; time < 3; time++) {
        const [kind] = kinds.splice(world.below(kinds.length), 1);
        const [pid] = world.workerPids();
        const before = await world.metric(FIRST_TOKENS);
        const streams = Array.from({ length: 4 }, () => world.ask(1_000));
        await world.until(async () => (await world.metric(FIRST_TOKENS)) >= before + 4);
        await sleep(world.below(50)); // anywhere in the streams
        say(world, { channel: BAD_BYTES[kind!]!.toString('base64') });
        const told = (await Promise.all(streams)).map(({ end, code }) => code ?? end);
        if (told.some((code) => code !== 'worker_protocol')) problems.push(`${kind}: ${told}`);
        if (processFacts(pid!) !== undefined) problems.push(`${kind}: the worker lives`);
        await world.until(() => world.isModel('ready'));
      }
      const faults = await world.metric(BROKEN);
      if (faults !== 3) problems.push(`${faults} of 3 were replaced for what they wrote`);
      return { faults, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 11,
    name: 'a worker of another version: refused by name, and not tried again until it is another one',
    rules: { mayFailWith: ['worker_crashed'] },
    prepare: (world) => world.setWorker('says-on-signal'),
    run: async (world) => {
      const problems: string[] = [];
      await world.load({ clients: 4, requests: 4 + world.below(8) });
      world.setWorker('wrong-version');
      process.kill(world.workerPids()[0]!, 'SIGKILL');
      await world.until(() => world.isModel('failed'));
      const restarts = await world.metric(RESTARTS);
      for (let asked = 0; asked < 5; asked++) {
        const { status, code, message } = await world.complete('x');
        const isTold = status === 503 && code === 'model_failed' && message.includes('version 999');
        if (!isTold) problems.push(`told ${status} ${code}: ${message}`);
      }
      if ((await world.metric(RESTARTS)) !== restarts) problems.push('it was tried again');
      // The other build is put right, and the model is another file: tried at once.
      world.setWorker('says-on-signal');
      world.writeModel({});
      await world.until(() => world.isModel('ready'));
      await world.load({ clients: 4, requests: 8 });
      return { faults: restarts, problems: [...problems, ...(await atWork(world))] };
    },
  },
];

function say(world: World, orders: SayOrders): void {
  world.setWorker('says-on-signal', orders);
  process.kill(world.workerPids()[0]!, 'SIGUSR2');
}

/** What libraries print, and what only looks like something of ours; some of it several times. */
function makeNoise(world: World): Buffer {
  const finished = { type: 'finished', call: 1, reason: 'stop', promptTokens: 1, cachedTokens: 0 };
  const pieces = [
    '\u001b[1;32mLoading model\u001b[0m ...',
    '\u001b]0;title\u0007\u001b[2J\u001b[1;1H',
    '\u0000\u0000\u0000\u0000',
    '\r 12 %\r 42 %\r100 %\n',
    '{"level":30,"event":"failed","msg":"not ours"}\n',
    'data: [DONE]\n\n',
    'x'.repeat(1 + world.below(200_000)),
    Buffer.from([0xff, 0xfe, 0xc3]),
    encodeFrame({ ...finished, generatedTokens: 0 }),
  ];
  const count = 1 + world.below(12);
  return Buffer.concat(
    Array.from({ length: count }, () => Buffer.from(pieces[world.below(pieces.length)]!)),
  );
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function frameOf(kind: number, ...rest: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([kind]), ...rest]);
  return Buffer.concat([u32(body.length), body]);
}

const BAD_BYTES: Readonly<Record<string, Buffer>> = {
  'length 2^31': u32(2 ** 31),
  'length -1': u32(2 ** 32 - 1),
  'length above the limit': u32(16 * 1024 * 1024 + 1),
  'length 0': u32(0),
  'unknown kind': frameOf(7, Buffer.from('{}')),
  'header beyond its frame': frameOf(1, u32(1_000_000), Buffer.from('{}')),
  'not UTF-8': frameOf(0, Buffer.from([0xff, 0xfe])),
  'not JSON': frameOf(0, Buffer.from('{"type":')),
  'no message': encodeFrame({ type: 'nonsense' }),
  'a second hello of another version': encodeFrame({
    ...{ type: 'hello', version: 999, runId: 'another', backend: 'fake', build: '0', pid: 1 },
  }),
  'text between frames': Buffer.from('warning: slow tokenizer\n'),
};
