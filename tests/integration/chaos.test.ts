/** The fault table, three times each with other seeds; `npm run chaos` runs them longer. */
import { describe, expect, test } from 'vitest';

import { makeRandom } from '../../src/cli/bench/prompts.ts';
import { runExperiment } from '../chaos/experiment.ts';
import { EXPERIMENTS } from '../chaos/experiments.ts';
import { World } from '../chaos/world.ts';

/** Other choices in every run of CI, and the same again with the seed that a failure names. */
const SEED = Math.floor(Date.now() / 1_000) % 1_000_000;

describe.skipIf(process.platform !== 'linux')('chaos', () => {
  test.for(EXPERIMENTS)('fault $number: $name', async (experiment, { skip }) => {
    const reason = experiment.cannotRun?.();
    if (reason !== undefined) skip(reason);
    for (let seed = SEED; seed < SEED + 3; seed++) {
      const problems = await runExperiment(experiment, new World(makeRandom(seed)));
      expect(
        problems,
        `npm run chaos -- --only ${experiment.number} --seed ${seed} --iterations 1`,
      ).toEqual([]);
    }
  });
});
