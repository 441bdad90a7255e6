/**
 * `npm run bench -- fuzz`: answers under the schemas of MaskBench, of a model with random weights, which tries
 * everything, and of SmolLM2 under a hundred of them. Every finished one has to validate by a validator that knows
 * nothing of grammars; the others are marked `length`.
 *
 * Bar     no finished answer that does not validate.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FinalCheck } from '../src/worker/compiler/final-check.ts';
import { ensurePreset } from '../tests/support/gguf-writer-presets.ts';
import { modelFile } from './lib/models.ts';
import type { BenchOptions } from './lib/options.ts';
import { Report, ROOT } from './lib/report.ts';
import { type Server, startHearth } from './lib/servers.ts';

const ARCHIVE = join(ROOT, '../shared/data/maskbench.tar.xz');
const FUZZED = { random: { schemas: 500, seeds: 4 }, smollm2: { schemas: 100, seeds: 1 } };
const FUZZ_TOKENS = 256;
const FUZZ_STREAMS = 4;
const SEED_STEP = 7919;
const TOLD_EVERY = 100;

export async function runFuzz(options: BenchOptions): Promise<number> {
  const report = new Report('fuzz', 'Finished answers validate');
  if (existsSync(ARCHIVE)) await fuzz(options, report);
  else report.note('MaskBench is not beside the project: nothing was fuzzed.');
  return report.finish();
}

interface Tally {
  finished: number;
  truncated: number;
  refused: number;
  unchecked: number;
  readonly invalid: string[];
}

async function fuzz({ signal }: BenchOptions, report: Report): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-maskbench-'));
  try {
    execFileSync('tar', ['-xf', ARCHIVE, '-C', folder]);
    const files = filesIn(folder);
    const rows: string[][] = [];
    for (const [model, { schemas, seeds }] of Object.entries(FUZZED)) {
      const picked = files.filter((_, index) => index % Math.floor(files.length / schemas) === 0);
      const file = await (model === 'smollm2' ? modelFile('smollm2') : ensurePreset('a'));
      const options = { model: file, slots: FUZZ_STREAMS, contextTokens: 1024, threads: 2, signal };
      await using server = await startHearth(options);
      const tally = await fuzzOn(server, picked.slice(0, schemas), seeds, signal);
      rows.push([
        model,
        `${schemas} × ${seeds}`,
        ...[tally.finished, tally.truncated, tally.refused, tally.unchecked].map(String),
        String(tally.invalid.length),
      ]);
      for (const line of tally.invalid.slice(0, 10)) report.note(`Invalid: ${line}`);
      report.bar({
        name: `${model}: finished answers that do not validate`,
        value: tally.invalid.length,
        limit: 0,
        rule: 'at most',
        unit: '',
      });
    }
    report.table(
      [
        'model',
        'schemas × seeds',
        'finished',
        '`length`',
        'refused',
        'by the grammar alone',
        'invalid',
      ],
      rows,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(folder, name));
}

async function fuzzOn(
  server: Server,
  files: readonly string[],
  seeds: number,
  signal: AbortSignal,
): Promise<Tally> {
  const tally: Tally = { finished: 0, truncated: 0, refused: 0, unchecked: 0, invalid: [] };
  const check = new FinalCheck();
  const jobs = files.flatMap((file) =>
    Array.from({ length: seeds }, (_, seed) => ({ file, seed })),
  );
  const next = jobs.values();
  let done = 0;
  const work = async () => {
    for (const { file, seed } of next) {
      if (signal.aborted) return;
      await fuzzOne(server, { file, seed: seed * SEED_STEP + 1, signal }, check, tally);
      done++;
      if (done % TOLD_EVERY === 0) console.error(`${done} of ${jobs.length} answers`);
    }
  };
  await Promise.all(Array.from({ length: FUZZ_STREAMS }, work));
  return tally;
}

async function fuzzOne(
  server: Server,
  {
    file,
    seed,
    signal,
  }: { readonly file: string; readonly seed: number; readonly signal: AbortSignal },
  check: FinalCheck,
  tally: Tally,
): Promise<void> {
  const { schema } = JSON.parse(readFileSync(file, 'utf8')) as { schema: unknown };
  const response = await fetch(`${server.baseUrl}/completions`, {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'bench',
      prompt: 'JSON: ',
      seed,
      temperature: 1,
      max_tokens: FUZZ_TOKENS,
      response_format: { type: 'json_schema', json_schema: { name: 'bench', schema } },
    }),
  });
  const body = (await response.json()) as {
    readonly choices?: readonly { readonly text: string; readonly finish_reason: string }[];
    readonly error?: { readonly code: string; readonly message: string };
  };
  const choice = body.choices?.[0];
  if (choice === undefined) {
    if (body.error?.code === 'unsupported_schema') tally.refused++;
    else tally.invalid.push(`${file}, seed ${seed}: ${body.error?.message}`);
    return;
  }
  if (choice.finish_reason === 'length') {
    tally.truncated++;
    return;
  }
  tally.finished++;
  const { verdict, why } = await check.validate(schema, choice.text);
  if (verdict === 'unchecked') tally.unchecked++;
  if (verdict === 'invalid') tally.invalid.push(`${file}, seed ${seed}: ${why}`);
}
