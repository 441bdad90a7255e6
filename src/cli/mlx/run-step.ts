/**
 * Runs one program of a set-up and tells what it does. It ends with us: Ctrl-C at the terminal reaches it too.
 *
 * Errors  CliError with the step and the last lines that the program has written.
 */
import { execFile } from 'node:child_process';

import { CliError } from '../context.ts';
import type { Environment } from '../environment.ts';

const STEP_LIMIT_MS = 30 * 60_000;
const OUTPUT_MAX_BYTES = 16 * 2 ** 20;
const LINES_SHOWN = 5;

export interface RunStep {
  /** Resolves with what it wrote to stdout. */
  (what: string, command: string, args: readonly string[]): Promise<string>;
  /** Whether it is there and exits with 0. */
  succeeds(command: string, args: readonly string[]): Promise<boolean>;
}

export function createRunStep(environment: Environment, tell: (what: string) => void): RunStep {
  const spawn = (command: string, args: readonly string[]) =>
    new Promise<{ error: Error | null; stdout: string; stderr: string }>((resolve) => {
      const options = { env: environment, timeout: STEP_LIMIT_MS, maxBuffer: OUTPUT_MAX_BYTES };
      execFile(command, args, options, (error, stdout, stderr) =>
        resolve({ error, stdout, stderr }),
      );
    });
  const run = async (what: string, command: string, args: readonly string[]) => {
    tell(what);
    const { error, stdout, stderr } = await spawn(command, args);
    if (error === null) return stdout;
    const lines = (stderr.trim() || stdout.trim() || error.message).split('\n');
    throw new CliError(`cannot ${what}:\n${lines.slice(-LINES_SHOWN).join('\n')}`);
  };
  const succeeds = async (command: string, args: readonly string[]) =>
    (await spawn(command, args)).error === null;
  return Object.assign(run, { succeeds });
}
