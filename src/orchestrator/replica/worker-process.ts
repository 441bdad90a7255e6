/**
 * One child process and its whole life.
 *
 *   running ──exit, or it could not be started──▶ exited
 *      │                                            ▲
 *      `─ stop(): wait, SIGTERM, wait, SIGKILL ─────┤
 *      `─ kill(): SIGKILL ──────────────────────────'
 *
 * Only the process: whether it has said hello, loaded and still lives is decided in `replica.ts`.
 * This file has few imports on purpose. The composition root spawns the first worker before it
 * imports the rest of the server, so that both start at the same time; the bytes that the child
 * writes meanwhile wait in its pipes.
 *
 * The child leads a process group of its own: signals reach what it has started, and Ctrl-C at the
 * terminal reaches only us. 'exit' counts, not 'close': a grandchild that inherited the pipes would
 * delay 'close' for ever. After 'exit' the group is swept, and what is still in the pipes is read.
 *
 * Units   ms. Errors  none is thrown: a child that cannot be started has exited at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { entryUrl } from '../../core/entry.ts';
import { HEARTBEAT_VARIABLE, type HeartbeatSettings, heartbeatFlag } from '../../ipc/heartbeat.ts';
import { causeOfDeath } from './death-cause.ts';
import { OutputLines } from './output-lines.ts';

/** What a worker is that is no program of this Node. */
export interface WorkerProgram {
  readonly command: string;
  /** Before those that every worker is given. */
  readonly args: readonly string[];
  /** Beside that of every worker. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface WorkerSpec {
  /** Of the model. Together with `number` it is the name that `ps` shows (row MX-037). */
  readonly model: string;
  readonly backend: string;
  /** Counts the workers that this model has had. */
  readonly number: number;
  /** Tells this child from any other, also after a pid was used again. */
  readonly runId: string;
  /** All of it: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[] | undefined;
  /** Reaches it three ways: `welcome`, the environment, a flag. */
  readonly heartbeat: HeartbeatSettings;
  /** Another script than the worker of this build. */
  readonly entry?: string | undefined;
  /** Instead of Node. */
  readonly program?: WorkerProgram | undefined;
}

/** As the configuration has them. */
export interface HeartbeatLimits {
  readonly heartbeatIntervalMs: number;
  readonly heartbeatMisses: number;
  readonly heartbeatDependent: boolean;
  readonly silenceLimitMs: number;
}

export type OutputListener = (stream: 'stdout' | 'stderr', line: string) => void;

/** How long the pipes of a dead child may stay open: something outside its group has them. */
const PIPES_CLOSE_MS = 250;

