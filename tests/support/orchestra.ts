/**
 * An orchestrator over real fake workers, for tests: what it tells log and observer is kept, and can
 * be waited for, so that no test waits for time. `end` stops it and says which processes are left.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { systemClock } from '../../src/core/clock.ts';
import type { CallContext, GenerationEvent, GenerationRequest } from '../../src/core/engine.ts';
import type { HearthError } from '../../src/core/errors.ts';
import type { Log, LogFields } from '../../src/core/log.ts';
import { type Observer, silentObserver } from '../../src/core/observer.ts';
import type { ModelSpec } from '../../src/models/spec.ts';
import { MemoryBook } from '../../src/orchestrator/memory/memory-book.ts';
import { Orchestrator, type OrchestratorOptions } from '../../src/orchestrator/orchestrator.ts';
import { GREEDY } from './greedy.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

export interface Setup {
  /** Name of a model → its script. The default is one model `a` that echoes, with 2 slots. */
  readonly models?: Readonly<Record<string, object>>;
  readonly slots?: number;
  /** 0: tests of one class need no lane for another. */
  readonly highSpare?: number;
  readonly preload?: boolean;
  readonly pinned?: readonly string[];
  readonly memoryBudgetBytes?: number;
  readonly keepAliveMs?: number;
  readonly replicas?: number;
  readonly threads?: ModelSpec['threads'];
  readonly cores?: number;
  readonly recycle?: ModelSpec['recycle'];
  /** A program in tests/fixtures/workers instead of the real worker. */
  readonly fixture?: string;
  readonly worker?: Partial<OrchestratorOptions['worker']>;
  readonly limits?: Partial<OrchestratorOptions['limits']>;
  readonly rateLimits?: OrchestratorOptions['rateLimits'];
  readonly prespawned?: OrchestratorOptions['prespawned'];
}

/** How one request went, as its client sees it. */
export interface Heard {
  readonly text: string;
  readonly events: readonly GenerationEvent[];
  readonly error: HearthError | undefined;
}

