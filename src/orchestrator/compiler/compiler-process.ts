/**
 * One compiler of constraints: a child process that does one job at a time and may be killed at any time.
 *
 *   starting ──ready──▶ idle ◀──answer── busy          run() from idle or starting
 *       \                \                 │ too late, dead, or no frames: killed
 *        `────────────────`────────────────┴──▶ ended
 *
 * A job is given time of a processor, which the compiler counts: that a machine is busy is not a schema's
 * fault. Only one that also takes many times as long by the clock is killed from here.
 *
 * Units   ms. Errors  none is thrown: a job that has no answer says why.
 */
import { encodeBinaryFrame, encodeFrame, FrameDecoder } from '../../ipc/codec.ts';
import {
  FromCompiler,
  type FromCompilerMessage,
  type ToCompilerMessage,
} from '../../ipc/compiler-protocol.ts';
import { OVER_CPU_BUDGET } from '../../ipc/cpu-budget.ts';
import type { WorkerProcess } from '../replica/worker-process.ts';

type WithoutEnvelope<T> = T extends unknown ? Omit<T, 'call' | 'cpuMs'> : never;
export type CompilerJob = WithoutEnvelope<ToCompilerMessage>;
export type CompilerAnswer = Exclude<FromCompilerMessage, { type: 'ready' }>;
export type JobEnd =
  | CompilerAnswer
  /** It took longer than it may. */
  | { readonly type: 'late' }
  /** Out of memory, or a fault of ours; `how` is for the log. */
  | { readonly type: 'died'; readonly how: string };

export interface CompilerTimes {
  /** Of the processor, for one job. */
  readonly cpuMs: number;
  /** From the spawn to its first word. */
  readonly startMs: number;
}

interface Running {
  readonly call: number;
  readonly end: (end: JobEnd) => void;
}

/** How much longer than its time of a processor a job may take by the clock. */
const CLOCK_PER_CPU = 10;

export class CompilerProcess {
  readonly #process: WorkerProcess;
  readonly #times: CompilerTimes;
  readonly #decoder = new FrameDecoder();
  readonly #ready = Promise.withResolvers<void>();
  /** How it ended. Never rejects. */
  readonly ended: Promise<string>;
  #running: Running | undefined;
  #calls = 0;
  #isLate = false;

  constructor(process: WorkerProcess, times: CompilerTimes) {
    this.#process = process;
    this.#times = times;
    process.readOutput(() => {});
    process.stream.on('data', (bytes: Uint8Array) => this.#receive(bytes));
    const slow = setTimeout(() => process.kill(), times.startMs);
    void this.#ready.promise.then(() => clearTimeout(slow));
    this.ended = process.exited.then((how) => {
      clearTimeout(slow);
      this.#ready.resolve();
      const tail = process.tail.split('\n').at(-1) ?? '';
      const why = tail === '' ? how : `${how}: ${tail}`;
      const isLate = this.#isLate || process.endSignal === OVER_CPU_BUDGET;
      this.#settle(isLate ? { type: 'late' } : { type: 'died', how: why });
      return why;
    });
  }

  get hasEnded(): boolean {
    return this.#process.hasExited;
  }

  /** One at a time. `body` belongs to the jobs that have one. */
  async run(job: CompilerJob, body?: Uint8Array): Promise<JobEnd> {
    await this.#ready.promise;
    const { promise, resolve } = Promise.withResolvers<JobEnd>();
    const call = ++this.#calls;
    const { cpuMs } = this.#times;
    this.#running = { call, end: resolve };
    if (this.hasEnded) this.#settle({ type: 'died', how: await this.ended });
    else this.#send({ ...job, call, cpuMs }, body);
    const late = setTimeout(() => {
      this.#isLate = true;
      this.kill();
    }, cpuMs * CLOCK_PER_CPU);
    try {
      return await promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** It has nothing to lose, so it is not asked first. */
  kill(): void {
    this.#process.kill();
  }

  #send(message: object, body: Uint8Array | undefined): void {
    const pieces = body === undefined ? [encodeFrame(message)] : encodeBinaryFrame(message, body);
    for (const piece of pieces) this.#process.stream.write(piece);
  }

  #receive(bytes: Uint8Array): void {
    try {
      for (const { message } of this.#decoder.push(bytes)) {
        const parsed = FromCompiler.parse(message);
        if (parsed.type === 'ready') this.#ready.resolve();
        else if (parsed.call === this.#running?.call) this.#settle(parsed);
      }
    } catch {
      // Not a frame of ours: what it says next means nothing either. `ended` tells whoever waits.
      this.kill();
    }
  }

  #settle(end: JobEnd): void {
    const running = this.#running;
    this.#running = undefined;
    running?.end(end);
  }
}
