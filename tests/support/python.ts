/**
 * A Python with the packages of a requirements file, made on first use under `.cache/python` and
 * kept for as long as the file stays as it is. Every package is checked by its hash.
 *
 * Errors  none thrown: undefined when it cannot be had, with the reason printed once, so that the
 *         tests that need it can be skipped. On continuous integration it can be had.
 */
import { type ExecFileException, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../../.cache/python', import.meta.url));
/** The versions that the packages are built for, best first. */
const INTERPRETERS = ['python3.12', 'python3.11', 'python3'];
const INSTALL_LIMIT_MS = 240_000;

interface Outcome {
  readonly error: ExecFileException | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The path of an interpreter, or undefined. `purpose` names the tests in the printed reason. */
export async function pythonWith(
  requirementsFile: string,
  purpose: string,
): Promise<string | undefined> {
  const base = await findInterpreter();
  if (base === undefined) return skip(purpose, 'no python3 with venv was found on PATH');
  const { stdout: version } = await run(base, ['-c', 'import sys; print(sys.version)']);
  const key = createHash('sha256').update(readFileSync(requirementsFile)).update(version);
  const home = join(cache, key.digest('hex').slice(0, 16));
  const python = join(home, 'bin', 'python');
  if (existsSync(python)) return python;

  const growing = `${home}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  try {
    const made = await run(base, ['-m', 'venv', growing]);
    if (made.error) return skip(purpose, `no virtual environment: ${lastLine(made)}`);
    const installed = await run(join(growing, 'bin', 'python'), [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes'],
      ...['--only-binary', ':all:', '--no-deps', '-r', requirementsFile],
    ]);
    if (installed.error) return skip(purpose, `pip could not install: ${lastLine(installed)}`);
    if (!existsSync(home)) renameSync(growing, home);
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
  return python;
}

async function findInterpreter(): Promise<string | undefined> {
  for (const name of INTERPRETERS) {
    const { error } = await run(name, ['-c', 'import venv, ensurepip']);
    if (error === null) return name;
  }
  return undefined;
}

function run(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: INSTALL_LIMIT_MS }, (error, stdout, stderr) =>
      resolve({ error, stdout, stderr }),
    );
  });
}

function skip(purpose: string, reason: string): undefined {
  console.log(`${purpose} skipped: ${reason}`);
  return undefined;
}

function lastLine({ stderr, error }: Outcome): string {
  return stderr.trim().split('\n').at(-1) || error?.message || 'no reason given';
}
