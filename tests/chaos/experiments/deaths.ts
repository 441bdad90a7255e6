/** Faults 1, 2, 3, 4, 29: workers and the server die. */
import { processFacts } from '../../../src/orchestrator/registry/processes.ts';
import type { Reply } from '../client.ts';
import { atWork, type Experiment, killWorker, RESTARTS, WORKER_DIED } from '../experiment.ts';
import type { World } from '../world.ts';

const CRASH_LOOP = { restartMax: 3, probeAfterMs: 200 };
/** Of the design: what a request to a failed model may take. */
const REFUSED_WITHIN_MS = 50;

export const DEATHS: readonly Experiment[] = [
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
    number: 3,
    name: 'a worker dies at each load: tried a few times, then refused at once, and back by a probe',
    rules: { mayFailWith: WORKER_DIED },
    prepare: (world) => world.writeModel({ loadMs: 50 }),
    env: {
      HEARTH_WORKER_RESTART_MAX: String(CRASH_LOOP.restartMax),
      HEARTH_WORKER_PROBE_AFTER_S: String(CRASH_LOOP.probeAfterMs / 1_000),
    },
    run: async (world) => {
      const problems: string[] = [];
      const { restartMax } = CRASH_LOOP;
      await world.load({ clients: 4, requests: 4 + world.below(8) });
      let deaths = killWorker(world);
      const failed = world.until(() => world.isModel('failed'));
      while (deaths <= restartMax) {
        process.kill(await world.nextWorker(), 'SIGKILL');
        deaths += 1;
      }
      await failed;
      const restarts = await world.metric(RESTARTS);
      if (restarts !== restartMax) problems.push(`${restarts} restarts, allowed are ${restartMax}`);
      // The first probes find it as it was: each is one worker, and opens nothing.
      const probes = 1 + world.below(2);
      const refusals: Reply[] = [];
      const refusing = refuse(world, refusals);
      for (let probe = 0; probe < probes; probe++) {
        process.kill(await world.nextWorker(), 'SIGKILL');
        await world.until(() => world.isModel('failed'));
      }
      await world.until(() => world.isModel('ready'));
      await refusing;
      world.workerPids();
      const started = world.workers.size;
      if (started !== deaths + probes + 1)
        problems.push(`${started} workers after ${deaths} deaths and ${probes} probes`);
      problems.push(...judgeRefusals(refusals));
      return { faults: deaths, problems: [...problems, ...(await atWork(world))] };
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

/** Asks again and again until it is answered. */
async function refuse(world: World, refusals: Reply[]): Promise<void> {
  await world.until(async () => {
    const reply = await world.complete('x');
    if (reply.status === 200) return true;
    refusals.push(reply);
    return false;
  });
}

/** Half of them in time, and none kept waiting: what is beyond is the pause of a busy machine. */
function judgeRefusals(refusals: readonly Reply[]): readonly string[] {
  const times = refusals.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  const median = times[times.length >> 1] ?? Number.NaN;
  const worst = times.at(-1) ?? Number.NaN;
  const others = refusals.filter(
    ({ status, code, retryAfter }) =>
      status !== 503 || code !== 'model_failed' || !(Number(retryAfter) >= 1),
  );
  return [
    ...(refusals.length < 10 ? [`only ${refusals.length} requests were refused`] : []),
    ...(median <= REFUSED_WITHIN_MS ? [] : [`refused after ${median} ms`]),
    ...(worst <= 20 * REFUSED_WITHIN_MS ? [] : [`a refusal took ${worst} ms`]),
    ...others.map((reply) => `refused with ${JSON.stringify(reply)}`),
  ];
}
