/** Faults 15, 16, 17, 18: the state folder, what stands in it, and whose it is. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { OwnerLock } from '../../../src/orchestrator/registry/owner-lock.ts';
import {
  formatRegistry,
  readRegistry,
  registryPath,
  type WorkerEntry,
  writeRegistry,
} from '../../../src/orchestrator/registry/registry-file.ts';
import { CliHome, type CliProcess } from '../../support/cli.ts';
import { Stranger } from '../../support/stranger.ts';
import { atWork, type Experiment, RESTARTS } from '../experiment.ts';
import type { World } from '../world.ts';

const RUN_ID = 'run-of-an-earlier-server';
/** Within it a server takes the folder after its start. */
const RACE_MS = 800;
const ENDED = /^hearth_orphans_killed_total (\d+)/gm;
const CANNOT_WRITE = '"msg":"cannot write the registry of workers"';

/** What stands in the place of a good registry; nothing of it may be believed. */
const DAMAGES: readonly ((good: Buffer, world: World) => Buffer)[] = [
  // Without its last line break alone it is whole.
  (good, world) => good.subarray(0, world.below(good.length - 1)),
  (good, world) => Buffer.from(good.map((byte) => (world.below(20) === 0 ? byte ^ 0x15 : byte))),
  (_good, world) =>
    Buffer.from(Array.from({ length: 1 + world.below(9_000) }, () => world.below(256))),
  () => Buffer.alloc(0),
  (good) => Buffer.from(good.toString().replace('"version":1', '"version":99')),
  (good) => Buffer.from(`${good.toString().split('\n')[0]}\n[{"pid":1}]\n`),
  () => Buffer.from(formatRegistry([{ pid: 1 }] as unknown as WorkerEntry[])),
  () => Buffer.from('[]\n'),
];

