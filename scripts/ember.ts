/**
 * `npm run ember:train` and `npm run ember:eval`: the recipe of the embedded model, in a Python
 * environment of its own under `.cache/ember`, which is made on first use.
 *
 *   train   trains (or goes on training), and writes `ember/ember-Q8_0.gguf`
 *   eval    serves that file with Hearth and asks it; writes `ember/evaluation.json` and `.md`
 *
 * Further arguments go to `recipe.train` or `recipe.evaluate`. Exit code: that of the step that failed;
 * `eval` also fails below a gate.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { EMBER_FILE } from '../src/models/ember.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const recipe = join(root, 'ember');
const cache = join(root, '.cache/ember');
const run = join(cache, 'run');
const python = join(cache, 'venv/bin/python');
/** Only training needs PyTorch, whose right build depends on the machine. */
const TRAINING = ['requirements.txt', 'torch.txt'];
const ASKING = ['requirements.txt'];
const SLOTS = 8;

class StepError extends Error {
  readonly code: number;

  constructor(message: string, code = 1) {
    super(message);
    this.code = code;
  }
}

try {
  const [command, ...rest] = process.argv.slice(2);
  if (command === 'train') await train(rest);
  else if (command === 'eval') await evaluate(rest);
  else throw new StepError('usage: scripts/ember.ts train|eval [arguments of the recipe]', 2);
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  process.stderr.write(`ember: ${error.message}\n`);
  process.exitCode = error.code;
}

async function train(args: readonly string[]): Promise<void> {
  await ensurePython(TRAINING);
  await must(python, ['-m', 'recipe.train', '--out', run, ...args]);
  await must(python, ['-m', 'recipe.export', '--run', run, '--to', EMBER_FILE]);
}

async function evaluate(args: readonly string[]): Promise<void> {
  await ensurePython(ASKING);
  const state = join(cache, 'state');
  const flags = ['--port', '0', '--admin-port', '0', '--slots', String(SLOTS)];
  const server = spawn(
    process.execPath,
    [join(root, 'bin/hearth.js'), 'serve', '--json', '--state-dir', state, ...flags],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const url = await readyUrl(server);
    const places = ['--url', url, '--model', EMBER_FILE, '--out', recipe];
    await must(python, ['-m', 'recipe.evaluate', ...places, ...args]);
  } finally {
    if (server.exitCode === null) {
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
    rmSync(state, { recursive: true, force: true });
  }
}

/** The server's address without `/v1`, once its model has been loaded. */
async function readyUrl(server: ChildProcess): Promise<string> {
  if (server.stdout === null) throw new Error('the server has no stdout');
  let url = '';
  for await (const line of createInterface({ input: server.stdout })) {
    const event = JSON.parse(line) as { event: string; url?: string; reason?: string };
    if (event.event === 'listening') url = (event.url ?? '').replace(/\/v1$/, '');
    if (event.event === 'ready') return url;
    if (event.event === 'failed') throw new StepError(`the model failed: ${event.reason}`);
  }
  throw new StepError('the server ended before it was ready');
}

/** A stamp says which packages are there. */
async function ensurePython(files: readonly string[]): Promise<void> {
  mkdirSync(cache, { recursive: true });
  for (const file of files) {
    const path = join(recipe, file);
    const wanted = createHash('sha256').update(readFileSync(path)).digest('hex');
    const stamp = join(cache, `${file}.installed`);
    const isThere = existsSync(python) && existsSync(stamp);
    if (isThere && readFileSync(stamp, 'utf8') === wanted) continue;
    if (!existsSync(python)) await must('python3', ['-m', 'venv', join(cache, 'venv')]);
    process.stderr.write(`installing ember/${file} …\n`);
    const hashes = file === 'requirements.txt' ? ['--require-hashes'] : [];
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...hashes];
    await must(python, [...pip, '-r', path]);
    writeFileSync(stamp, wanted);
  }
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { cwd: recipe, stdio: 'inherit' });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (code === 0) return;
  throw new StepError(`${args.slice(0, 2).join(' ')} ended with ${signal ?? code}`, code ?? 1);
}
