/** What this machine is. */
import { availableParallelism, cpus, release } from 'node:os';

import { type Check, good, warn } from './check.ts';

const GIB = 2 ** 30;
/** Below it, even the smallest model leaves the system little. */
const MEMORY_MIN_BYTES = 3.5 * GIB;

export function checkMachine(
  hearthVersion: string,
  nativeVersion: string,
  memoryBytes: number,
): readonly Check[] {
  const memory = `${(memoryBytes / GIB).toFixed(1)} GiB`;
  return [
    good('hearth', `${hearthVersion}, node-llama-cpp ${nativeVersion}`),
    good('node', process.versions.node),
    good('system', `${process.platform} ${release()}, ${process.arch}`),
    good('CPU', `${cpus()[0]?.model.trim() || 'unknown'}, ${availableParallelism()} cores`),
    memoryBytes >= MEMORY_MIN_BYTES
      ? good('memory', memory)
      : warn('memory', memory, 'Choose a small model and few slots; 8 GiB are comfortable.'),
  ];
}
