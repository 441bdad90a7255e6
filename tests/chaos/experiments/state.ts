/** Fault 15: the state folder. */
import { CliHome } from '../../support/cli.ts';
import { atWork, type Experiment } from '../experiment.ts';

export const STATE: readonly Experiment[] = [
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
];
