/**
 * `npm run chaos -- [--seed N] [--iterations N] [--only N,N] [--whole]`: the experiments, one after
 * the other, each so many times with seeds that are printed; the same seed makes the same choices. With
 * `--whole` an experiment that chooses from a list goes through all of it. Bounded, on loopback.
 *
 * Exits  0 when everything held · 1 when not · 130 when it was told to stop, with nothing left running.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

import { makeRandom } from '../../src/cli/bench/prompts.ts';
import { runExperiment } from './experiment.ts';
import { EXPERIMENTS } from './experiments.ts';
import { World } from './world.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    iterations: { type: 'string', default: '10' },
    only: { type: 'string' },
    whole: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed ?? randomInt(1_000_000));
const iterations = Number(values.iterations);
const only = values.only?.split(',').map(Number);
let failures = 0;
let running: World | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await running?.end();
    process.exit(130);
  });
}
for (const experiment of EXPERIMENTS.filter(({ number }) => only?.includes(number) ?? true)) {
  const reason = experiment.cannotRun?.();
  if (reason !== undefined) {
    console.log(`${experiment.number}. ${experiment.name}: not run, ${reason}`);
    continue;
  }
  const startedMs = performance.now();
  const wrong: string[] = [];
  for (let iteration = 0; iteration < iterations; iteration++) {
    const seed = first + iteration;
    const world = new World(makeRandom(seed));
    running = world;
    for (const problem of await runExperiment(experiment, world, values.whole)) {
      wrong.push(`  seed ${seed}: ${problem}`);
    }
  }
  const tookS = ((performance.now() - startedMs) / 1000).toFixed(0);
  const verdict = wrong.length === 0 ? 'held' : 'DID NOT HOLD';
  console.log(
    `${experiment.number}. ${experiment.name}: ${verdict}, ${iterations} times, ${tookS} s`,
  );
  for (const line of wrong) console.log(line);
  failures += wrong.length;
}
console.log(`seeds ${first} to ${first + iterations - 1}`);
process.exitCode = failures === 0 ? 0 : 1;
