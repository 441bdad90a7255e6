/**
 * The Python environment for MLX models as `hearth mlx setup` makes it, in the cache of the clone, and tiny models
 * for it.
 *
 * Errors  none thrown: undefined when it cannot be had, with the reason printed once, so that the tests that
 *         need it can be skipped.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { mlxPlace, mlxProgram } from '../../src/cli/mlx/environment.ts';
import type { WorkerProgram } from '../../src/orchestrator/replica/worker-process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cacheDir = join(root, '.cache');
const MAKER = join(root, 'tests/mlx/tiny_models.py');
const SETUP_LIMIT_MS = 300_000;

export type TinyKind = 'llama' | 'qwen3' | 'qwen3_5' | 'gemma3' | 'gpt_oss';

export async function mlxOrSkip(purpose: string): Promise<WorkerProgram | undefined> {
  const folders = { cacheDir };
  if (!mlxPlace(folders).isThere) {
    try {
      const args = [join(root, 'bin/hearth.js'), 'mlx', 'setup'];
      await promisify(execFile)(process.execPath, args, { timeout: SETUP_LIMIT_MS });
    } catch (error) {
      const { stderr } = error as { stderr?: string };
      console.log(`${purpose} skipped: MLX cannot be set up: ${stderr?.trim().split('\n').at(-1)}`);
      return undefined;
    }
  }
  return mlxProgram({ environment: process.env, folders });
}

/** A folder with random weights, made once. */
export async function tinyMlxModel(kind: TinyKind, { command }: WorkerProgram): Promise<string> {
  const folder = join(cacheDir, 'models', `tiny-mlx-${kind}`);
  if (existsSync(folder)) return folder;
  const growing = `${folder}.${process.pid}`;
  mkdirSync(dirname(folder), { recursive: true });
  try {
    await promisify(execFile)(command, [MAKER, kind, growing]);
    if (!existsSync(folder)) renameSync(growing, folder);
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
  return folder;
}
