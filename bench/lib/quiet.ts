/**
 * A measurement that others on the machine did not spoil: their share of the CPU time is looked at
 * over the run, and a run with too much of it is made again, so often and no more. What is kept in
 * the end says how much there was.
 *
 * Units   shares of all CPU time of the machine, 0 to 1.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { cpuMsOf, endedChildrenMs, machineBusyMs, processTree } from './proc.ts';

const FOREIGN_SHARE_MAX = 0.08;
const ATTEMPTS = 4;
/** Threads that spin after their work (OpenMP does for 200 ms) must not run into the next run. */
const SETTLE_MS = 400;

export interface Quiet<T> {
  readonly value: T;
  readonly foreignShare: number;
  readonly attempts: number;
}

/**
 * `roots` are the processes that belong to the measurement, with all they started. Programs that
 * the run itself starts and waits for are counted as its own.
 */
export async function runQuiet<T>(
  roots: readonly number[],
  run: () => Promise<T>,
): Promise<Quiet<T>> {
  let best: Quiet<T> | undefined;
  for (let attempts = 1; ; attempts++) {
    await sleep(SETTLE_MS);
    const { value, foreignShare } = await watch(roots, run);
    if (best === undefined || foreignShare < best.foreignShare)
      best = { value, foreignShare, attempts };
    if (foreignShare <= FOREIGN_SHARE_MAX || attempts === ATTEMPTS) return { ...best, attempts };
  }
}

export function isDisturbed(foreignShare: number): boolean {
  return foreignShare > FOREIGN_SHARE_MAX;
}

async function watch<T>(roots: readonly number[], run: () => Promise<T>) {
  const pids = roots.flatMap((root) => processTree(root).map(({ pid }) => pid));
  const before = { own: ownMs(pids), busy: machineBusyMs(), at: performance.now() };
  const value = await run();
  const capacityMs = (performance.now() - before.at) * availableParallelism();
  const foreignMs = machineBusyMs() - before.busy - (ownMs(pids) - before.own);
  return { value, foreignShare: Math.max(0, foreignMs / capacityMs) };
}

function ownMs(pids: readonly number[]): number {
  return cpuMsOf(pids) + cpuMsOf([process.pid]) + endedChildrenMs();
}
