/** Faults 1, 2, 4, 29: workers and the server die. */
import { processFacts } from '../../../src/orchestrator/registry/processes.ts';
import { atWork, type Experiment, killWorker, RESTARTS, WORKER_DIED } from '../experiment.ts';

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
