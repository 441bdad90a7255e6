/** A real worker process and what it says, for tests that are the orchestrator. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  type ChannelOptions,
  openWorkerChannel,
  type WorkerChannel,
} from '../../src/ipc/channel.ts';
import type { FromWorkerMessage, GenerateMessage } from '../../src/ipc/protocol.ts';
import { VERSION } from '../../src/ipc/version.ts';
import { HEARTBEAT } from '../support/heartbeat.ts';
import { generateMessage } from '../unit/worker/generate-message.ts';

export type MessageType = FromWorkerMessage['type'];
export type MessageOf<T extends MessageType> = Extract<FromWorkerMessage, { type: T }>;

const mainFile = fileURLToPath(new URL('../../src/worker/main.ts', import.meta.url));

export class TestWorker implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly channel: WorkerChannel;
  readonly messages: FromWorkerMessage[] = [];
  /** `code 0` or `signal SIGKILL`. */
  readonly exited: Promise<string>;
  /** Why the channel ended; undefined for a clean end. */
  readonly closed: Promise<Error | undefined>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'hearth-worker-'));
  readonly #waiters = new Set<() => void>();
  readonly scriptPath = join(this.#folder, 'script.json');
  readonly spawnedMs = performance.now();

  constructor(
    command: readonly string[] = [mainFile, 'worker', '--run-id=r-1', '--backend=fake'],
    { program = process.execPath, ...options }: ChannelOptions & { readonly program?: string } = {},
  ) {
    this.child = spawn(program, [...command], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
      env: { UV_THREADPOOL_SIZE: '1' },
    });
    this.child.stdout?.resume();
    this.child.stderr?.resume();
    this.exited = once(this.child, 'exit').then(([code, signal]) =>
      signal ? `signal ${signal}` : `code ${code}`,
    );
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    const handlers = {
      onMessage: (message: FromWorkerMessage) => {
        this.messages.push(message);
        for (const look of this.#waiters) look();
      },
      onClose: (error?: Error) => {
        resolve(error);
        for (const look of this.#waiters) look();
      },
    };
    this.channel = openWorkerChannel(this.child.stdio[3] as Socket, handlers, options);
  }

  /** The first message of a type, now or later, that the test function accepts. */
  async next<T extends MessageType>(
    type: T,
    accepts: (message: MessageOf<T>) => boolean = () => true,
  ): Promise<MessageOf<T>> {
    const { promise, resolve, reject } = Promise.withResolvers<MessageOf<T>>();
    let seen = 0;
    const look = () => {
      for (; seen < this.messages.length; seen++) {
        const message = this.messages[seen] as FromWorkerMessage;
        if (message.type === type && accepts(message as MessageOf<T>)) {
          return resolve(message as MessageOf<T>);
        }
      }
      if (!this.channel.isOpen) reject(new Error(`The channel ended before "${type}" came.`));
    };
    this.#waiters.add(look);
    look();
    try {
      return await promise;
    } finally {
      this.#waiters.delete(look);
    }
  }

  /** hello → welcome → load → loaded. */
  async load(script: object = {}, { slots = 4, contextTokens = 4096 } = {}): Promise<void> {
    const path = this.scriptPath;
    writeFileSync(path, JSON.stringify(script));
    await this.next('hello');
    this.channel.send({ type: 'welcome', version: VERSION, heartbeat: HEARTBEAT });
    this.channel.send({ type: 'load', path, contextTokens, slots, threads: 1, gpu: 'off' });
  }

  generate(call: number, text: string, change: Partial<GenerateMessage> = {}): void {
    this.channel.send({ ...generateMessage(call, text), ...change });
  }

  /** All that a call was answered, once it has ended. */
  async answer(call: number) {
    const isIt = (message: { readonly call: number }) => message.call === call;
    const end = await Promise.race([this.next('finished', isIt), this.next('failed', isIt)]);
    const steps = this.messages.flatMap((message) =>
      message.type === 'step' ? message.sequences.filter(isIt) : [],
    );
    return {
      end,
      text: steps.map(({ text }) => text).join(''),
      ids: steps.flatMap(({ ids }) => ids),
      frames: steps.length,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      process.kill(-this.child.pid!, 'SIGKILL');
    } catch {
      // ESRCH: it has ended by itself.
    }
    await this.exited;
    this.channel.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
