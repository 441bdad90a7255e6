import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { entryUrl } from '../core/entry.ts';
import type { WorkerSpec } from '../orchestrator/replica/worker-process.ts';

export interface CompilerSettings extends Pick<WorkerSpec, 'environment' | 'heartbeat'> {
  /** Of V8's heap: beyond it the child ends, and with it the job. */
  readonly heapMb: number;
}

/** How a compiler of constraints is started; `number` counts those that there were. */
export function compilerSpec(
  number: number,
  { heapMb, environment, heartbeat }: CompilerSettings,
): WorkerSpec {
  return {
    model: 'compiler',
    backend: 'schema',
    number,
    runId: randomUUID(),
    environment,
    heartbeat,
    nodeArgs: [`--max-old-space-size=${heapMb}`],
    entry: fileURLToPath(entryUrl('../worker/compiler/main', import.meta.url)),
  };
}
