/**
 * install.sh in a small clone made for each test, with the real launcher. What the machine is, and
 * what npm does, come from programs of a few lines that stand first on PATH.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Answers what the script asks; fails at the command that the file `breaks` names. */
const MAIN = `
import { existsSync, readFileSync } from 'node:fs';
const command = process.argv[2]!;
const breaks = existsSync('breaks') ? readFileSync('breaks', 'utf8') : '';
if (command === 'chat' && breaks !== 'mute') {
  let question = '';
  for await (const part of process.stdin) question += part;
  console.log('You asked: ' + question.trim());
}
if (command === 'doctor') console.log('doctor was here');
process.exitCode = breaks === command ? 1 : 0;
`;

let home: string;
let clone: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hearth-install-'));
  clone = join(home, 'clone');
  mkdirSync(join(clone, 'src', 'cli'), { recursive: true });
  mkdirSync(join(home, 'path'));
  cpSync(join(root, 'bin'), join(clone, 'bin'), { recursive: true });
  cpSync(join(root, 'install.sh'), join(clone, 'install.sh'));
  writeFileSync(join(clone, 'package.json'), '{\n  "name": "hearth",\n  "type": "module"\n}\n');
  writeFileSync(join(clone, 'package-lock.json'), '{}');
  writeFileSync(join(clone, 'src', 'cli', 'main.ts'), MAIN);
  program('npm', 'mkdir -p node_modules\necho "$@" >> npm-calls');
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function program(name: string, body: string): void {
  writeFileSync(join(home, 'path', name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(home, 'path', name), 0o755);
}

function install(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(join(clone, 'install.sh'), args, {
    cwd: home,
    encoding: 'utf8',
    env: {
      HOME: home,
      // The Node that runs this test, so that nothing needs to be installed for the hand-over.
      PATH: [
        join(home, 'path'),
        dirname(process.execPath),
        '/usr/bin',
        '/bin',
        '/usr/sbin',
        '/sbin',
      ].join(delimiter),
    },
  });
  return { status, stdout, stderr };
}

const tree = () => readdirSync(clone, { recursive: true, encoding: 'utf8' }).sort();

describe('--dry-run', () => {
  test('tells the machine and the steps, and changes nothing', () => {
    const before = tree();
    const { status, stdout, stderr } = install('--dry-run');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      /^system {3}(Linux|Darwin)-\w+\nchip {5}.+\nmemory {3}\d+ GB\n(.*\n)?node {5}\d+\.\d+\.\d+\n/,
    );
    expect(stdout).toContain('would run: npm ci');
    expect(stdout).toContain('nothing was changed');
    expect(tree()).toEqual(before);
  });

  test('with --uninstall removes nothing', () => {
    install();
    const before = tree();
    expect(install('--dry-run', '--uninstall').stdout).toContain('would go   node_modules');
    expect(tree()).toEqual(before);
  });
});

describe('a machine that cannot run it is told why', () => {
  test.each([
    [
      'an Intel Mac',
      'uname',
      'test "$1" = -s && echo Darwin || echo x86_64',
      'Hearth needs Apple Silicon',
    ],
    [
      'another system',
      'uname',
      'test "$1" = -s && echo FreeBSD || echo amd64',
      'not on FreeBSD-amd64',
    ],
    ['an ancient Node', 'node', 'echo 16.20.2', 'Node 16.20.2 is too old to start from'],
  ])('%s', (_, name, body, message) => {
    program(name, body);
    const before = tree();
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(tree()).toEqual(before);
  });

  test('Apple Silicon passes', () => {
    program('uname', 'test "$1" = -s && echo Darwin || echo arm64');
    program('sysctl', 'test "$2" = hw.memsize && echo 17179869184 || echo "Apple M3"');
    expect(install('--dry-run').stdout).toContain(
      'system   Darwin-arm64\nchip     Apple M3\nmemory   16 GB\n',
    );
  });
});

describe('an install', () => {
  test('sets up, asks doctor, chats, and may be run again', () => {
    const first = install();
    expect(first).toMatchObject({ status: 0 });
    expect(first.stdout).toContain('doctor was here');
    expect(first.stdout).toContain('  You asked: Who are you?\n');
    expect(first.stdout).toMatch(/Hearth is ready\. Start it with: npm start\n$/);
    const before = tree();
    expect(install()).toMatchObject({ status: 0, stdout: first.stdout, stderr: '' });
    expect(tree()).toEqual(before);
  });

  test.each([
    ['doctor', 'doctor found something'],
    ['chat', 'the smoke chat failed'],
    ['mute', 'the model gave an empty answer'],
  ])('fails when %s does', (what, message) => {
    writeFileSync(join(clone, 'breaks'), what);
    // The command runs in the folder of the clone: that is where the script goes first.
    const { status, stdout, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stdout).not.toContain('Hearth is ready');
  });
});

test('--uninstall removes what was installed, twice without complaint', () => {
  const before = tree();
  install();
  expect(existsSync(join(clone, 'node_modules'))).toBe(true);
  rmSync(join(clone, 'npm-calls'));
  expect(install('--uninstall')).toMatchObject({ status: 0, stderr: '' });
  expect(tree()).toEqual(before);
  expect(install('--uninstall').stdout).toContain('not there  node_modules');
});

test('an unknown argument is refused before anything happens', () => {
  const before = tree();
  const { status, stderr } = install('--frobnicate');
  expect(status).toBe(2);
  expect(stderr).toContain('unknown argument --frobnicate');
  expect(tree()).toEqual(before);
});

test('will not work outside a clone', () => {
  rmSync(join(clone, 'package.json'));
  expect(install('--uninstall')).toMatchObject({ status: 1, stdout: '' });
});
