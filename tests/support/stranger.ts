/**
 * A process of its own group that has nothing to do with any server, for tests of who is ended and who is
 * left alone. It writes down every signal that reaches it, and lives on.
 *
 *   running ──end()──▶ ended        or a SIGTERM, unless it is deaf; or a SIGKILL
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import { processFacts } from '../../src/orchestrator/registry/processes.ts';
import type { WorkerEntry } from '../../src/orchestrator/registry/registry-file.ts';

const PROGRAM = `
  let heard = 0;
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGCONT', 'SIGUSR2'];
  for (const name of signals) process.on(name, () => {
    heard += 1;
    if (name === 'SIGTERM' && !process.argv.includes('--deaf')) {
      process.removeAllListeners(name);
      process.kill(process.pid, name);
    }
  });
  process.stdin.resume().on('end', () => process.exit(heard));
  console.log('up');`;

export class Stranger {
  readonly child: ChildProcess;
  /** Exit code and signal. */
  readonly exited: Promise<readonly [number | null, NodeJS.Signals | null]>;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  }

  /** With this in its command line. */
  static async start(
    argument: string,
    { isDeaf = false }: { isDeaf?: boolean } = {},
  ): Promise<Stranger> {
    const args = ['-e', PROGRAM, '--', argument, ...(isDeaf ? ['--deaf'] : [])];
    const child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const stranger = new Stranger(child);
    await once(child.stdout!, 'data');
    return stranger;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The entry of a worker with which it would be confused, were it not for what `more` says. */
  entry(runId: string, more: Partial<WorkerEntry> = {}): WorkerEntry {
    const { pid } = this;
    const startTime = processFacts(pid)!.startTime;
    return {
      id: 'm-1',
      model: 'm',
      runId,
      owner: 'earlier',
      spawnedMs: 1,
      pid,
      startTime,
      ...more,
    };
  }

  /** How many signals have reached it, or the one that ended it. */
  async end(): Promise<number | NodeJS.Signals> {
    this.child.stdin?.end();
    const [code, signal] = await this.exited;
    return signal ?? code!;
  }
}
