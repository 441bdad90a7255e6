/** How much memory there is for us: that of the machine, or what our container may take of it. */
import { totalmem } from 'node:os';

export function machineMemoryBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
}

/**
 * What is free of it now, undefined where the system does not say it in a way that helps: macOS counts what it would
 * give at once as used.
 */
export function freeMemoryBytes(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const free = process.availableMemory();
  return free > 0 ? free : undefined;
}
