/**
 * `hearth mlx setup`: makes the Python environment for MLX models, checks that it computes, and puts it in its place
 * with one rename. Cut off, it is run again: what was fetched lies in the cache of uv. Two at once do no harm: each grows its
 * own, and the second finds the first.
 *
 * Exits  0 it is there, made now or before · 1 a step failed, with what the program said.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { type CliContext, CliError } from '../context.ts';
import { MLX_PROGRAM_DIR, mlxPlace, pythonEnvironment, REQUIREMENTS } from './environment.ts';
import { createRunStep, type RunStep } from './run-step.ts';
import { findUv } from './uv.ts';

export interface SetupFlags {
  /** A folder of wheels. */
  readonly offline?: string;
  /** Make it again although it is there. */
  readonly force?: boolean;
}

/** Of folders that were left by one that was killed. */
const STALE_MS = 24 * 60 * 60_000;

export async function setUpMlx(flags: SetupFlags, context: CliContext): Promise<number> {
  const tell = (line: string) => void process.stderr.write(`${line}\n`);
  assertSupported();
  const { folder, python, isThere } = mlxPlace(context.folders);
  if (isThere && !flags.force) {
    tell(`MLX is set up in ${folder}`);
    return 0;
  }
  const wheelhouse = flags.offline && resolve(context.folders.workDir, flags.offline);
  if (wheelhouse && !existsSync(wheelhouse)) throw new CliError(`${wheelhouse} is not there`);
  const home = dirname(folder);
  const growing = `${folder}.growing-${process.pid}`;
  mkdirSync(home, { recursive: true });
  removeStale(home);
  const run = createRunStep(
    { ...context.environment, ...pythonEnvironment(context.environment, context.folders) },
    tell,
  );
  try {
    const uv = await findUv({ run, folder: join(home, 'uv'), wheelhouse });
    const offline = wheelhouse ? ['--offline', '--no-index', '--find-links', wheelhouse] : [];
    await run('make the environment', uv.command, [
      ...['venv', '--quiet', '--relocatable', '--python', uv.python],
      ...(wheelhouse ? ['--offline'] : []),
      growing,
    ]);
    await run('install mlx-lm and what it needs', uv.command, [
      ...['pip', 'install', '--quiet', '--python', join(growing, 'bin', 'python')],
      ...['--require-hashes', '--no-deps', '--only-binary', ':all:'],
      ...[...offline, '-r', REQUIREMENTS],
    ]);
    await selfTest(run, join(growing, 'bin', 'python'));
    if (flags.force) rmSync(folder, { recursive: true, force: true });
    if (!existsSync(python)) renameSync(growing, folder);
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
  tell(`MLX is set up in ${folder}`);
  return 0;
}

/** A matrix of quantised weights, a few tokens of a tiny model, and a few under a grammar. */
async function selfTest(run: RunStep, python: string): Promise<void> {
  await run('check that it computes', python, ['-s', join(MLX_PROGRAM_DIR, 'self_test.py')]);
}

function assertSupported(): void {
  const machine = `${process.platform}-${process.arch}`;
  if (machine === 'darwin-arm64' || machine === 'linux-x64') return;
  throw new CliError(
    `MLX runs on Apple Silicon, and for tests on Linux x64; this machine is ${machine}. GGUF models run here.`,
  );
}

function removeStale(home: string): void {
  for (const name of readdirSync(home)) {
    const path = join(home, name);
    if (!name.includes('.growing-')) continue;
    const { mtimeMs } = statSync(path);
    if (Date.now() - mtimeMs > STALE_MS) rmSync(path, { recursive: true, force: true });
  }
}
