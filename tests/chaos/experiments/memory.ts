/** Fault 12: shared memory. */
import { ArenaFile } from '../../support/arena-file.ts';
import { atWork, type Experiment, RESTARTS } from '../experiment.ts';
import type { Outcome } from '../history.ts';
import type { World } from '../world.ts';

const LARGE_REQUESTS = 5;
const SMALL_REQUESTS = 24;
const DAMAGED = 'payload_damaged';

export const MEMORY: readonly Experiment[] = [
  {
    number: 12,
    name: 'bits of large prompts flip in shared memory: those requests fail, and no other',
    rules: { mayFailWith: [DAMAGED] },
    args: () => ['--context-tokens', '8000000'],
    run: async (world) => {
      const problems: string[] = [];
      // The arena is there from the first one on.
      problems.push(...verdict(await askLarge(world), { isFlipped: false }));
      using file = new ArenaFile(world.serverPid());
      const loading = world.load({ clients: 3, requests: SMALL_REQUESTS });
      let faults = 0;
      for (let request = 0; request < LARGE_REQUESTS; request++) {
        const isFlipped = request === 0 || world.below(2) === 0;
        const asked = isFlipped ? flipped(world, file) : askLarge(world);
        if (isFlipped) faults += 1;
        problems.push(...verdict(await asked, { isFlipped }));
      }
      await loading;
      const small = world.outcomes.filter(({ code }) => code === DAMAGED).length - faults;
      if (small !== 0) problems.push(`${small} other requests were damaged`);
      const restarts = await world.metric(RESTARTS);
      if (restarts !== 0) problems.push(`${restarts} workers were replaced`);
      return { faults, problems: [...problems, ...(await atWork(world))] };
    },
  },
];

/** 4.3 to 5.3 MB in front of the nonce: a command that the fake model does not know. */
function askLarge(world: World): Promise<Outcome> {
  const bytes = 4_300_000 + world.below(1_000_000);
  return world.ask(40, { commands: `[[${'x'.repeat(bytes)}]]` });
}

/** Its worker stands still from before the prompt is written until a bit of it is another one. */
async function flipped(world: World, file: ArenaFile): Promise<Outcome> {
  const [pid] = world.workerPids();
  const before = file.generation();
  process.kill(pid!, 'SIGSTOP');
  const asked = askLarge(world);
  await world.until(() => file.generation() > before);
  file.flip({ at: world.below(file.bytes()), bit: world.below(8) });
  process.kill(pid!, 'SIGCONT');
  return asked;
}

function verdict({ end, code }: Outcome, { isFlipped }: { readonly isFlipped: boolean }) {
  const isRight = isFlipped ? end === 'failed' && code === DAMAGED : end === 'answered';
  return isRight ? [] : [`a large prompt, ${isFlipped ? '' : 'not '}flipped, was ${end}: ${code}`];
}
