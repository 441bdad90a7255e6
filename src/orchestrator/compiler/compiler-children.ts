/**
 * A fixed number of compilers, each with one job at a time; one that a job has ended is replaced by the next job
 * that needs it. For work that is all there is to do: nothing is remembered, and whoever asks for too much waits.
 *
 *   run ──an idle one, a new one, or the next that is free──▶ job ──▶ idle      close(): all are ended
 *
 * Errors  none is thrown: a job that has no answer says why.
 */
import type { WorkerProcess } from '../replica/worker-process.ts';
import {
  type CompilerJob,
  CompilerProcess,
  type CompilerTimes,
  type JobEnd,
} from './compiler-process.ts';

export interface ChildrenOptions extends CompilerTimes {
  /** `number` counts those that there were. */
  readonly spawn: (number: number) => WorkerProcess;
  /** At once. */
  readonly max: number;
}

export class CompilerChildren implements AsyncDisposable {
  readonly #options: ChildrenOptions;
  readonly #children = new Set<CompilerProcess>();
  readonly #idle: CompilerProcess[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #spawned = 0;
  #isClosed = false;

  constructor(options: ChildrenOptions) {
    this.#options = options;
  }

  async run(job: CompilerJob, body: Uint8Array): Promise<JobEnd> {
    while (this.#busy >= this.#options.max && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#isClosed) return { type: 'died', how: 'there are no compilers any more' };
    this.#busy++;
    const child = this.#idle.pop() ?? this.#spawn();
    const end = await child.run(job, body);
    this.#busy--;
    if (!child.hasEnded) this.#idle.push(child);
    this.#waiting.shift()?.();
    return end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    const children = [...this.#children];
    for (const child of children) child.kill();
    await Promise.all(children.map(({ ended }) => ended));
  }

  #spawn(): CompilerProcess {
    const { spawn, jobMs, startMs } = this.#options;
    this.#spawned++;
    const child = new CompilerProcess(spawn(this.#spawned), { jobMs, startMs });
    this.#children.add(child);
    void child.ended.then(() => {
      this.#children.delete(child);
      const at = this.#idle.indexOf(child);
      if (at >= 0) this.#idle.splice(at, 1);
    });
    return child;
  }
}
