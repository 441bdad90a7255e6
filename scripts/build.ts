/**
 * Makes `dist/` for the published package: JavaScript and declarations from every source, and the
 * files beside them that are not TypeScript (the Python half of the workers).
 *
 * The build grows in a folder of its own and takes the place of `dist/` when it is whole, so that
 * neither a failure nor a server that starts meanwhile ever meets half a build.
 *
 *   build ──tsc──▶ copy ──▶ swap      exit 0
 *     └ any error: the new folder goes, `dist/` goes too (it is out of date)      exit 1
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const src = join(root, 'src');
const dist = join(root, 'dist');
const growing = join(root, '.cache', `build-${process.pid}`);

/** Left behind by Python and editors, never part of a package. */
const LITTER = /^(?:__pycache__|\..*|.*\.pyc|.*~)$/;

process.exitCode = build();

function build(): number {
  const startedMs = performance.now();
  mkdirSync(growing, { recursive: true });
  try {
    const status = compile();
    if (status !== 0) {
      rmSync(dist, { recursive: true, force: true });
      console.error(`build: tsc ended with ${status}; there is no dist/ until it passes.`);
      return 1;
    }
    copyTheRest();
    if (!existsSync(join(growing, 'cli', 'main.js'))) {
      console.error(
        'build: src/cli/main.ts made no cli/main.js; bin/hearth.js could start nothing.',
      );
      return 1;
    }
    rmSync(dist, { recursive: true, force: true });
    renameSync(growing, dist);
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
  console.error(
    `build: dist/ is ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
  );
  return 0;
}

function compile(): number {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', growing];
  // npm pack --json keeps stdout for itself.
  const { status, error } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (error !== undefined) console.error(`build: could not start tsc: ${error.message}`);
  return status ?? 1;
}

function copyTheRest(): void {
  cpSync(src, growing, {
    recursive: true,
    filter: (path) => extname(path) !== '.ts' && (path === src || !LITTER.test(basename(path))),
  });
}
