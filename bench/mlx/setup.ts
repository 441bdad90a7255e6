/**
 * What the sections share: the Python of `hearth mlx setup` with a fast BLAS, and the models, made on first use in
 * `.cache`.
 *
 * Errors  Error where MLX cannot be set up. Without a C compiler or the wheel there is no fast BLAS: the report says so
 *         and the figures are those of MLX's own.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { WorkerProgram } from '../../src/orchestrator/replica/worker-process.ts';
import { MODELS_DIR } from '../../tests/support/gguf-writer-presets.ts';
import { mlxOrSkip, tinyMlxModel } from '../../tests/support/mlx.ts';
import { pythonWith } from '../../tests/support/python.ts';
import { modelFile } from '../lib/models.ts';
import { ROOT } from '../lib/report.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const BLAS_SOURCE = join(FOLDER, 'blas.c');
const PURPOSE = 'the fast BLAS';
const STEP_LIMIT_MS = 300_000;

export interface MlxSetup {
  /** The worker, as Hearth starts it. */
  readonly program: WorkerProgram;
  /** With what the worker gets beside it: for Hearth, which hands it on. */
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined: MLX's own. */
  readonly blas: string | undefined;
  readonly gguf: string;
  /** The same numbers in float32. */
  readonly smollm2: string;
  readonly tiny: string;
}

export async function setUp(signal: AbortSignal): Promise<MlxSetup> {
  const plain = await mlxOrSkip('the MLX benches');
  if (plain === undefined) throw new Error('MLX cannot be set up, see above');
  const blas = process.platform === 'linux' ? await fastBlas(signal) : undefined;
  const environment: Record<string, string> = blas === undefined ? {} : { MLX_BLAS: blas };
  const program = { ...plain, environment: { ...plain.environment, ...environment } };
  const gguf = await modelFile('smollm2');
  const tiny = await tinyMlxModel('llama', program);
  const smollm2 = await repacked(gguf, program, signal);
  return { program, environment, blas, gguf, smollm2, tiny };
}

/** One of the Python programs beside this file, in the worker's environment. */
export function scriptOf(
  { program }: Pick<MlxSetup, 'program'>,
  name: string,
  ...args: readonly string[]
): WorkerProgram {
  return { ...program, args: ['-s', join(FOLDER, name), ...args] };
}

async function repacked(
  gguf: string,
  program: WorkerProgram,
  signal: AbortSignal,
): Promise<string> {
  const folder = join(MODELS_DIR, 'SmolLM2-135M-Instruct-mlx-float32');
  if (existsSync(folder)) return folder;
  const growing = `${folder}.${process.pid}`;
  try {
    const { command, args, environment: env } = scriptOf({ program }, 'repack.py', gguf, growing);
    await promisify(execFile)(command, [...args], { env, signal, timeout: STEP_LIMIT_MS });
    if (!existsSync(folder)) renameSync(growing, folder);
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
  return folder;
}

async function fastBlas(signal: AbortSignal): Promise<string | undefined> {
  const requirements = join(FOLDER, 'requirements.txt');
  const python = await pythonWith(requirements, PURPOSE);
  if (python === undefined) return undefined;
  const key = createHash('sha256')
    .update(readFileSync(BLAS_SOURCE))
    .update(readFileSync(requirements));
  const folder = join(ROOT, '.cache/mlx-blas');
  const library = join(folder, `${key.digest('hex').slice(0, 12)}.so`);
  if (existsSync(library)) return library;
  const lib = join(dirname(python), '..', 'lib');
  const wheel = join(lib, readdirSync(lib)[0]!, 'site-packages/scipy_openblas32/lib');
  const growing = `${library}.${process.pid}`;
  mkdirSync(folder, { recursive: true });
  try {
    const args = ['-shared', '-fPIC', '-O2', '-o', growing, BLAS_SOURCE, `-L${wheel}`];
    args.push('-lscipy_openblas', `-Wl,-rpath,${wheel}`);
    await promisify(execFile)('cc', args, { signal, timeout: STEP_LIMIT_MS });
    renameSync(growing, library);
  } catch (error) {
    signal.throwIfAborted();
    console.error(`${PURPOSE} skipped: ${(error as { stderr?: string }).stderr || error}`);
    return undefined;
  } finally {
    rmSync(growing, { force: true });
  }
  return library;
}
