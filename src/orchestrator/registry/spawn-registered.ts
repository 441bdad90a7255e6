/** Starts a worker so that it is written down before it is there. */
import { spawnWorker, type WorkerProcess, type WorkerSpec } from '../replica/worker-process.ts';

/** What starts workers tells it what it does. */
export interface WorkerRegister {
  /** Before the process is there. */
  starting(spec: WorkerSpec): void;
  /** It is there, or could not be started; from here on its end is noticed. */
  started(process: WorkerProcess): void;
}

/** For tests of what is beside it. */
export const noRegister: WorkerRegister = { starting: () => {}, started: () => {} };

export function spawnRegistered(spec: WorkerSpec, register: WorkerRegister): WorkerProcess {
  register.starting(spec);
  const process = spawnWorker(spec);
  register.started(process);
  return process;
}
