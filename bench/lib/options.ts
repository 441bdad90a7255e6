/** Flags that the benches share: `npm run bench -- peer --models c --streams 1,4 --rounds 3`. */
import { parseArgs } from 'node:util';

import { BENCH_MODELS, type BenchModel } from './models.ts';

export interface BenchOptions {
  readonly models: readonly BenchModel[];
  readonly streams: readonly number[];
  readonly rounds: number;
  /** Of `sched`: a server's log whose arrivals are driven again. */
  readonly log: string | undefined;
  /** Of `pull`: the size of the file. */
  readonly mib: number;
  /** Of `maskbench`: one set. Of `mlx`: its sections, such as `worker,gap`. */
  readonly only: string | undefined;
  /** Of `maskbench`: each so manieth of its schemas. */
  readonly every: number;
  /** Of `maskbench`: what it finds becomes what is expected. */
  readonly update: boolean;
  /** Aborted when the bench is told to stop. */
  readonly signal: AbortSignal;
}

export function parseOptions(args: readonly string[], signal: AbortSignal): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      models: { type: 'string', default: Object.keys(BENCH_MODELS).join(',') },
      streams: { type: 'string', default: '1,2,4,8' },
      rounds: { type: 'string', default: '5' },
      log: { type: 'string' },
      mib: { type: 'string', default: '1024' },
      only: { type: 'string' },
      every: { type: 'string', default: '1' },
      update: { type: 'boolean', default: false },
    },
  });
  const models = values.models.split(',').map((name) => {
    if (Object.hasOwn(BENCH_MODELS, name)) return name as BenchModel;
    throw new Error(
      `--models: no model ${name}, there are ${Object.keys(BENCH_MODELS).join(', ')}`,
    );
  });
  const numbers = (flag: string, text: string) =>
    text.split(',').map((one) => {
      if (/^[1-9]\d{0,3}$/.test(one)) return Number(one);
      throw new Error(`--${flag}: ${one} is no positive number`);
    });
  return {
    models,
    streams: numbers('streams', values.streams),
    rounds: numbers('rounds', values.rounds)[0]!,
    log: values.log,
    mib: numbers('mib', values.mib)[0]!,
    only: values.only,
    every: numbers('every', values.every)[0]!,
    update: values.update,
    signal,
  };
}
