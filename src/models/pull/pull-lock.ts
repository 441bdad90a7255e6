/**
 * One pull of a model at a time, over all processes.
 *
 *   free ──take()──▶ held ──dispose, or the process ends in any way──▶ free
 *
 * The system itself lets the lock go with its process, so there is none to be taken over and no pid to be
 * doubted. It is that of an SQLite file in an exclusive transaction. The file is empty and stays: to
 * remove it would give the next two a lock each. Nothing else may open it, since closing any handle of a
 * file lets go of all locks that the process has on it.
 *
 * Units   ms.
 * Errors  PullError `folder` where there can be no lock; the signal's reason.
 * Source  fcntl(2); SQLite, "File Locking And Concurrency In SQLite Version 3". Not for network file systems.
 */
import { DatabaseSync } from 'node:sqlite';

import { PullError } from './pull-error.ts';
import { pause } from './retry.ts';

/** SQLITE_BUSY. */
const BUSY = 5;
const LOOK_AGAIN_MS = 250;

export class PullLock implements Disposable {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Undefined when another has it. */
  static tryTake(path: string): PullLock | undefined {
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path, { timeout: 0 });
      // Nothing is ever written, so a full disk is no matter: no journal on it.
      db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new PullLock(db);
    } catch (error) {
      db?.close();
      if ((error as { errcode?: number }).errcode === BUSY) return undefined;
      const why = error instanceof Error ? error.message : String(error);
      throw new PullError('folder', `Cannot use the lock ${path}: ${why}.`, { cause: error });
    }
  }

  /** Waits for whoever has it, and says so once. */
  static async take(
    path: string,
    { signal, onWait }: { readonly signal: AbortSignal; readonly onWait: () => void },
  ): Promise<PullLock> {
    let hasWaited = false;
    for (;;) {
      signal.throwIfAborted();
      const lock = PullLock.tryTake(path);
      if (lock !== undefined) return lock;
      if (!hasWaited) onWait();
      hasWaited = true;
      await pause(LOOK_AGAIN_MS, signal);
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
