/** Fault 21: model files that are broken. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { readRegistry } from '../../../src/orchestrator/registry/registry-file.ts';
import { CORRUPTIONS, type CorruptionName, writeCorruptGguf } from '../../support/corrupt-gguf.ts';
import { ensurePreset } from '../../support/gguf-writer-presets.ts';
import { complete } from '../client.ts';
import { atWork, type Experiment } from '../experiment.ts';
import type { World } from '../world.ts';

const FAILED = /^hearth_worker_state\{.*state="failed"\} (\d+)/gm;
/** A load that fails, also twice, on a machine that is busy. */
const VERDICT_MS = 30_000;

export const MODELS: readonly Experiment[] = [
  {
    number: 21,
    name: 'model files are corrupt: their workers fail with the reason, the model beside them serves',
    rules: { mayFailWith: [] },
    startsItself: true,
    run: async (world) => {
      const files = await corruptFiles(world);
      const args = Object.entries(files).flatMap(([name, { path }]) => [
        '--model',
        `${name}=${path}`,
      ]);
      await world.start(args, { HEARTH_WORKER_RESTART_MAX: '1' });
      const good = goodWorker(world);
      const serving = world.load({ clients: 4, requests: 40 });
      const verdicts = await Promise.all(
        Object.entries(files).map(([name, file]) => verdictOn(world, name, file)),
      );
      await serving;
      const problems = verdicts.flatMap((verdict) => verdict.problems);
      if (goodWorker(world) !== good) problems.push('the worker of the good model was replaced');
      const faults = verdicts.filter(({ isRefused }) => isRefused).length;
      const failed = await world.metric(FAILED);
      if (failed !== faults) problems.push(`${failed} of ${faults} models are counted as failed`);
      return { faults, problems: [...problems, ...(await atWork(world))] };
    },
  },
];

interface ModelFile {
  readonly path: string;
  /** What is turned over may be of no consequence. */
  readonly mayLoad: boolean;
}

async function corruptFiles(world: World): Promise<Readonly<Record<string, ModelFile>>> {
  const folder = join(world.stateDir, 'models');
  mkdirSync(folder);
  const names = Object.keys(CORRUPTIONS) as CorruptionName[];
  const whole = readFileSync(await ensurePreset('tiny'));
  const write = (name: string, bytes: Buffer) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const flipped = Buffer.from(whole);
  for (let flips = 1 + world.below(64); flips > 0; flips--) {
    flipped[world.below(4_096)]! ^= 1 << world.below(8);
  }
  return {
    known: {
      path: await writeCorruptGguf(folder, names[world.below(names.length)]!),
      mayLoad: false,
    },
    cut: { path: write('cut.gguf', whole.subarray(0, world.below(whole.length))), mayLoad: false },
    flipped: { path: write('flipped.gguf', flipped), mayLoad: true },
  };
}

async function verdictOn(world: World, model: string, { mayLoad }: ModelFile) {
  const startedMs = performance.now();
  const body = Buffer.from(JSON.stringify({ model, prompt: 'Hi', max_tokens: 2 }));
  const { status, code, message } = await complete(world.server.port, body);
  const tookMs = performance.now() - startedMs;
  const isRefused = status === 503 && code === 'model_failed' && message.length > 40;
  const problems = isRefused || mayLoad ? [] : [`${model}: ${status} ${code} ${message}`];
  if (tookMs > VERDICT_MS) problems.push(`${model}: known after ${tookMs.toFixed(0)} ms`);
  return { isRefused, problems };
}

function goodWorker(world: World): number | undefined {
  const read = readRegistry(world.stateDir);
  return read.kind === 'good'
    ? read.entries.find(({ model }) => model === 'test-model')?.pid
    : undefined;
}