export const STATE: readonly Experiment[] = [
  {
    number: 15,
    name: 'a second server wants the same folder: refused, and the first does not notice',
    rules: { mayFailWith: [] },
    run: async (world) => {
      using home = new CliHome();
      const loading = world.load({ clients: 4, requests: 20 });
      const { code, stderr } = await home.run(serveArgs(world, home));
      await loading;
      const isNamed = stderr.includes(`pid ${world.serverPid()}`);
      return { faults: code === 1 && isNamed ? 1 : 0, problems: await atWork(world) };
    },
  },
  {
    number: 16,
    name: 'the registry is damaged or cannot be written: set aside, nobody ended by it, served all the same',
    rules: { mayFailWith: [] },
    startsItself: true,
    run: async (world) => {
      const damaged = await startOnDamage(world);
      await world.server.stop();
      const unwritable = await startUnwritable(world);
      return {
        faults: Math.min(damaged.faults, unwritable.faults),
        problems: [...damaged.problems, ...unwritable.problems],
      };
    },
  },
  {
    number: 17,
    name: 'the registry names innocent processes by numbers of the dead: no signal reaches them',
    rules: { mayFailWith: [] },
    startsItself: true,
    run: async (world) => {
      const lefts: readonly [argument: string, more: Partial<WorkerEntry>][] = [
        [`--run-id=${RUN_ID}-1`, { startTime: `boot ${world.below(1e6)}` }],
        [`--run-id=${RUN_ID}-2`, { startTime: undefined }],
        [`--run-id=${RUN_ID}-3${world.below(10)}`, {}],
        [`x--run-id=${RUN_ID}-4`, {}],
        [`--run-id=another-${world.below(1e6)}`, {}],
      ];
      const innocent = await Promise.all(lefts.map(([argument]) => Stranger.start(argument)));
      const orphan = await Stranger.start(`--run-id=${RUN_ID}-0`, { isDeaf: world.below(2) === 0 });
      const entries = innocent.map((one, index) =>
        one.entry(`${RUN_ID}-${index + 1}`, lefts[index]![1]),
      );
      entries.splice(world.below(entries.length + 1), 0, orphan.entry(`${RUN_ID}-0`));
      writeRegistry(world.stateDir, entries);
      const problems: string[] = [];
      try {
        await world.start();
        await world.load({ clients: 4, requests: 12 });
      } finally {
        const ends = await Promise.all(innocent.map((one) => one.end()));
        for (const [index, end] of ends.entries()) {
          if (end !== 0) problems.push(`the process ${lefts[index]![0]} got ${end}`);
        }
      }
      // Proof that the registry was read and acted on.
      const ended = await world.metric(ENDED);
      const end = await orphan.end();
      if (typeof end === 'number') problems.push('the worker of the earlier server was not ended');
      return { faults: ended === 1 ? 1 : 0, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 18,
    name: 'many servers want one folder, while its owner stands still and when it dies: one has it',
    rules: { mayFailWith: [] },
    run: async (world) => {
      using home = new CliHome();
      await using challengers = new AsyncDisposableStack();
      const challenge = () => challengers.use(home.start(serveArgs(world, home)));
      const problems: string[] = [];
      const owner = world.serverPid();
      const asking = world.load({ clients: 2, requests: 8 });
      process.kill(owner, 'SIGSTOP');
      // The lock is the system's own and has no age, so that this is as good as an hour.
      const refused = await Promise.all([challenge(), challenge()].map(recordOf));
      process.kill(owner, 'SIGCONT');
      await asking;
      for (const record of refused) {
        if (!record.isRefusedBy(owner)) problems.push(`beside a stopped owner: ${record}`);
      }
      const restarts = await world.metric(RESTARTS);
      if (restarts !== 0) problems.push(`${restarts} workers were killed`);
      problems.push(...(await atWork(world)));
      // From here on it must be clear whose the folder is.
      if (problems.length > 0) return { faults: refused.length, problems };

      // The fault itself: the owner dies before they start, or at some point of their start.
      const isFree = world.below(2) === 0;
      if (isFree) await world.killServer();
      const racers = [challenge(), challenge(), challenge()];
      await sleep(isFree ? 0 : world.below(RACE_MS));
      if (!isFree) await world.killServer();
      const records = await Promise.all(racers.map(recordOf));
      const won = records.filter(({ pid }) => pid !== undefined);
      world.workerPids();
      if (won.length > 1 || (isFree && won.length === 0))
        problems.push(`${won.length} servers have the folder: ${records}`);
      const holder = OwnerLock.holder(world.stateDir)?.pid;
      if (holder !== won[0]?.pid) problems.push(`${holder} stands as the owner: ${records}`);
      await challengers.disposeAsync();
      await world.start();
      return { faults: refused.length, problems: [...problems, ...(await atWork(world))] };
    },
  },
];

function serveArgs(world: World, home: CliHome): readonly string[] {
  const ports = ['--port', '0', '--admin-port', '0', '--state-dir', world.stateDir];
  return ['serve', '--json', ...ports, '--model', `m=${home.fakeModel()}`];
}

/** What a server says of itself, when it serves or has ended. */
class Standing {
  /** Undefined when it does not serve. */
  readonly pid: number | undefined;
  readonly #said: string;

  constructor(pid: number | undefined, said: string) {
    this.pid = pid;
    this.#said = said;
  }

  isRefusedBy(owner: number): boolean {
    return this.pid === undefined && this.#said.includes(`a Hearth server (pid ${owner}) uses`);
  }

  toString(): string {
    return this.pid === undefined ? this.#said : `pid ${this.pid} serves`;
  }
}

async function recordOf(server: CliProcess): Promise<Standing> {
  const ended = server.exited.then(
    (code) => new Standing(undefined, `exit ${code}: ${server.stderr}`),
  );
  const served = server.untilReady().then(({ pid }) => new Standing(pid, ''));
  return Promise.race([ended, served.catch(() => ended)]);
}

/** It names, correctly, a process that must not die of a file that is damaged. */
async function startOnDamage(world: World) {
  const problems: string[] = [];
  const stranger = await Stranger.start(`--run-id=${RUN_ID}`);
  const good = Buffer.from(formatRegistry([stranger.entry(RUN_ID)]));
  const bytes = DAMAGES[world.below(DAMAGES.length)]!(good, world);
  writeFileSync(registryPath(world.stateDir), bytes);
  try {
    await world.start();
    await world.load({ clients: 4, requests: 12 });
    problems.push(...(await atWork(world)));
    const ended = await world.metric(ENDED);
    if (ended !== 0) problems.push(`${ended} processes were ended`);
    problems.push(...expectWorkers(world, ['test-model-1']));
  } finally {
    const end = await stranger.end();
    if (end !== 0) problems.push(`an innocent process got ${end}`);
  }
  const aside = readdirSync(world.stateDir).filter((name) => name.startsWith('workers.json.2'));
  const kept = aside.filter((name) => readFileSync(join(world.stateDir, name)).equals(bytes));
  return { faults: kept.length, problems };
}

/** A folder has the name of the new file: what a folder that is read-only does, also to root. */
async function startUnwritable(world: World) {
  const problems: string[] = [];
  const obstacle = `${registryPath(world.stateDir)}.new`;
  mkdirSync(obstacle);
  await world.start();
  await world.load({ clients: 4, requests: 12 });
  const said = world.server.output().split(CANNOT_WRITE).length - 1;
  if (said !== 1) problems.push(`that it cannot be written was said ${said} times`);
  rmdirSync(obstacle);
  // A worker dies and another comes: a change that is written.
  await world.ask(20, { commands: '[[die-once:1]]' });
  problems.push(...(await atWork(world)), ...expectWorkers(world, ['test-model-2']));
  return { faults: said, problems };
}

function expectWorkers(world: World, expected: readonly string[]): readonly string[] {
  const read = readRegistry(world.stateDir);
  const ids = read.kind === 'good' ? read.entries.map(({ id }) => id) : [];
  return ids.join() === expected.join() ? [] : [`the registry is ${read.kind}, with ${ids}`];
}
