/**
 * The Python in which MLX models run: a virtual environment of our own, with exactly the packages of
 * `worker/mlx/requirements.txt`. It is made by `hearth mlx setup` and has a name made of that file, so that another
 * version of Hearth makes another one.
 *
 *   none ──setup──▶ growing ──self-test passed, one rename──▶ there
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { WorkerProgram } from '../../orchestrator/replica/worker-process.ts';
import type { CliContext } from '../context.ts';

/** Beside the TypeScript, in sources and in a package. */
export const MLX_PROGRAM_DIR = join(import.meta.dirname, '..', '..', 'worker', 'mlx');
export const REQUIREMENTS = join(MLX_PROGRAM_DIR, 'requirements.txt');

/** What to do where there is none, for messages. */
export const SET_UP_MLX = 'Run "hearth mlx setup" once; it needs about 300 MB.';

export interface MlxPlace {
  /** The environment itself. */
  readonly folder: string;
  readonly python: string;
  readonly isThere: boolean;
}

export interface MlxContext {
  readonly environment: CliContext['environment'];
  readonly folders: Folders;
}

type Folders = Pick<CliContext['folders'], 'cacheDir'>;

export function mlxPlace({ cacheDir }: Folders): MlxPlace {
  const key = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12);
  const folder = join(cacheDir, 'mlx', key);
  const python = join(folder, 'bin', 'python');
  return { folder, python, isThere: existsSync(python) };
}

/** How workers for MLX models are started; undefined where MLX is not set up. */
export function mlxProgram({ environment, folders }: MlxContext): WorkerProgram | undefined {
  const { python, isThere } = mlxPlace(folders);
  if (!isThere) return undefined;
  return {
    command: python,
    args: ['-s', MLX_PROGRAM_DIR],
    environment: pythonEnvironment(environment, folders),
  };
}

/** Beside what every worker gets. */
export function pythonEnvironment(
  { MLX_BLAS }: CliContext['environment'],
  { cacheDir }: Folders,
): Readonly<Record<string, string>> {
  return {
    // Sources may lie where nobody can write, and a clone is not to be littered.
    PYTHONPYCACHEPREFIX: join(cacheDir, 'compile', 'python'),
    PYTHONUNBUFFERED: '1',
    ...(MLX_BLAS === undefined ? {} : { MLX_BLAS }),
    // As the server that Hearth replaces did on a Mac (rows MX-061, MX-062).
    ...(process.platform === 'darwin'
      ? { MTL_SHADER_CACHE_ENABLE: '1', PYTHONMALLOC: 'malloc' }
      : {}),
  };
}
