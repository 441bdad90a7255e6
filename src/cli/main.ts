/**
 * Entry of `hearth`. Does the two things that must come first and hands over: compiled code is kept
 * between starts (it halves the time that our imports take), and the environment becomes a value.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

import { readEnvironment } from './environment.ts';
import { machineMemoryBytes } from './machine-memory.ts';
import { isClone, PACKAGE_DIR, platformFolders } from './paths.ts';

const LEFTOVER_MS = 500;

const environment = readEnvironment();
const folders = platformFolders(environment, {
  platform: process.platform,
  workDir: process.cwd(),
  cloneDir: isClone() ? PACKAGE_DIR : undefined,
});
enableCompileCache(join(folders.cacheDir, 'compile'));

// A reader that goes away (`| head`) is no failure of ours, and no reason to stop serving.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

const { runProgram } = await import('./program.ts');
process.exitCode = await runProgram(process.argv.slice(2), {
  environment,
  folders,
  memoryBytes: machineMemoryBytes(),
});
// Everything is closed by now. Should a handle be left, it must not keep a finished command alive.
setTimeout(() => process.exit(), LEFTOVER_MS).unref();
