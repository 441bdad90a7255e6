/** `hearth mlx setup` where it cannot succeed. That it can is what every other test of MLX begins with. */
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';

import type { CliContext } from '../../../src/cli/context.ts';
import { mlxPlace } from '../../../src/cli/mlx/environment.ts';
import { setUpMlx } from '../../../src/cli/mlx/setup.ts';
import { platformFolders } from '../../../src/cli/paths.ts';
import { CliHome } from '../../support/cli.ts';

/** Programs are found in `bin` of the home alone. */
function contextIn(home: CliHome): CliContext {
  mkdirSync(home.path('bin'));
  const environment = { HOME: home.dir, PATH: home.path('bin') };
  const place = { platform: 'linux', workDir: home.dir, cloneDir: undefined };
  return { environment, folders: platformFolders(environment, place), memoryBytes: 2 ** 34 };
}

function program(home: CliHome, name: string, script: string): void {
  chmodSync(home.write(`bin/${name}`, `#!/bin/sh\n${script}\n`), 0o755);
}

test('without uv and without Python it says what to install', async () => {
  using home = new CliHome();
  await expect(setUpMlx({}, contextIn(home))).rejects.toThrow(
    /neither uv nor Python 3\.11 or 3\.12/,
  );
});

test('a folder of wheels that is not there is named', async () => {
  using home = new CliHome();
  await expect(setUpMlx({ offline: 'wheels' }, contextIn(home))).rejects.toThrow(
    `${home.path('wheels')} is not there`,
  );
});

test('a step that fails is told in its own words, and leaves nothing behind', async () => {
  using home = new CliHome();
  const context = contextIn(home);
  program(
    home,
    'uv',
    '[ "$1" = --version ] && exit 0\n[ "$1" = venv ] && exit 0\necho "no such wheel" >&2; exit 2',
  );
  await expect(setUpMlx({}, context)).rejects.toThrow(
    'cannot install mlx-lm and what it needs:\nno such wheel',
  );
  const { folder, isThere } = mlxPlace(context.folders);
  expect({ isThere, left: existsSync(folder) }).toEqual({ isThere: false, left: false });
  expect(readdirSync(`${context.folders.cacheDir}/mlx`)).toEqual([]);
});

test('an environment that does not compute is not put in its place', async () => {
  using home = new CliHome();
  const context = contextIn(home);
  const python = '#!/bin/sh\\necho "Illegal instruction" >&2; exit 1\\n';
  program(
    home,
    'uv',
    `case "$1" in venv) for folder; do :; done; /bin/mkdir -p "$folder/bin"; printf '${python}' > "$folder/bin/python"; /bin/chmod +x "$folder/bin/python";; esac`,
  );
  await expect(setUpMlx({}, context)).rejects.toThrow(
    'cannot check that it computes:\nIllegal instruction',
  );
  expect(mlxPlace(context.folders).isThere).toBe(false);
});

test('what is there is left alone', async () => {
  using home = new CliHome();
  const context = contextIn(home);
  const { folder, python } = mlxPlace(context.folders);
  mkdirSync(`${folder}/bin`, { recursive: true });
  home.write(python.slice(home.dir.length + 1), '');
  expect(await setUpMlx({}, context)).toBe(0);
});
