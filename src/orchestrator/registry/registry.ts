/**
 * Every worker there is, written down before it is started, so that none outlives its server unseen.
 *
 *   open() ──▶ owner ──close()──▶ closed          one owner for each state folder (`owner-lock.ts`)
 *
 *   of an entry:  noted ──started──▶ running ──ended──▶ gone
 *
 * A server that was killed leaves its entries behind. Its workers end by themselves, by the end of their
 * channel; the next server looks after them all the same (`sweep`): one whose pid, start time **and** run
 * id are those of the entry is ended, any other is only struck out. Never is a process signalled because
 * of its pid alone.
 *
 * The one writer of `workers.json`; readers (`hearth ps`) just read.
 *
 * Units   ms.
 * Errors  OwnerError from `open`. A file that cannot be written is logged once and tried again at every
 *         change and every look: workers run on, and what is in memory is right.
 */
import type { Log } from '../../core/log.ts';
import type { WorkerProcess, WorkerSpec } from '../replica/worker-process.ts';
import { OwnerLock } from './owner-lock.ts';
import { listProcesses, type ProcessFacts, processFacts } from './processes.ts';
import {
  readRegistry,
  registryPath,
  setAside,
  type WorkerEntry,
  writeRegistry,
} from './registry-file.ts';
import type { WorkerRegister } from './spawn-registered.ts';

export interface RegistryOptions {
  readonly stateDir: string;
  /** Tells this server from every other. */
  readonly token: string;
  readonly log: Log;
  /** ms since the epoch. */
  readonly wallMs: () => number;
  /** How often entries are compared with what runs. */
  readonly lookIntervalMs?: number;
  /** From asking an orphan to end to killing it. */
  readonly killAfterMs?: number;
}

const LOOK_INTERVAL_MS = 30_000;
const KILL_AFTER_MS = 2_000;
/** Between two looks at a process that was told to end. */
const POLL_MS = 25;

export class Registry implements WorkerRegister, Disposable {
  readonly #options: RegistryOptions;
  readonly #lock: OwnerLock;
  /** By run id. */
  readonly #entries = new Map<string, WorkerEntry>();
  readonly #looking: NodeJS.Timeout;
  #isWritten = true;
  #isClosed = false;

  private constructor(options: RegistryOptions, lock: OwnerLock) {
    this.#options = options;
    this.#lock = lock;
    this.#read();
    this.#looking = setInterval(() => this.look(), options.lookIntervalMs ?? LOOK_INTERVAL_MS);
    this.#looking.unref();
  }

  static open(options: RegistryOptions): Registry {
    const lock = OwnerLock.take(options.stateDir, options.token);
    try {
      return new Registry(options, lock);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  get entries(): readonly WorkerEntry[] {
    return [...this.#entries.values()];
  }

  starting({ model, number, runId }: WorkerSpec): void {
    const { token, wallMs } = this.#options;
    const id = `${model}-${number}`;
    this.#entries.set(runId, { id, model, runId, owner: token, spawnedMs: wallMs() });
    this.#write();
  }

  started(process: WorkerProcess): void {
    const { runId } = process.spec;
    const entry = this.#entries.get(runId);
    if (process.pid !== undefined && entry !== undefined) {
      const startTime = processFacts(process.pid)?.startTime;
      this.#entries.set(runId, { ...entry, pid: process.pid, startTime });
      this.#write();
    }
    void process.exited.then(() => {
      this.#entries.delete(runId);
      this.#write();
    });
  }

  /** Ends what an earlier server left behind. Resolves with how many there were. */
  async sweep(): Promise<number> {
    const { token, log, killAfterMs = KILL_AFTER_MS } = this.#options;
    const left = this.entries.filter(({ owner }) => owner !== token);
    if (left.length === 0) return 0;
    const running = listProcesses();
    const orphans = left.flatMap((entry) => {
      const found = findProcess(entry, running);
      return found === undefined ? [] : [{ entry, found }];
    });
    for (const { entry, found } of orphans) {
      log.warn({ worker: entry.id, pid: found.pid }, 'ending a worker of an earlier server');
    }
    await Promise.all(orphans.map(({ found }) => endGroup(found, killAfterMs)));
    for (const { runId } of left) this.#entries.delete(runId);
    log.info({ struck: left.length, ended: orphans.length }, 'registry of an earlier server read');
    this.#write();
    return orphans.length;
  }

  /** Strikes out what is gone without having said so, and writes what could not be written. */
  look(): void {
    let isChanged = !this.#isWritten;
    for (const entry of this.entries) {
      if (entry.pid === undefined || entry.owner !== this.#options.token) continue;
      if (processFacts(entry.pid)?.startTime === entry.startTime) continue;
      this.#entries.delete(entry.runId);
      isChanged = true;
    }
    if (isChanged) this.#write();
  }

  /** After the last worker has ended. */
  [Symbol.dispose](): void {
    // What ends from here on is not ours to write down: the folder may have another owner.
    this.#isClosed = true;
    clearInterval(this.#looking);
    this.#lock[Symbol.dispose]();
  }

  #read(): void {
    const { stateDir, log, wallMs } = this.#options;
    const read = readRegistry(stateDir);
    if (read.kind === 'good') {
      for (const entry of read.entries) this.#entries.set(entry.runId, entry);
    }
    if (read.kind !== 'damaged') return;
    // Nothing in it can be trusted to name a process, so nothing is ended because of it.
    try {
      const aside = setAside(stateDir, wallMs());
      log.warn(
        { reason: read.reason, aside },
        'the registry of workers is damaged and was set aside',
      );
    } catch (error) {
      log.warn({ reason: read.reason, err: error }, 'the registry of workers is damaged');
    }
  }

  #write(): void {
    if (this.#isClosed) return;
    const { stateDir, log } = this.#options;
    try {
      writeRegistry(stateDir, this.entries);
    } catch (error) {
      const path = registryPath(stateDir);
      if (this.#isWritten) log.error({ path, err: error }, 'cannot write the registry of workers');
      this.#isWritten = false;
      return;
    }
    if (!this.#isWritten) log.info({}, 'the registry of workers is written again');
    this.#isWritten = true;
  }
}

/** The process of the entry, if it is still that process. */
function findProcess(
  { pid, startTime, runId }: WorkerEntry,
  running: ReadonlyMap<number, ProcessFacts>,
): ProcessFacts | undefined {
  const argument = `--run-id=${runId}`;
  const isOurs = ({ command }: ProcessFacts) => command.split(' ').includes(argument);
  if (pid === undefined) {
    // Its server died between the spawn and the note of it.
    return [...running.values()].find(isOurs);
  }
  const found = running.get(pid);
  return found !== undefined && found.startTime === startTime && isOurs(found) ? found : undefined;
}

/** SIGTERM to the group, then SIGKILL; resolves when its leader is gone, or cannot be ended. */
async function endGroup(leader: ProcessFacts, killAfterMs: number): Promise<void> {
  for (const name of ['SIGTERM', 'SIGKILL'] as const) {
    if (!signalGroup(leader.pid, name)) return;
    const tries = Math.ceil(killAfterMs / POLL_MS);
    for (let i = 0; i < tries; i++) {
      const there = processFacts(leader.pid);
      if (there?.startTime !== leader.startTime) {
        // Whatever it had started goes with it, unless the number is somebody else's by now.
        if (there === undefined) signalGroup(leader.pid, 'SIGKILL');
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function signalGroup(pid: number, name: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    process.kill(-pid, name);
    return true;
  } catch {
    return false;
  }
}
