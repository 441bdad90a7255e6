/**
 * A worker as the orchestrator has it, without the orchestrator: a real process behind the frame protocol, which is
 * gone when it is left or when the bench is stopped.
 *
 * Units   ms.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import type { HeartbeatSettings } from '../../src/ipc/heartbeat.ts';
import type { LoadedMessage } from '../../src/ipc/protocol.ts';
import type { WorkerProgram } from '../../src/orchestrator/replica/worker-process.ts';
import { WorkerClient } from '../../tests/support/worker-client.ts';

export interface BenchWorker extends AsyncDisposable {
  readonly client: WorkerClient;
  readonly loaded: LoadedMessage;
  readonly helloMs: number;
  readonly loadedMs: number;
}

export interface BenchWorkerOptions {
  readonly backend: 'llama-cpp' | 'mlx';
  /** Undefined: Node. */
  readonly program: WorkerProgram | undefined;
  readonly path: string;
  readonly slots: number;
  readonly contextTokens: number;
  readonly threads: number;
  readonly signal: AbortSignal;
}

/** As a server has it by default. */
const HEARTBEAT: HeartbeatSettings = {
  intervalMs: 1_000,
  misses: 10,
  silenceLimitMs: 60_000,
  dependent: true,
};
const STOP_LIMIT_MS = 10_000;

export async function startWorker(options: BenchWorkerOptions): Promise<BenchWorker> {
  const { backend, program, path, slots, contextTokens, threads, signal } = options;
  signal.throwIfAborted();
  const startedMs = performance.now();
  const client = WorkerClient.spawn(backend, program);
  const kill = () => {
    // Its whole group, which it leads.
    if (client.gone === undefined) process.kill(-client.pid, 'SIGKILL');
  };
  signal.addEventListener('abort', kill, { once: true });
  let ticking: NodeJS.Timeout | undefined;
  const stop = async () => {
    clearInterval(ticking);
    signal.removeEventListener('abort', kill);
    const late = sleep(STOP_LIMIT_MS, 'late', { ref: false });
    const stopped = client.stop().catch(() => {}); // It is gone already, which is what is wanted.
    if ((await Promise.race([stopped, late])) === 'late') kill();
    await stopped;
  };
  try {
    await client.until(() => client.messages.some(({ type }) => type === 'hello'));
    const helloMs = performance.now() - startedMs;
    const loaded = await client.load({ path, slots, contextTokens, threads }, HEARTBEAT);
    const loadedMs = performance.now() - startedMs;
    ticking = setInterval(() => {
      if (client.gone === undefined) client.tick();
    }, HEARTBEAT.intervalMs);
    return { client, loaded, helloMs, loadedMs, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
