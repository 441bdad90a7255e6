/**
 * A real worker process behind promises, for tests of backends: spawns `src/worker/main.ts` as the
 * orchestrator does, loads a model and keeps what it reports.
 *
 * Units   tokens and milliseconds, as in the protocol.
 * Errors  `load` and `end` reject when the worker is gone, with how it went.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { WireError } from '../../src/core/errors.ts';
import { openWorkerChannel, type WorkerChannel } from '../../src/ipc/channel.ts';
import type {
  FromWorkerMessage,
  GenerateMessage,
  HeartbeatMessage,
  LoadedMessage,
  LoadMessage,
} from '../../src/ipc/protocol.ts';
import { VERSION } from '../../src/ipc/version.ts';
import type { WorkerProgram } from '../../src/orchestrator/replica/worker-process.ts';
import { GREEDY } from './greedy.ts';
import { HEARTBEAT } from './heartbeat.ts';

const MAIN = fileURLToPath(new URL('../../src/worker/main.ts', import.meta.url));

type Finished = Extract<FromWorkerMessage, { type: 'finished' }>;
type Accepted = Extract<FromWorkerMessage, { type: 'accepted' }>;

/** One generation as its reader sees it. */
export interface Generation {
  readonly call: number;
  readonly text: string;
  readonly ids: readonly number[];
  /** Number of step frames that carried something of this call. */
  readonly frames: number;
  readonly accepted: Accepted | undefined;
  readonly finished: Finished | undefined;
  readonly error: WireError | undefined;
}

type Request = Partial<Omit<GenerateMessage, 'sampling'>> & {
  readonly sampling?: Partial<GenerateMessage['sampling']>;
};

export class WorkerClient {
  readonly heartbeats: HeartbeatMessage[] = [];
  readonly messages: FromWorkerMessage[] = [];
  readonly #child: ChildProcess;
  readonly #channel: WorkerChannel;
  readonly #calls = new Map<number, { -readonly [K in keyof Generation]: Generation[K] }>();
  readonly #waiters = new Set<() => void>();
  #gone: string | undefined;
  #lastCall = 0;

  /** `program`: instead of Node. */
  static spawn(backend: 'fake' | 'llama-cpp' | 'mlx', program?: WorkerProgram): WorkerClient {
    return new WorkerClient(backend, program);
  }

  private constructor(backend: string, program: WorkerProgram | undefined) {
    this.#child = spawn(
      program?.command ?? process.execPath,
      [...(program?.args ?? [MAIN]), 'worker', '--run-id=test', `--backend=${backend}`],
      {
        stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
        detached: true,
        env: {
          PATH: process.env.PATH ?? '',
          UV_THREADPOOL_SIZE: '1',
          ...program?.environment,
        },
      },
    );
    this.#child.once('exit', (code, signal) => {
      this.#gone = `worker exited with ${signal ?? `code ${code}`}`;
      this.#changed();
    });
    this.#channel = openWorkerChannel(this.#child.stdio[3] as Duplex, {
      onMessage: (message) => this.#onMessage(message),
      onClose: () => {},
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get gone(): string | undefined {
    return this.#gone;
  }

  async load(
    spec: Partial<LoadMessage> & { readonly path: string },
    heartbeat = HEARTBEAT,
  ): Promise<LoadedMessage> {
    await this.until(() => this.messages.some(({ type }) => type === 'hello'));
    this.#channel.send({ type: 'welcome', version: VERSION, heartbeat });
    // One thread: beside the workers of other tests two would wait for each other, spinning.
    const load = { contextTokens: 512, slots: 4, threads: 1, gpu: 'off' } as const;
    this.#channel.send({ type: 'load', ...load, ...spec });
    await this.until(() => this.#loadEnd !== undefined);
    const end = this.#loadEnd!;
    if (end.type === 'load_failed') throw new Error(end.reason, { cause: end.log });
    return end;
  }

  /** Starts a generation; greedy, up to 16 tokens, unless the request says otherwise. */
  start({ sampling, ...request }: Request): number {
    const call = ++this.#lastCall;
    this.#calls.set(call, {
      call,
      text: '',
      ids: [],
      frames: 0,
      accepted: undefined,
      finished: undefined,
      error: undefined,
    });
    this.#channel.send({
      type: 'generate',
      call,
      requestId: `r${call}`,
      tenant: 'test',
      priority: 'normal',
      prompt: { text: 'hello' },
      maxTokens: 16,
      stops: [],
      echo: false,
      creditTokens: 1_000_000,
      ...request,
      sampling: { ...GREEDY, ...sampling },
    });
    return call;
  }

  async end(call: number): Promise<Generation> {
    await this.until(() => this.#isOver(call));
    return this.generation(call);
  }

  run(request: Request): Promise<Generation> {
    return this.end(this.start(request));
  }

  cancel(call: number): void {
    this.#channel.send({ type: 'cancel', call });
  }

  credit(call: number, tokens: number): void {
    this.#channel.send({ type: 'credit', call, tokens });
  }

  /** A sign of life, for a worker that is asked for nothing longer than it waits for its parent. */
  tick(): void {
    this.#channel.send({ type: 'tick' });
  }

  setThreads(threads: number): void {
    this.#channel.send({ type: 'threads', threads });
  }

  generation(call: number): Generation {
    return this.#calls.get(call)!;
  }

  /** Resolves when `test` holds; looked at after every message. Rejects when the worker is gone. */
  until(test: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const isMet = test();
        if (!isMet && this.#gone === undefined) return;
        this.#waiters.delete(look);
        if (isMet) resolve();
        else reject(new Error(this.#gone));
      };
      this.#waiters.add(look);
      look();
    });
  }

  async stop(): Promise<void> {
    if (this.#gone !== undefined) return;
    this.#channel.send({ type: 'shutdown' });
    await this.until(() => this.#gone !== undefined);
  }

  get #loadEnd() {
    return this.messages.find(
      (message) => message.type === 'loaded' || message.type === 'load_failed',
    );
  }

  #isOver(call: number): boolean {
    const { finished, error } = this.generation(call);
    return finished !== undefined || error !== undefined;
  }

  #onMessage(message: FromWorkerMessage): void {
    switch (message.type) {
      case 'heartbeat':
        this.heartbeats.push(message);
        break;
      case 'step':
        for (const { call, ids, text } of message.sequences) {
          const generation = this.#calls.get(call)!;
          generation.text += text;
          generation.ids = [...generation.ids, ...ids];
          generation.frames++;
        }
        break;
      case 'accepted':
        this.#calls.get(message.call)!.accepted = message;
        break;
      case 'finished':
        this.#calls.get(message.call)!.finished = message;
        break;
      case 'failed':
        this.#calls.get(message.call)!.error = message.error;
        break;
      default:
        this.messages.push(message);
    }
    this.#changed();
  }

  #changed(): void {
    for (const look of [...this.#waiters]) look();
  }
}

export function userSays(text: string): GenerateMessage['prompt'] {
  return { messages: [{ role: 'user', parts: [{ type: 'text', text }] }] };
}
