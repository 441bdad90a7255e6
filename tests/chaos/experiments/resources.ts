/** Faults 13, 14, 20: a disk, file numbers or memory that are used up. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { processFacts } from '../../../src/orchestrator/registry/processes.ts';
import { readRegistry } from '../../../src/orchestrator/registry/registry-file.ts';
import { atWork, type Experiment, killWorker, RESTARTS, WORKER_DIED } from '../experiment.ts';
import type { World } from '../world.ts';

const OTHER = 'other-model';
const MB = 1_000_000;

/** Of the server, together: what it has open and some dozens of connections. */
const FILES_MAX = 64;
const CONNECTIONS = 500;
/** Of one second, while nothing is asked of the server: as much as a tenth of a core. */
const IDLE_CPU_MS = 100;

export const RESOURCES: readonly Experiment[] = [
  {
    number: 13,
    name: 'the disk of the state folder is full: requests are served, and what is on it stays whole',
    rules: { mayFailWith: WORKER_DIED },
    run: async (world) => {
      const problems: string[] = [];
      const says = (what: string) => world.server.output().includes(what);
      // Stands in for a disk that fills up: files of the server end after so many bytes.
      limit(world.serverPid(), `fsize=${world.below(200)}`);
      let isLoading = true;
      const loading = world.load({ clients: 6, requests: 40 }).then(() => {
        isLoading = false;
      });
      let deaths = killWorker(world);
      const watching = world.until(() => {
        const read = readRegistry(world.stateDir);
        if (read.kind !== 'good') problems.push(`the registry is ${read.kind}`);
        return !isLoading || problems.length > 0;
      });
      await world.until(() => says('cannot write the registry of workers'));
      await world.until(() => world.isModel('ready'));
      await Promise.all([loading, watching]);
      // Nobody but the server knows this one; its death is the next thing to be written down.
      const unwritten = (await listWorkers(world))[0]!.pid;
      limit(world.serverPid(), 'fsize=unlimited');
      process.kill(unwritten, 'SIGKILL');
      deaths += 1;
      await world.until(() => says('the registry of workers is written again'));
      await world.until(() => world.isModel('ready'));
      const [written, running] = [world.workerPids(), await listWorkers(world)];
      if (written.join() !== running.map(({ pid }) => pid).join()) {
        problems.push(`the registry names ${written} and ${JSON.stringify(running)} run`);
      }
      const left = readdirSync(world.stateDir).filter((name) => name.endsWith('.new'));
      if (left.length > 0) problems.push(`${left} were left behind`);
      return { faults: deaths, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 14,
    name: 'no file number is left for connections: those beyond are refused, nothing spins, all come back',
    rules: { mayFailWith: ['connection', ...WORKER_DIED] },
    run: async (world) => {
      const problems: string[] = [];
      await world.load({ clients: 4, requests: 4 });
      // Over a connection that is kept: it is asked over it while there are no others.
      await world.metric(RESTARTS);
      const files = world.openFiles();
      limit(world.serverPid(), `nofile=${FILES_MAX}`);
      const { held, refused } = await holdConnections(world, files);
      // A worker that dies now cannot be replaced until there are numbers again.
      const deaths = world.below(2) === 0 ? killWorker(world) : 0;
      // Refused, or taken over what the dead worker gave back, and then waiting for the next one.
      const asking = world.load({ clients: 4, requests: 8 });
      problems.push(...(await judgeIdle(world, 'without a file number')));
      for (const socket of held) socket.destroy();
      await asking;
      await world.until(() => world.openFiles() <= files + 4);
      limit(world.serverPid(), 'nofile=1024');
      await world.until(() => world.isModel('ready'));
      if (deaths !== (await world.metric(RESTARTS))) problems.push('another worker died');
      problems.push(...(await atWork(world)), ...(await judgeIdle(world, 'afterwards')));
      return { faults: refused, problems };
    },
  },
  {
    number: 20,
    name: 'a worker has no memory left: it alone dies, its request is told why and not tried for ever',
    rules: { mayFailWith: [] },
    args: (world) => ['--context-tokens', '1000', '--model', `${OTHER}=${world.modelFile}`],
    // So long that the next worker can be given its limit before it is given the request.
    prepare: (world) => world.writeModel({ loadMs: 300 }),
    run: async (world) => {
      const problems: string[] = [];
      await world.until(() => world.isModel('ready', OTHER));
      const [pid] = world.workerPids('test-model');
      const survivors = [world.serverPid(), ...world.workerPids(OTHER)];
      const limitBytes = dataBytes(pid!) + (24 + world.below(24)) * MB;
      limit(pid!, `data=${limitBytes}`);
      const beside = world.load({ clients: 3, requests: 40, each: () => ({ model: OTHER }) });
      // Far too long, which is only known once its tokens are counted, and they do not fit.
      const prompt = 'y '.repeat(3 * MB + world.below(1 * MB));
      const asked = world.complete(prompt);
      limit(await world.nextWorker(), `data=${limitBytes}`);
      const { status, code, message } = await asked;
      const isTold = code === 'worker_crashed' && message.includes('out of memory');
      if (!isTold) problems.push(`told ${status} ${code}: ${message}`);
      const again = await world.complete(prompt);
      if (!again.message.includes('this very prompt')) {
        problems.push(`tried again: ${again.status} ${again.message}`);
      }
      await beside;
      const died = await world.metric(RESTARTS);
      if (died !== 2) problems.push(`${died} workers were replaced`);
      const dead = survivors.filter((one) => processFacts(one) === undefined);
      if (dead.length > 0) problems.push('it was not the only one');
      return { faults: died, problems: [...problems, ...(await atWork(world))] };
    },
  },
];

/** The soft limit of a process: whoever is not root may raise it again, too. */
function limit(pid: number, resource: string): void {
  execFileSync('prlimit', ['--pid', String(pid), `--${resource}:`]);
}

/** Of the private memory that a process may write to. */
function dataBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmData:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024;
}

async function listWorkers(world: World): Promise<readonly { readonly pid: number }[]> {
  const response = await fetch(`http://127.0.0.1:${world.server.adminPort}/admin/workers`);
  return ((await response.json()) as { workers: { pid: number }[] }).workers;
}

/** All at once. Those that the server took and keeps, and how many it closed again, or never took. */
async function holdConnections(
  world: World,
  files: number,
): Promise<{ readonly held: readonly Socket[]; readonly refused: number }> {
  const sockets = Array.from({ length: CONNECTIONS }, () =>
    connect({ host: '127.0.0.1', port: world.server.port }).on('error', () => {}),
  );
  await Promise.all(
    sockets.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])),
  );
  // Each was taken or closed: the server has as many open as we have.
  await world.until(() => {
    const open = sockets.filter(({ closed }) => !closed).length;
    return open <= world.openFiles() - files;
  });
  const held = sockets.filter(({ closed }) => !closed);
  return { held, refused: CONNECTIONS - held.length };
}

/** What the server takes of the machine while nothing is asked of it. */
async function judgeIdle(world: World, when: string): Promise<readonly string[]> {
  const beforeMs = cpuMs(world.serverPid());
  await sleep(1_000); // the measurement itself
  const tookMs = cpuMs(world.serverPid()) - beforeMs;
  return tookMs <= IDLE_CPU_MS ? [] : [`${when} it took ${tookMs} ms of a second`];
}

/** User and system time; the clock of `/proc` ticks a hundred times a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
