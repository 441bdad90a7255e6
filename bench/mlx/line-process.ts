/**
 * A program that answers each line of JSON with one: the Python that measures itself. Its first line says that it is
 * ready. It ends when it is left, or when the bench is stopped.
 *
 * Errors  Error when it ends instead of answering; what it wrote to stderr has been shown.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type * as z from 'zod';

import type { WorkerProgram } from '../../src/orchestrator/replica/worker-process.ts';

export interface LineProcess extends AsyncDisposable {
  readonly pid: number;
  ask<T>(question: unknown, answer: z.ZodType<T>): Promise<T>;
}

export async function startLineProcess(
  { command, args, environment }: WorkerProgram,
  signal: AbortSignal,
): Promise<LineProcess> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH ?? '', ...environment },
    signal,
  });
  child.on('error', () => {}); // An abort, or no such program: the line that never comes says so.
  child.stdin.on('error', () => {}); // It ended before it was asked: as above.
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    signal.throwIfAborted();
    if (done) throw new Error(`${args.at(-2)} ended with ${child.exitCode ?? child.signalCode}`);
    return value;
  };
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  try {
    await once(child, 'spawn');
    await next();
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    throw error;
  }
  return {
    pid: child.pid!,
    ask: async (question, answer) => {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return answer.parse(JSON.parse(await next()));
    },
    [Symbol.asyncDispose]: stop,
  };
}
