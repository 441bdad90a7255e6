/** Fault 7: what clients do. */
import { atWork, type Experiment } from '../experiment.ts';

export const CLIENTS: readonly Experiment[] = [
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
];