export class Orchestra {
  readonly orchestrator: Orchestrator;
  /** What it was made with. */
  readonly specs: readonly ModelSpec[];
  readonly lines: LogLine[] = [];
  /** Every call of the observer: its name and its arguments. */
  readonly seen: (readonly [name: string, ...args: unknown[]])[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), 'hearth-orchestra-'));
  readonly #waiters = new Set<() => void>();
  #requests = 0;

  constructor({
    models = { a: {} },
    slots = 2,
    highSpare = 0,
    preload = true,
    pinned = [],
    memoryBudgetBytes,
    keepAliveMs = Number.POSITIVE_INFINITY,
    replicas = 1,
    threads = 1,
    cores = 2,
    recycle = {},
    fixture,
    worker,
    limits,
    rateLimits,
    prespawned,
  }: Setup = {}) {
    for (const [name, script] of Object.entries(models)) this.write(name, script);
    this.specs = Object.keys(models).map((name) => ({
      name,
      backend: 'fake' as const,
      path: this.path(name),
      slots,
      highSpare,
      contextTokens: 4_096,
      threads,
      preload,
      replicas,
      recycle,
      pin: pinned.includes(name),
      keepAliveMs,
      gpu: 'off' as const,
      defaults: {},
    }));
    this.orchestrator = new Orchestrator({
      models: this.specs,
      limits: {
        queueDepthMax: 1_000,
        queueDepthHighSpare: 0,
        queueTimeoutMs: { high: 30_000, normal: 30_000, low: 30_000 },
        weights: { high: 8, normal: 3, low: 1 },
        agedAfterMs: { high: 2_000, normal: 10_000, low: 15_000 },
        ...limits,
      },
      rateLimits,
      worker: {
        startTimeoutMs: 20_000,
        loadTimeoutMs: 20_000,
        drainTimeoutMs: 10_000,
        killTimeoutMs: 3_000,
        heartbeatIntervalMs: 200,
        // Patient: a machine that runs other tests may keep a worker waiting for seconds.
        heartbeatMisses: 100,
        heartbeatDependent: true,
        silenceLimitMs: 60_000,
        stepFloorMs: 10_000,
        restartMax: 3,
        restartPeriodMs: 60_000,
        probeAfterMs: 60_000,
        environment: { PATH: process.env.PATH ?? '' },
        ...(fixture === undefined
          ? {}
          : {
              entry: fileURLToPath(new URL(`../fixtures/workers/${fixture}.ts`, import.meta.url)),
            }),
        ...worker,
      },
      cores,
      clock: systemClock,
      log: this.#log({}),
      observer: this.#observer(),
      memory:
        memoryBudgetBytes === undefined
          ? undefined
          : { budgetBytes: memoryBudgetBytes, book: new MemoryBook(this.folder) },
      newRunId: () => crypto.randomUUID(),
      ...(prespawned === undefined ? {} : { prespawned }),
    });
  }

  path(model: string): string {
    return join(this.folder, `${model}.json`);
  }

  write(model: string, script: object): void {
    writeFileSync(this.path(model), JSON.stringify(script));
  }

  /** Starts, and waits until every model can answer. */
  async ready(): Promise<this> {
    await this.orchestrator.start();
    await this.until(() => this.orchestrator.models().every(({ state }) => state === 'ready'));
    return this;
  }

  /** Resolves as soon as it holds; looked at whenever something is logged or observed. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
    });
  }

  count(name: string, matches: (args: readonly unknown[]) => boolean = () => true): number {
    return this.seen.filter(([seen, ...args]) => seen === name && matches(args)).length;
  }

  /** Of all workers that were ever started. */
  get pids(): number[] {
    return this.lines
      .filter(({ message }) => message === 'worker started')
      .map(({ fields }) => fields.pid as number);
  }

  submit(text: string, { signal = new AbortController().signal, ...more }: SubmitOptions = {}) {
    const request: GenerationRequest = {
      model: more.model ?? 'a',
      prompt: { text },
      sampling: GREEDY,
      stops: [],
      maxTokens: more.maxTokens,
    };
    const requestId = `request-${++this.#requests}`;
    const priority = more.priority ?? 'normal';
    const { affinity, keepAliveMs } = more;
    const context = { requestId, tenant: 't', priority, signal, affinity, keepAliveMs };
    return this.orchestrator.submit(request, context);
  }

  /** Submits and reads to the end. Never rejects: errors are in the result. */
  async ask(text: string, options: AskOptions = {}): Promise<Heard> {
    const events: GenerationEvent[] = [];
    let error: HearthError | undefined;
    try {
      const ticket = await this.submit(text, options);
      for await (const event of ticket.events) {
        events.push(event);
        options.onEvent?.(event);
      }
    } catch (thrown) {
      error = thrown as HearthError;
    }
    const text_ = events.map((event) => (event.type === 'delta' ? event.text : '')).join('');
    return { text: text_, events, error };
  }

  /** Destroys what is left; returns the workers that are still alive. */
  async end(): Promise<number[]> {
    await this.orchestrator.destroy();
    rmSync(this.folder, { recursive: true, force: true });
    return this.pids.filter(isAlive);
  }

  #log(fields: LogFields): Log {
    const write = (level: LogLine['level']) => (more: LogFields, message: string) => {
      this.lines.push({ level, message, fields: { ...fields, ...more } });
      this.#look();
    };
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (more) => this.#log({ ...fields, ...more }),
    };
  }

  #observer(): Observer {
    const names = Object.keys(silentObserver) as (keyof Observer)[];
    const note =
      (name: string) =>
      (...args: unknown[]) => {
        this.seen.push([name, ...args]);
        this.#look();
      };
    return Object.fromEntries(names.map((name) => [name, note(name)])) as unknown as Observer;
  }

  /** After the caller is done: what it just told may not be in its state yet. */
  #look(): void {
    queueMicrotask(() => {
      for (const look of [...this.#waiters]) look();
    });
  }
}

interface SubmitOptions {
  readonly affinity?: string;
  readonly keepAliveMs?: number;
  readonly model?: string;
  readonly priority?: CallContext['priority'];
  readonly maxTokens?: number;
  readonly signal?: AbortSignal;
}

interface AskOptions extends SubmitOptions {
  readonly onEvent?: (event: GenerationEvent) => void;
}

/** A zombie does not live: whoever has to reap an orphan may take its time. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // ESRCH, ENOENT
    return false;
  }
}
