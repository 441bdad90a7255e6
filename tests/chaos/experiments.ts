/**
 * The faults that must be survived, as seeded experiments over real processes. Each says what its fault
 * did: one whose fault did not take effect proves nothing and fails.
 *
 * Numbers are those of the fault table in the design of the workers.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { processFacts } from '../../src/orchestrator/registry/processes.ts';
import { CliHome } from '../support/cli.ts';
import { checkHistory, type Rules } from './history.ts';
import type { World } from './world.ts';

export interface Experiment {
  readonly number: number;
  readonly name: string;
  readonly rules: Rules;
  /** Arguments of the server. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Returns how often the fault took effect, and what was wrong beyond the history. */
  readonly run: (
    world: World,
  ) => Promise<{ readonly faults: number; readonly problems?: readonly string[] }>;
}

const SLEEP_MS = 4_000;
const WORKER_DIED = ['worker_crashed'];
const RESTARTS = /^hearth_worker_restarts_total\{.*\} (\d+)/gm;

export const EXPERIMENTS: readonly Experiment[] = [
  {
    number: 1,
    name: 'a worker is killed in the middle of answers',
    rules: { mayFailWith: WORKER_DIED },
    run: async (world) => {
      let faults = 0;
      const loading = world.load({ clients: 8, requests: 60 });
      for (let kill = 0; kill < 5; kill++) {
        const before = world.outcomes.length;
        await world.until(() => world.outcomes.length >= Math.min(55, before + 3 + world.below(5)));
        faults += killWorker(world);
        await world.until(
          async () => (await world.metric(/^hearth_model_loaded\{.*\} (\d)/gm)) === 1,
        );
      }
      await loading;
      return { faults, problems: await atWork(world) };
    },
  },
  {
    number: 2,
    name: 'a worker dies before the first byte: answered once, by the next one',
    rules: { mayFailWith: [] },
    run: async (world) => {
      // Each has a number of its own: the first worker that sees it dies with it.
      const each = (index: number) =>
        index % 7 === 3 ? { commands: `[[die-once:${index + 1}]]` } : {};
      // One at a time, or a bystander would be in two deaths.
      await world.load({ clients: 1, requests: 22, each });
      return { faults: await world.metric(RESTARTS), problems: await atWork(world) };
    },
  },
  {
    number: 4,
    name: 'the server is killed under load: no worker outlives it, the next one starts in its place',
    rules: { mayFailWith: ['connection'] },
    run: async (world) => {
      const problems: string[] = [];
      const loading = world.load({ clients: 6, requests: 30 });
      await world.until(() => world.outcomes.length >= 5 + world.below(10));
      const pids = world.workerPids();
      await world.killServer();
      const diedMs = performance.now();
      await world.until(() => pids.every((pid) => processFacts(pid) === undefined));
      const goneMs = performance.now() - diedMs;
      if (goneMs > 5_000) problems.push(`workers were gone after ${goneMs.toFixed(0)} ms`);
      await loading;
      await world.start();
      await world.ask(30);
      return { faults: pids.length, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 5,
    name: 'a worker is stopped: killed, replaced, and not raised from the dead',
    rules: { mayFailWith: ['worker_hung'] },
    env: { HEARTH_WORKER_HEARTBEAT_INTERVAL_MS: '100', HEARTH_WORKER_HEARTBEAT_MISSES: '3' },
    run: async (world) => {
      const loading = world.load({ clients: 4, requests: 24 });
      await world.until(() => world.outcomes.length >= 3 + world.below(5));
      const [pid] = world.workerPids();
      process.kill(pid!, 'SIGSTOP');
      await world.until(() => processFacts(pid!) === undefined);
      await loading;
      return { faults: 1, problems: await atWork(world) };
    },
  },
  {
    number: 7,
    name: 'clients leave at random points: what they asked for ends with them',
    rules: { mayFailWith: [] },
    run: async (world) => {
      const files = world.openFiles();
      const each = () =>
        world.below(2) === 0 ? { leavesAfter: 1 + world.below(60), tokens: 200 } : {};
      await world.load({ clients: 12, requests: 80, each });
      const busy = () => world.metric(/^hearth_slots\{.*state="busy"\} (\d+)/gm);
      await world.until(async () => (await busy()) === 0);
      const problems = await atWork(world);
      await world.until(() => world.openFiles() <= files + 4);
      return { faults: world.outcomes.filter(({ end }) => end === 'left').length, problems };
    },
  },
  {
    number: 15,
    name: 'a second server wants the same folder: refused, and the first does not notice',
    rules: { mayFailWith: [] },
    run: async (world) => {
      using home = new CliHome();
      const loading = world.load({ clients: 4, requests: 20 });
      const args = ['serve', '--port', '0', '--admin-port', '0', '--state-dir', world.stateDir];
      const { code, stderr } = await home.run([...args, '--model', `m=${home.fakeModel()}`]);
      await loading;
      const isNamed = stderr.includes(`pid ${world.serverPid()}`);
      return { faults: code === 1 && isNamed ? 1 : 0, problems: await atWork(world) };
    },
  },
  {
    number: 27,
    name: 'SIGTERM during streams: what runs ends, nothing new begins, exit 0',
    rules: { mayFailWith: ['draining', 'connection'] },
    run: async (world) => {
      const running = Array.from({ length: 4 }, () => world.ask(300));
      await world.until(
        async () => (await world.metric(/^hearth_slots\{.*"busy"\} (\d+)/gm)) === 4,
      );
      const exited = once(world.server.child, 'exit');
      world.server.child.kill('SIGTERM');
      const ends = (await Promise.all(running)).map(({ end }) => end);
      const [code] = (await exited) as [number | null];
      const problems = ends.every((end) => end === 'answered') ? [] : [`running ones: ${ends}`];
      if (code !== 0) problems.push(`exit ${code}`);
      const late = await world.ask(10);
      if (late.end !== 'failed') problems.push(`a request after the end was ${late.end}`);
      return { faults: 1, problems };
    },
  },
  {
    number: 28,
    name: 'the machine sleeps: server and workers stand still, and nobody is killed for it',
    rules: { mayFailWith: [] },
    env: { HEARTH_WORKER_HEARTBEAT_INTERVAL_MS: '300', HEARTH_WORKER_HEARTBEAT_MISSES: '4' },
    run: async (world) => {
      const loading = world.load({ clients: 4, requests: 24 });
      await world.until(() => world.outcomes.length >= 3 + world.below(5));
      const asleep = [world.serverPid(), ...world.workerPids()];
      for (const pid of asleep) process.kill(pid, 'SIGSTOP');
      // The fault itself: three times as long as a worker may be silent.
      await sleep(SLEEP_MS);
      for (const pid of asleep) process.kill(pid, 'SIGCONT');
      await loading;
      const restarts = await world.metric(RESTARTS);
      const problems = restarts === 0 ? [] : [`${restarts} workers were killed`];
      return { faults: asleep.length, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 29,
    name: 'a request kills its worker each time, and its client tries on: two workers, not all',
    rules: { mayFailWith: WORKER_DIED },
    run: async (world) => {
      let poisoned = 0;
      const poison = async () => {
        for (let attempt = 0; attempt < 6; attempt++) {
          const body = { model: 'test-model', prompt: '[[die]]poison', max_tokens: 5 };
          const response = await fetch(`http://127.0.0.1:${world.server.port}/v1/completions`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(body),
          });
          if (response.status === 502) poisoned += 1;
        }
      };
      await poison();
      await world.load({ clients: 4, requests: 12 });
      const died = await world.metric(RESTARTS);
      const problems = died === 2 ? [] : [`${died} workers were replaced`];
      if (poisoned !== 6) problems.push(`${poisoned} of 6 poisoned requests were refused`);
      return { faults: died, problems: [...problems, ...(await atWork(world))] };
    },
  },
];

/** Everything that was wrong, in words; empty when all held. */
export async function runExperiment(
  experiment: Experiment,
  world: World,
): Promise<readonly string[]> {
  const problems: string[] = [];
  try {
    await world.start(experiment.args, experiment.env);
    const { faults, problems: found = [] } = await experiment.run(world);
    if (faults === 0) problems.push('the fault took no effect');
    problems.push(...found, ...checkHistory(world.outcomes, experiment.rules));
  } catch (error) {
    problems.push(String(error));
  }
  return [...problems, ...(await world.end())];
}

function killWorker(world: World): number {
  const [pid] = world.workerPids();
  if (pid === undefined) return 0;
  process.kill(pid, 'SIGKILL');
  return 1;
}

/** After a fault: it answers, counts what it did, and holds nothing of what is over. */
async function atWork(world: World): Promise<readonly string[]> {
  const problems: string[] = [];
  const { end, code } = await world.ask(20);
  if (end !== 'answered') problems.push(`afterwards a request was ${end} with ${code}`);
  const waiting = await world.metric(/^hearth_queue_depth\{.*\} (\d+)/gm);
  if (waiting !== 0) problems.push(`${waiting} requests are counted as waiting and there are none`);
  const busy = await world.metric(/^hearth_slots\{.*state="busy"\} (\d+)/gm);
  if (busy !== 0) problems.push(`${busy} slots are busy with nothing`);
  return problems;
}
