/**
 * Hearth as it is published, in `.cache/bench-package`: built JavaScript, no sources, the clone's
 * dependencies. Beside the clone, because a `dist/` in it would be what everybody starts.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './report.ts';

const FOLDER = join(ROOT, '.cache/bench-package');
const PARTS = [
  'bin',
  'config',
  'scripts',
  'src',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
];

/** Returns the launcher of the built package. Always builds: a stale one would be measured. */
export function buildPackage(): string {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  for (const part of PARTS) cpSync(join(ROOT, part), join(FOLDER, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(FOLDER, 'node_modules'));
  const { status } = spawnSync(process.execPath, [join(FOLDER, 'scripts/build.ts')], {
    cwd: FOLDER,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error(`the build failed with ${status}; see above`);
  for (const part of ['src', 'scripts']) rmSync(join(FOLDER, part), { recursive: true });
  return join(FOLDER, 'bin/hearth.js');
}
