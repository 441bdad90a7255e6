/**
 * A server with workers for experiments: started, loaded with requests, broken, looked at, and gone at the
 * end with everything that belonged to it.
 */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { OwnerLock } from '../../src/orchestrator/registry/owner-lock.ts';
import { processFacts } from '../../src/orchestrator/registry/processes.ts';
import { readRegistry } from '../../src/orchestrator/registry/registry-file.ts';
import { type HearthProcess, startHearth } from '../support/hearth-process.ts';
import { type AskOptions, ask, complete, type Reply } from './client.ts';
import type { Outcome } from './history.ts';
import { Installation } from './installation.ts';

export type Random = () => number;

const MODEL = 'test-model';
const REQUEST_LIMIT_MS = 60_000;
const UNTIL_LIMIT_MS = 60_000;
/** Each is one byte; the model says so many in a second in each slot. */
const TOKENS_PER_SECOND = 1_000;

type Asked = Pick<AskOptions, 'commands' | 'priority' | 'leavesAfter' | 'model' | 'via'>;

export interface LoadPlan {
  readonly clients: number;
  readonly requests: number;
  /** For the n-th request. */
  readonly each?: (index: number) => Partial<Asked> & {
    readonly tokens?: number;
  };
}

export class World {
  readonly random: Random;
  readonly stateDir = mkdtempSync(join(tmpdir(), 'hearth-chaos-'));
  readonly #modelDir = mkdtempSync(join(tmpdir(), 'hearth-chaos-model-'));
  readonly modelFile = join(this.#modelDir, 'fake.json');
  readonly outcomes: Outcome[] = [];
  /** Sent with every request from now on. */
  key: string | undefined;
  /** Every pid that was ever a worker here. */
  readonly workers = new Set<number>();
  #installation: Installation | undefined;
  #server: HearthProcess | undefined;
  #ids = 0;

  constructor(random: Random) {
    this.random = random;
    this.writeModel({});
  }

  /** The script of the fake model; what is not in it is as usual. */
  writeModel(script: object): void {
    const usual = { vocabulary: 'bytes', tokensPerSecond: TOKENS_PER_SECOND };
    writeFileSync(this.modelFile, JSON.stringify({ ...usual, ...script }));
  }

  /** A program of tests/fixtures/workers is the worker from now on. Once before the start, to be so. */
  setWorker(fixture: string, orders: object = {}): void {
    this.#installation ??= new Installation();
    this.#installation.setWorker(fixture, orders);
  }

  /** `args` of `hearth serve`, `env` of its process. */
  async start(
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const server = await startHearth({
      model: this.modelFile,
      ...(this.#installation && { program: this.#installation.program }),
      args: ['--state-dir', this.stateDir, '--slots', '4', ...args],
      env: { HEARTH_WORKER_RESTART_MAX: '1000', HEARTH_LIMITS_QUEUE_DEPTH_MAX: '1000', ...env },
    });
    this.#server = server;
    let event: string | undefined;
    void server.modelSettled.then((settled) => {
      event = settled.event;
    });
    await this.until(() => event !== undefined || server.child.exitCode !== null);
    if (event !== 'ready') throw new Error(`the server is ${event}:\n${server.output()}`);
    this.workerPids();
  }

  get server(): HearthProcess {
    if (this.#server === undefined) throw new Error('the server was not started');
    return this.#server;
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  /** Clients that each ask anew when they were answered. Resolves when all have. */
  async load({ clients, requests, each = () => ({}) }: LoadPlan): Promise<void> {
    let next = 0;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        for (let index = next++; index < requests; index = next++) {
          const { tokens = 40 + this.below(160), ...more } = each(index);
          await this.ask(tokens, more);
        }
      }),
    );
  }

  async ask(tokens: number, more: Partial<Asked> = {}): Promise<Outcome> {
    const id = this.#ids++;
    const nonce = `n${id}x${this.below(1e9).toString(36)}`;
    const { key } = this;
    const { port } = this.server;
    const options = { port, model: MODEL, key, limitMs: REQUEST_LIMIT_MS, ...more };
    const outcome = await ask({ id, nonce, tokens }, options);
    this.outcomes.push(outcome);
    return outcome;
  }

  /** Beside the history: what is looked at is the answer to a fault, not an answer of the model. */
  complete(prompt: string, maxTokens = 5): Promise<Reply> {
    return complete(this.server.port, { model: MODEL, prompt, max_tokens: maxTokens });
  }

  /** Those that are written down now. */
  workerPids(model?: string): readonly number[] {
    const read = readRegistry(this.stateDir);
    const entries = read.kind === 'good' ? read.entries : [];
    const living = entries.filter(({ pid }) => pid !== undefined && processFacts(pid));
    for (const { pid } of living) this.workers.add(pid!);
    return living.flatMap((entry) => ((model ?? entry.model) === entry.model ? entry.pid! : []));
  }

  serverPid(): number {
    const owner = OwnerLock.holder(this.stateDir);
    if (owner === undefined) throw new Error('no server holds the state folder');
    return owner.pid;
  }

  /** Until it holds, looked at every 5 ms. Throws when it does not come to hold. */
  async until(holds: () => boolean | Promise<boolean>): Promise<void> {
    const end = performance.now() + UNTIL_LIMIT_MS;
    while (!(await holds())) {
      if (performance.now() > end)
        throw new Error(`never held within ${UNTIL_LIMIT_MS} ms: ${holds}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** As `until`, asking for `/health` all the while. Returns the median time of its answers, ms. */
  async healthUntil(holds: () => boolean): Promise<number> {
    const times: number[] = [];
    await this.until(async () => {
      const beganMs = performance.now();
      await (await fetch(`http://127.0.0.1:${this.server.port}/health`)).arrayBuffer();
      times.push(performance.now() - beganMs);
      return holds();
    });
    return times.toSorted((a, b) => a - b)[times.length >> 1]!;
  }

  async metric(pattern: RegExp): Promise<number> {
    const headers = this.key === undefined ? {} : { authorization: `Bearer ${this.key}` };
    const url = `http://127.0.0.1:${this.server.port}/metrics`;
    const text = await (await fetch(url, { headers })).text();
    return [...text.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** By the metrics. */
  async isModel(state: string, model = MODEL): Promise<boolean> {
    const line = `^hearth_worker_state\\{model="${model}",state="${state}"\\} (\\d)`;
    return (await this.metric(new RegExp(line, 'gm'))) === 1;
  }

  /** The next worker, once there is one that was never seen before. */
  async nextWorker(model = MODEL): Promise<number> {
    const seen = new Set(this.workers);
    let next: number | undefined;
    await this.until(() => {
      next = this.workerPids(model).find((pid) => !seen.has(pid));
      return next !== undefined;
    });
    return next!;
  }

  openFiles(): number {
    return readdirSync(`/proc/${this.serverPid()}/fd`).length;
  }

  async killServer(): Promise<void> {
    this.workerPids();
    process.kill(this.serverPid(), 'SIGKILL');
    await once(this.server.child, 'exit');
  }

  /** The exit code of the server, which may have ended before; undefined when there was none. */
  async stopServer(): Promise<number | null | undefined> {
    const child = this.#server?.child;
    if (child?.exitCode !== null || child.signalCode !== null) return child?.exitCode;
    this.workerPids();
    return this.server.stop();
  }

  /** What is left that should not be, in words. */
  async end(): Promise<readonly string[]> {
    await this.stopServer();
    const left = [...this.workers].filter((pid) => processFacts(pid) !== undefined);
    const problems = left.map((pid) => `worker ${pid} outlived its server`);
    const read = readRegistry(this.stateDir);
    if (read.kind === 'damaged') problems.push(`the registry is damaged: ${read.reason}`);
    for (const dir of [this.stateDir, this.#modelDir]) {
      rmSync(dir, { recursive: true, force: true });
    }
    this.#installation?.[Symbol.dispose]();
    return problems;
  }
}
