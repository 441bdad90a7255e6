/**
 * The servers that are measured: Hearth and its peers, each with one model, on a free port of
 * 127.0.0.1, with the same slots, context and threads.
 *
 * Units   `readyMs` from spawn to the first 200 of the readiness route.
 * Errors  Error with the end of the server's output when it does not get ready in time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { WorkerProgram } from '../../src/orchestrator/replica/worker-process.ts';
import { ROOT } from './report.ts';

export interface ServerOptions {
  /** A file; Hearth also takes its models from `config`. */
  readonly model?: string;
  readonly slots: number;
  /** Per slot. */
  readonly contextTokens: number;
  readonly threads: number;
  /** Of Hearth alone. */
  readonly highSpare?: number;
  /** Of Hearth alone: a configuration file. */
  readonly config?: string;
  /** Of Hearth alone: beside our own. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** The server ends when it is aborted: a bench that is stopped leaves nothing behind. */
  readonly signal: AbortSignal;
}

export interface Server extends AsyncDisposable {
  readonly name: 'hearth' | 'llama-server' | 'mlx_lm.server';
  /** Ends in /v1. */
  readonly baseUrl: string;
  /** Of Hearth alone. */
  readonly adminPort: number | undefined;
  readonly pid: number;
  readonly readyMs: number;
  /** Each piece it has written so far, with ms since its spawn. */
  readonly output: readonly { readonly atMs: number; readonly text: string }[];
}

export const PEER_BINARY = join(ROOT, '.cache/peer/build/bin/llama-server');

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const POLL_MS = 5;
const OUTPUT_PIECES = 10_000;

export function startPeer(options: ServerOptions & { readonly model: string }): Promise<Server> {
  return startLlama(options, ['--model', options.model]);
}

/** One process that starts another for each model of a folder, one at a time. */
export function startRouter(
  options: Omit<ServerOptions, 'model'> & { readonly modelsDir: string },
): Promise<Server> {
  return startLlama(options, ['--models-dir', options.modelsDir, '--models-max', '1']);
}

async function startLlama(options: ServerOptions, own: readonly string[]): Promise<Server> {
  const port = await freePort();
  const args = [...own, '--host', '127.0.0.1', '--port', String(port), '--no-ui'];
  args.push('--parallel', String(options.slots));
  args.push('--ctx-size', String(options.slots * options.contextTokens));
  args.push('--threads', String(options.threads), '--threads-batch', String(options.threads));
  const { signal } = options;
  const name = 'llama-server';
  return start({ name, command: PEER_BINARY, args, port, readyPath: '/health', signal });
}

/** `program` is a Python with what it needs, and a script that becomes mlx-lm's server. */
export async function startMlxServer(options: {
  readonly program: WorkerProgram;
  readonly model: string;
  readonly slots: number;
  readonly signal: AbortSignal;
}): Promise<Server> {
  const port = await freePort();
  const { command, args: first, environment: env } = options.program;
  const args = [...first, '--model', options.model, '--host', '127.0.0.1', '--port', String(port)];
  args.push('--decode-concurrency', String(options.slots), '--log-level', 'WARNING');
  const { signal } = options;
  const plan = { command, args, port, readyPath: '/health', signal, env };
  return start({ ...plan, name: 'mlx_lm.server' });
}

/** `entry` is what Node runs: the launcher, or a built main.js. */
export async function startHearth(
  options: ServerOptions,
  entry = join(ROOT, 'bin/hearth.js'),
): Promise<Server> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const stateDir = mkdtempSync(join(tmpdir(), 'hearth-bench-'));
  const args = [entry, 'serve', '--json'];
  if (options.model !== undefined) args.push('--model', `bench=${options.model}`);
  args.push('--host', '127.0.0.1', '--port', String(port), '--admin-port', String(adminPort));
  args.push('--slots', String(options.slots), '--context-tokens', String(options.contextTokens));
  args.push('--state-dir', stateDir);
  if (options.config !== undefined) args.push('--config', options.config);
  const env = {
    HEARTH_MODEL_DEFAULTS_THREADS: String(options.threads),
    HEARTH_MODEL_DEFAULTS_HIGH_SPARE: String(options.highSpare ?? 1),
    ...options.environment,
  };
  const plan = {
    name: 'hearth',
    command: process.execPath,
    args,
    port,
    adminPort,
    readyPath: '/ready',
    signal: options.signal,
  } as const;
  return start({
    ...plan,
    env,
    onStopped: () => rmSync(stateDir, { recursive: true, force: true }),
  });
}

interface Plan {
  readonly name: Server['name'];
  readonly command: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly adminPort?: number;
  readonly readyPath: string;
  readonly signal: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly onStopped?: () => void;
}

async function start(plan: Plan): Promise<Server> {
  const startedMs = performance.now();
  const env = { ...process.env, ...plan.env };
  const child = spawn(plan.command, plan.args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
    signal: plan.signal,
  });
  child.on('error', () => {}); // An abort: what waits for the server fails by itself.
  const output: { atMs: number; text: string }[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.push({ atMs: performance.now() - startedMs, text });
      if (output.length > OUTPUT_PIECES) output.shift();
    });
  }
  const stop = () => stopServer(child, plan.onStopped);
  try {
    await once(child, 'spawn');
    await becomesReady(`http://127.0.0.1:${plan.port}${plan.readyPath}`, child);
  } catch (error) {
    await stop();
    const tail = output
      .map(({ text }) => text)
      .join('')
      .trim()
      .split('\n')
      .slice(-15)
      .join('\n');
    throw new Error(`${plan.name} did not get ready. It wrote:\n${tail}`, { cause: error });
  }
  return {
    name: plan.name,
    baseUrl: `http://127.0.0.1:${plan.port}/v1`,
    adminPort: plan.adminPort,
    pid: child.pid!,
    readyMs: performance.now() - startedMs,
    output,
    [Symbol.asyncDispose]: stop,
  };
}

async function becomesReady(url: string, child: ChildProcess): Promise<void> {
  const limit = AbortSignal.timeout(READY_LIMIT_MS);
  while (!(await answers(url))) {
    limit.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`it exited with ${child.exitCode ?? child.signalCode}`);
    }
    await sleep(POLL_MS);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false; // Nobody listens yet: that is what is waited for.
  }
}

async function stopServer(child: ChildProcess, onStopped: () => void = () => {}): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const late = sleep(STOP_LIMIT_MS, 'late', { ref: false });
    if ((await Promise.race([exited, late])) === 'late') child.kill('SIGKILL');
    await exited;
  }
  onStopped();
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port was given');
  return address.port;
}
