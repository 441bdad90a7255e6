/** The tests of the MLX worker that are written in Python, its lint and its types, as one test for each file. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';

import { mlxOrSkip } from '../../support/mlx.ts';
import { pythonWith } from '../../support/python.ts';

vi.setConfig({ testTimeout: 300_000 });
const program = fileURLToPath(new URL('../../../src/worker/mlx', import.meta.url));
const folder = fileURLToPath(new URL('../../mlx', import.meta.url));
const benches = fileURLToPath(new URL('../../../bench/mlx', import.meta.url));
const purpose = 'the Python tests of the MLX worker';
const mlx = await mlxOrSkip(purpose);
const tools = mlx && (await pythonWith(join(folder, 'requirements.txt'), purpose));

/** With the packages of the worker and those of its tests. */
async function python(args: readonly string[]): Promise<string> {
  const places = [program, sitePackages(tools!)];
  const env = { ...process.env, PYTHONPATH: places.join(delimiter), PYTHONDONTWRITEBYTECODE: '1' };
  const ran = await promisify(execFile)(mlx!.command, args, { cwd: folder, env }).catch(
    ({ stdout, stderr }: { stdout: string; stderr: string }) => {
      throw new Error(`python ${args.join(' ')}\n${stdout}\n${stderr}`);
    },
  );
  return ran.stdout;
}

function sitePackages(interpreter: string): string {
  const lib = join(dirname(interpreter), '..', 'lib');
  return join(lib, readdirSync(lib)[0]!, 'site-packages');
}

describe.skipIf(tools === undefined)('in Python', () => {
  test.each(readdirSync(folder).filter((name) => /^test_.*\.py$/.test(name)))(
    '%s',
    async (name) => {
      expect(await python(['-m', 'pytest', '-q', '-p', 'no:cacheprovider', name])).toMatch(
        /\d+ passed/,
      );
    },
  );

  test('its types and its lint', async () => {
    const config = join(program, 'pyproject.toml');
    const places = [program, folder, benches];
    await python(['-m', 'mypy', '--config-file', config, join(program, 'hearth_mlx'), benches]);
    await python(['-m', 'ruff', 'check', '--no-cache', '--config', config, ...places]);
    await python(['-m', 'ruff', 'format', '--check', '--no-cache', '--config', config, ...places]);
  });
});
