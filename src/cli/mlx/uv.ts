/**
 * The uv that makes the environment: the one on PATH, else one that pip puts beside it, with its hash checked.
 *
 * Errors  CliError: there is neither uv nor a Python that could bring it.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { CliError } from '../context.ts';
import { MLX_PROGRAM_DIR } from './environment.ts';
import type { RunStep } from './run-step.ts';

/** What the packages are built for, best first. */
const PYTHONS = ['python3.12', 'python3.11', 'python3'];
/** Fetched by uv where the machine has none of them. */
const MANAGED_PYTHON = '3.12';
const IS_USABLE =
  'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))';

export interface Uv {
  readonly command: string;
  /** For its `--python`. */
  readonly python: string;
}

export interface FindUvOptions {
  readonly run: RunStep;
  /** For a uv of our own; kept, so that a second try does not fetch it again. */
  readonly folder: string;
  /** Packages lie there, and nothing is fetched. */
  readonly wheelhouse: string | undefined;
}

export async function findUv({ run, folder, wheelhouse }: FindUvOptions): Promise<Uv> {
  const python = await findPython(run);
  if (await run.succeeds('uv', ['--version'])) {
    return { command: 'uv', python: python ?? MANAGED_PYTHON };
  }
  if (python === undefined) {
    throw new CliError(
      'there is neither uv nor Python 3.11 or 3.12 with its venv module. Install one of them, such as with "brew install uv"',
    );
  }
  const command = join(folder, 'bin', 'uv');
  if (!existsSync(command)) await bring({ run, folder, wheelhouse }, python);
  return { command, python };
}

/** Beside its place, and renamed when it is whole: another set-up may bring it at the same time. */
async function bring({ run, folder, wheelhouse }: FindUvOptions, python: string): Promise<void> {
  const growing = `${folder}.growing-${process.pid}`;
  try {
    await run('make a place for uv', python, ['-m', 'venv', growing]);
    await run('install uv', join(growing, 'bin', 'python'), [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps'],
      ...['--require-hashes', '--only-binary', ':all:'],
      ...(wheelhouse === undefined ? [] : ['--no-index', '--find-links', wheelhouse]),
      ...['-r', join(MLX_PROGRAM_DIR, 'requirements-uv.txt')],
    ]);
    if (!existsSync(folder)) renameSync(growing, folder);
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
}

async function findPython(run: RunStep): Promise<string | undefined> {
  for (const name of PYTHONS) if (await run.succeeds(name, ['-c', IS_USABLE])) return name;
  return undefined;
}
