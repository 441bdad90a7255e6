/**
 * Where the shared memory for large prompts lies: one folder for each state folder, in memory where the
 * system has such a place (Linux), else where temporary files go.
 *
 *   <parent>/hearth-<user id>-<hash of the state folder>
 *
 * What a crash has left there is removed when this is made and when it is disposed of: both only by
 * whoever holds the state folder, and while no worker of its runs.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { sweepArenaFolder } from '../ipc/arena-folder.ts';
import type { Environment } from './environment.ts';

const SHARED_MEMORY = '/dev/shm';
/** Hexadecimal digits: enough that two state folders of one user never meet. */
const HASH_LENGTH = 16;

export class ArenaFolders implements Disposable {
  /** The one to use. It is made when it is needed, and may turn out not to be usable. */
  readonly chosen: string;
  readonly #all: readonly string[];

  /** The state folder is there. */
  constructor(stateDir: string, environment: Environment) {
    const hash = createHash('sha256').update(realpathSync(stateDir)).digest('hex');
    const name = `hearth-${process.getuid?.()}-${hash.slice(0, HASH_LENGTH)}`;
    const temporary = environment.TMPDIR || tmpdir();
    // Both are swept: at the last start another one may have been the better choice.
    this.#all = [SHARED_MEMORY, temporary].map((parent) => join(parent, name));
    this.chosen = join(canWrite(SHARED_MEMORY) ? SHARED_MEMORY : temporary, name);
    this.#sweep();
  }

  [Symbol.dispose](): void {
    this.#sweep();
  }

  #sweep(): void {
    for (const folder of this.#all) sweepArenaFolder(folder);
  }
}

function canWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    // A Mac has no such folder.
    return false;
  }
}