export function spawnWorker(spec: WorkerSpec): WorkerProcess {
  const name = `hearth-worker-${spec.model}-${spec.number}`;
  const { command, args: programArgs, environment } = spec.program ?? ownProgram(spec);
  const args = [
    ...programArgs,
    'worker',
    `--run-id=${spec.runId}`,
    `--backend=${spec.backend}`,
    heartbeatFlag(spec.heartbeat),
  ];
  try {
    const child = spawn(command, args, {
      // Python finds its environment by the folder of its own name.
      argv0: spec.program === undefined ? name : join(dirname(command), name),
      detached: true,
      // One thread in libuv's pool: with more, each decode step starts on a cold thread (gguf.md).
      env: {
        ...spec.environment,
        ...environment,
        UV_THREADPOOL_SIZE: '1',
        [HEARTBEAT_VARIABLE]: JSON.stringify(spec.heartbeat),
      },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    return new WorkerProcess(name, spec, child);
  } catch (error) {
    // Most failures come as an 'error' event; these are the ones that Node throws (E2BIG, ENOMEM).
    return new WorkerProcess(name, spec, error instanceof Error ? error : new Error(String(error)));
  }
}

function ownProgram({ nodeArgs = [], entry }: WorkerSpec): WorkerProgram {
  const script = entry ?? fileURLToPath(entryUrl('../../worker/main', import.meta.url));
  return { command: process.execPath, args: [...nodeArgs, script], environment: {} };
}

export function toHeartbeat(limits: HeartbeatLimits): HeartbeatSettings {
  return {
    intervalMs: limits.heartbeatIntervalMs,
    misses: limits.heartbeatMisses,
    silenceLimitMs: limits.silenceLimitMs,
    dependent: limits.heartbeatDependent,
  };
}

export class WorkerProcess {
  readonly name: string;
  readonly spec: WorkerSpec;
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** The protocol's stream: fd 3 of the child. */
  readonly stream: Duplex;
  /** How it ended, in words, once its pipes are read. Never rejects. */
  readonly exited: Promise<string>;
  /** `EAGAIN` and the like, when the system could not start it. */
  startError: string | undefined;
  readonly #child: ChildProcess | undefined;
  readonly #output = { stdout: new OutputLines(), stderr: new OutputLines() };
  readonly #pipesClosed: Promise<unknown>[] = [];
  #hasExited = false;

  constructor(name: string, spec: WorkerSpec, child: ChildProcess | Error) {
    this.name = name;
    this.spec = spec;
    if (child instanceof Error) {
      this.stream = closedStream();
      this.startError = codeOf(child);
      this.exited = Promise.resolve(`could not be started: ${child.message}`);
      this.#hasExited = true;
      return;
    }
    this.#child = child;
    this.pid = child.pid;
    // Out of file descriptors, Node makes no pipes at all.
    const stream: unknown = child.stdio?.[3];
    this.stream = stream instanceof Duplex ? stream : closedStream();
    this.#pipesClosed.push(closed(this.stream));
    // Replaced by the channel's own listener; until then an error must not be uncaught.
    this.stream.on('error', () => {});
    this.exited = this.#end(child);
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** Null while it runs, and where no signal has ended it. */
  get endSignal(): NodeJS.Signals | null {
    return this.#child?.signalCode ?? null;
  }

  /** The last 4 KiB of stderr, or of stdout when nothing was written there. */
  get tail(): string {
    return this.#output.stderr.tail.trim() || this.#output.stdout.tail.trim();
  }

  /** Starts to read what the child prints. Called once, by whoever adopts the process. */
  readOutput(listener: OutputListener): void {
    for (const from of ['stdout', 'stderr'] as const) {
      const stream = this.#child?.[from];
      if (!stream) continue;
      const lines = this.#output[from];
      this.#pipesClosed.push(closed(stream));
      stream.on('data', (bytes: Buffer) => {
        for (const line of lines.push(bytes)) listener(from, line);
      });
      stream.once('end', () => {
        for (const line of lines.end()) listener(from, line);
      });
      stream.on('error', () => {}); // 'exit' says what there is to say about a broken pipe
    }
  }

  /** Ends it: gives it time to end by itself, then asks, then kills. Bounded by the three waits. */
  async stop({ graceMs, killMs }: { graceMs: number; killMs: number }): Promise<void> {
    if (await this.exitsWithin(graceMs)) return;
    this.#signal('SIGTERM');
    if (await this.exitsWithin(killMs)) return;
    this.kill();
    // A process that the kernel cannot end (waiting for a device) must not hold up our own end.
    await this.exitsWithin(killMs);
  }

  /** SIGKILL to the whole group, also when the child itself is already gone. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  async exitsWithin(ms: number): Promise<boolean> {
    if (this.#hasExited) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    try {
      return await Promise.race([this.exited.then(() => true), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #end(child: ChildProcess): Promise<string> {
    let died: NodeJS.Signals | null | undefined;
    const how = await new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => {
        died = signal;
        resolve(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
      });
      child.on('error', (error) => {
        // With a pid it is a signal that could not be sent, and 'exit' is still to come.
        if (child.pid !== undefined) return;
        this.startError = codeOf(error);
        resolve(`could not be started: ${error.message}`);
      });
    });
    this.kill();
    await within(PIPES_CLOSE_MS, () => Promise.all(this.#pipesClosed));
    this.stream.destroy();
    child.stdout?.destroy();
    child.stderr?.destroy();
    this.#hasExited = true;
    const cause = died === undefined ? undefined : causeOfDeath(died, this.tail);
    return cause === undefined ? how : `${how}: ${cause}`;
  }

  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.pid === undefined || this.#hasExited) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // ESRCH: the group is empty, which is what we wanted.
    }
  }
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : 'unknown';
}

function closed(stream: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => stream.once('close', () => resolve()));
}

async function within(ms: number, wait: () => Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([wait(), late]);
  clearTimeout(timer);
}

function closedStream(): Duplex {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  stream.destroy();
  return stream;
}
