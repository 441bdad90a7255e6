/**
 * A few compilers, each with one job at a time.
 *
 *   run ──an idle one, a new one, or the next that is free──▶ job ──▶ idle      close(): all are ended
 *
 * Where `isKeptWarm`, one that a job has ended is replaced at once, so that nobody waits for its successor to
 * start; else by the next job that needs one.
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
  readonly isKeptWarm?: boolean;
  /** Told how one has ended. */
  readonly onEnd?: (how: string) => void;
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

  /** Jobs that no child has yet: whoever takes them from strangers bounds them by it. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** `body` belongs to the jobs that have one. */
  async run(job: CompilerJob, body?: Uint8Array): Promise<JobEnd> {
    while (this.#busy >= this.#options.max && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#isClosed) return { type: 'died', how: 'there are no compilers any more' };
    this.#busy++;
    const child = this.#idle.pop() ?? this.#spawn();
    const end = await child.run(job, body);
    this.#busy--;
    this.#giveBack(child);
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

  #giveBack(child: CompilerProcess): void {
    if (!child.hasEnded) this.#idle.push(child);
    else if (this.#options.isKeptWarm && !this.#isClosed) this.#idle.push(this.#spawn());
  }

  #spawn(): CompilerProcess {
    const { spawn, cpuMs, startMs, onEnd } = this.#options;
    this.#spawned++;
    const child = new CompilerProcess(spawn(this.#spawned), { cpuMs, startMs });
    this.#children.add(child);
    void child.ended.then((how) => {
      this.#children.delete(child);
      const at = this.#idle.indexOf(child);
      if (at >= 0) this.#idle.splice(at, 1);
      onEnd?.(how);
    });
    return child;
  }
}
