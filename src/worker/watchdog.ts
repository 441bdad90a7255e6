/**
 * Ends the worker where its main thread cannot, because it spins or is stuck: a thread of its own looks
 * whether the parent is still there, and whether a job has used up its processor time. A worker that is
 * well learns of a dead parent sooner, from the end of the channel.
 *
 * The thread's program is given as text: it then needs no file to be found, read and stripped of
 * types, and starts in a third of the time.
 *
 * Units   ms; of the processor: user and system time of all threads of the process (getrusage(2)).
 */
import { Worker } from 'node:worker_threads';

import { OVER_CPU_BUDGET } from '../ipc/cpu-budget.ts';

/** Orphans may live 5 s; looking costs a microsecond. */
const INTERVAL_MS = 250;

const program = (parent: number) => `
const { workerData: until } = require('node:worker_threads');
setInterval(() => {
  const limit = Atomics.load(until, 0);
  const { user, system } = process.cpuUsage();
  if (limit > 0 && (user + system) / 1000 > limit) process.kill(process.pid, '${OVER_CPU_BUDGET}');
  if (process.ppid === ${parent}) return;
  try { process.kill(-process.pid, 'SIGKILL'); } catch { /* not the leader of a group */ }
  process.kill(process.pid, 'SIGKILL');
}, ${INTERVAL_MS});
`;

export class Watchdog {
  /** What the process may have used, in ms since its start; 0 where there is no limit. */
  readonly #until = new Int32Array(new SharedArrayBuffer(4));

  /**
   * The thread keeps nothing alive and ends with the process. The parent is noted here and not in the
   * thread: one that dies while the thread starts would be taken for another.
   */
  constructor() {
    const thread = new Worker(program(process.ppid), {
      eval: true,
      workerData: this.#until,
      resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
    });
    thread.unref();
  }

  /** From now on; the process is ended within 250 ms after it has used them. Replaces what was allowed before. */
  allow(cpuMs: number): void {
    const { user, system } = process.cpuUsage();
    Atomics.store(this.#until, 0, Math.ceil((user + system) / 1000 + cpuMs));
  }

  allowAll(): void {
    Atomics.store(this.#until, 0, 0);
  }
}
