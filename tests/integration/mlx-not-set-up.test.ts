/** What happens to MLX models on a machine where MLX is not set up: they say what to run, and nothing else is touched. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import type { CliContext } from '../../src/cli/context.ts';
import { checkMlx } from '../../src/cli/doctor/mlx.ts';
import { platformFolders } from '../../src/cli/paths.ts';
import { readConfig } from '../../src/cli/read-config.ts';
import { servedModels, unservedNotes } from '../../src/cli/served-models.ts';
import { CliHome } from '../support/cli.ts';

function contextIn(home: CliHome): CliContext {
  const environment = { HOME: home.dir };
  const place = { platform: 'linux', workDir: home.dir, cloneDir: undefined };
  const folders = platformFolders(environment, place);
  return { environment, folders, memoryBytes: 2 ** 34 };
}

function pullApple({ folders }: CliContext): void {
  const folder = join(folders.modelsDir, 'apple');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), '{}');
  const manifest = {
    version: 1,
    name: 'apple',
    reference: 'acme/apple',
    revision: 'main',
    format: 'mlx',
    quant: null,
    licence: null,
    pulled_at: '2026-11-22T00:00:00Z',
    files: [{ name: 'config.json', bytes: 2, sha256: '0'.repeat(64) }],
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
}

test('a pulled one is left out, with what to run', () => {
  using home = new CliHome();
  const context = contextIn(home);
  pullApple(context);
  const { config } = readConfig({}, context);
  expect(servedModels(config, undefined, context).map(({ name }) => name)).not.toContain('apple');
  expect(unservedNotes(config, context)).toEqual([
    expect.stringMatching(/^not served: apple, .*hearth mlx setup/),
  ]);
});

test('one that is named is refused, with what to run', () => {
  using home = new CliHome();
  const context = contextIn(home);
  const { config } = readConfig({}, context);
  expect(() => servedModels(config, [`apple=${home.dir}`], context)).toThrow(
    /^model apple: .* needs MLX, which is not set up\. Run "hearth mlx setup" once/,
  );
});

test('the doctor finds nothing wrong with it', async () => {
  using home = new CliHome();
  expect(await checkMlx(contextIn(home))).toMatchObject({
    status: 'good',
    found: expect.stringContaining('not set up'),
  });
});
