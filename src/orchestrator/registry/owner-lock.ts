/**
 * One server for each state folder.
 *
 *   free ──take()──▶ held ──release(), or the process ends in any way──▶ free
 *
 * The lock is that of an SQLite file which is kept in an exclusive transaction: the system itself lets it
 * go when the process is gone, and not before. A server that is stopped, swapped out or asleep keeps it,
 * and nobody has to guess from the age of a file.
 *
 * Beside it `owner.json` says who holds it, for messages; it decides nothing.
 *
 * Errors  OwnerError when another process has the folder, or the file cannot be used.
 * Source  SQLite, "File Locking And Concurrency In SQLite Version 3"; fcntl(2): a process's locks end
 *         with it. Not for network file systems, whose locks may lie.
 */
import { chmodSync, closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';

import { processFacts } from './processes.ts';

const Owner = z.object({ pid: z.int().positive(), startTime: z.string(), token: z.string() });
export type Owner = z.output<typeof Owner>;

export class OwnerError extends Error {
  override name = 'OwnerError';
  /** Another process has the folder; else the file cannot be used. */
  readonly isTaken: boolean;

  constructor(message: string, options: ErrorOptions & { readonly isTaken: boolean }) {
    super(message, options);
    this.isTaken = options.isTaken;
  }
}

/** SQLITE_BUSY. */
const BUSY = 5;

export class OwnerLock implements Disposable {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** `token` tells this server from every other. */
  static take(stateDir: string, token: string): OwnerLock {
    const path = join(stateDir, 'owner.lock');
    let db: DatabaseSync;
    try {
      closeSync(openSync(path, 'a', 0o600));
      chmodSync(path, 0o600);
      db = new DatabaseSync(path, { timeout: 0 });
    } catch (error) {
      throw unusable(path, error);
    }
    try {
      // Nothing is ever written, so a full disk is no reason not to start: no journal on it. Not OFF: in
      // SQLite's defensive mode, the default of `node:sqlite`, that is ignored without a word.
      db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    } catch (error) {
      db.close();
      if ((error as { errcode?: number }).errcode === BUSY) throw taken(stateDir);
      throw unusable(path, error);
    }
    const lock = new OwnerLock(db);
    writeOwner(stateDir, token);
    return lock;
  }

  /** The process that holds the folder; undefined when nobody does. */
  static holder(stateDir: string): Owner | undefined {
    const owner = readOwner(stateDir);
    if (owner === undefined) return undefined;
    return processFacts(owner.pid)?.startTime === owner.startTime ? owner : undefined;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function taken(stateDir: string): OwnerError {
  const owner = OwnerLock.holder(stateDir);
  const who = owner === undefined ? 'another Hearth server' : `a Hearth server (pid ${owner.pid})`;
  return new OwnerError(
    `${who} uses the state folder ${stateDir}. Stop it, or choose another folder with --state-dir.`,
    { isTaken: true },
  );
}

function unusable(path: string, error: unknown): OwnerError {
  const why = error instanceof Error ? error.message : String(error);
  const message = `cannot use the lock ${path}: ${why}`;
  return new OwnerError(message, { cause: error, isTaken: false });
}

/** Only for messages: that it cannot be written, on a full disk, keeps no server from starting. */
function writeOwner(stateDir: string, token: string): void {
  const { pid } = process;
  const owner: Owner = { pid, startTime: processFacts(pid)?.startTime ?? '', token };
  try {
    writeFileSync(join(stateDir, 'owner.json'), `${JSON.stringify(owner)}\n`, { mode: 0o600 });
  } catch {
    // The message will say "another Hearth server".
  }
}

function readOwner(stateDir: string): Owner | undefined {
  try {
    return Owner.parse(JSON.parse(readFileSync(join(stateDir, 'owner.json'), 'utf8')));
  } catch {
    return undefined;
  }
}
