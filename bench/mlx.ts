/**
 * `npm run bench -- mlx`: the MLX worker against what it is made of, against mlx-lm's own server, and against its own
 * bars. Each section stands alone: `--only worker,gap`. On Linux with a fast BLAS in place of the one in MLX's wheel.
 *
 * Bars    in the sections, and in docs/performance.md.
 */

import type { BenchOptions } from './lib/options.ts';
import { Report } from './lib/report.ts';
import { measureConstrained } from './mlx/constrained.ts';
import { measureGap } from './mlx/gap.ts';
import { measureParity } from './mlx/parity.ts';
import { measureServer } from './mlx/server.ts';
import { type MlxSetup, setUp } from './mlx/setup.ts';
import { measureStart } from './mlx/start.ts';
import { measureWorker } from './mlx/worker.ts';

type Measure = (setup: MlxSetup, options: BenchOptions, report: Report) => Promise<void>;

const SECTIONS: Readonly<Record<string, Measure>> = {
  worker: measureWorker,
  server: measureServer,
  gap: measureGap,
  parity: measureParity,
  start: measureStart,
  constrained: measureConstrained,
};

export async function runMlx(options: BenchOptions): Promise<number> {
  const names = options.only?.split(',') ?? Object.keys(SECTIONS);
  const unknown = names.find((name) => !Object.hasOwn(SECTIONS, name));
  if (unknown !== undefined) {
    throw new Error(`--only: no section ${unknown}, there are ${Object.keys(SECTIONS).join(', ')}`);
  }
  const setup = await setUp(options.signal);
  // A page of some sections does not stand in for the whole.
  const name = options.only === undefined ? 'mlx' : `mlx-${names.join('-')}`;
  const report = new Report(name, 'The MLX worker');
  report.note(
    setup.blas === undefined
      ? "BLAS: MLX's own; no other could be made here (no C compiler, or no wheel). The bars on speed mean nothing then."
      : 'BLAS: OpenBLAS of the wheel scipy-openblas32, on one thread, for Hearth and its peers alike.',
  );
  for (const name of names) await SECTIONS[name]!(setup, options, report);
  return report.finish();
}
