/** How much memory there is for us: that of the machine, or what our container may take of it. */
import { totalmem } from 'node:os';

export function machineMemoryBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
}
