/**
 * Section `start`: from spawn to hello, and until everything is imported and a model could be loaded; and what an
 * idle worker weighs beside its weights. With MLX's own BLAS, as on a Mac.
 */
import type { BenchOptions } from '../lib/options.ts';
import { rssBytesOf } from '../lib/proc.ts';
import { runQuiet } from '../lib/quiet.ts';
import type { Report } from '../lib/report.ts';
import { showSpread, spreadOf } from '../lib/stats.ts';
import type { MlxSetup } from './setup.ts';
import { type BenchWorker, startWorker } from './worker-process.ts';

const SLOTS = 4;
const CONTEXT_TOKENS = 2048;
const START_MAX_S = 2;
const IDLE_MAX_MB = 110;

const MODELS = [
  { title: 'tiny llama', of: 'tiny' },
  { title: 'SmolLM2 float32', of: 'smollm2' },
] as const;

interface Start {
  readonly helloMs: number;
  readonly importedMs: number;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly rssMb: number;
  readonly weightsMb: number;
}

export async function measureStart(
  setup: MlxSetup,
  { rounds, signal }: BenchOptions,
  report: Report,
): Promise<void> {
  report.note('## Start and weight');
  report.note(
    `Medians of ${rounds} starts (range in brackets), after one that is not counted. Imported: from spawn until loaded, less the parts of the load.`,
  );
  const rows: string[][] = [];
  for (const { title, of } of MODELS) {
    const starts: Start[] = [];
    for (let round = -1; round < rounds; round++) {
      signal.throwIfAborted();
      const { value } = await runQuiet([], () => startOnce(setup, setup[of], signal));
      if (round >= 0) starts.push(value);
      console.error(`${title}: ${JSON.stringify(value)}`);
    }
    const pick = (key: 'helloMs' | 'importedMs' | 'rssMb' | 'weightsMb') =>
      spreadOf(starts.map((one) => one[key]));
    const beside = spreadOf(starts.map(({ rssMb, weightsMb }) => rssMb - weightsMb));
    rows.push([
      title,
      showSpread(pick('helloMs'), 0),
      showSpread(pick('importedMs'), 0),
      showSpread(pick('rssMb')),
      pick('weightsMb').median.toFixed(1),
      showSpread(beside),
    ]);
    const rule = 'at most';
    for (const [what, key] of [
      ['spawn to hello', 'helloMs'],
      ['spawn until imported', 'importedMs'],
    ] as const) {
      const value = pick(key).median / 1000;
      report.bar({ name: `${title}: ${what}`, value, limit: START_MAX_S, rule, unit: ' s' });
    }
    report.bar({
      name: `${title}: idle worker without its weights`,
      ...{ value: beside.median, limit: IDLE_MAX_MB, rule, unit: ' MB' },
    });
    report.data(`start: ${title}`, starts);
  }
  report.table(
    ['model', 'hello ms', 'imported ms', 'RSS MB', 'weights MB', 'RSS less weights MB'],
    rows,
  );
}

async function startOnce(setup: MlxSetup, path: string, signal: AbortSignal): Promise<Start> {
  const { MLX_BLAS: _, ...environment } = setup.program.environment;
  await using worker = await startWorker({
    ...{ backend: 'mlx', program: { ...setup.program, environment }, path },
    ...{ slots: SLOTS, contextTokens: CONTEXT_TOKENS, threads: 1, signal },
  });
  const { loaded, helloMs, loadedMs } = worker;
  const parts = Object.values(loaded.loadMs).reduce((sum, ms) => sum + ms, 0);
  return {
    helloMs,
    importedMs: loadedMs - parts,
    loadMs: loaded.loadMs,
    rssMb: (await idleRssBytes(worker)) / 1e6,
    weightsMb: loaded.facts.fileBytes / 1e6,
  };
}

/** Once it has said so itself, that all is done that a load leaves behind. */
async function idleRssBytes({ client }: BenchWorker): Promise<number> {
  const before = client.heartbeats.length;
  await client.until(() => client.heartbeats.slice(before).some(({ phase }) => phase === 'idle'));
  return rssBytesOf(client.pid) ?? Number.NaN;
}
