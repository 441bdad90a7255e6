/**
 * Where the shared memory for large prompts lies: a folder for each state folder, in memory where the
 * system has such a place (Linux), else where temporary files go.
 *
 *   <parent>/hearth-<user id>-<hash of the state folder>
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Environment } from './environment.ts';

const SHARED_MEMORY = '/dev/shm';
/** Hexadecimal digits: enough that two state folders of one user never meet. */
const HASH_LENGTH = 16;

/**
 * The first is the one to use; it is made when it is needed, and may turn out not to be usable. In the other
 * one an earlier server may have left something. The state folder is there.
 */
export function arenaFolders(
  stateDir: string,
  environment: Environment,
): readonly [string, ...string[]] {
  const hash = createHash('sha256').update(realpathSync(stateDir)).digest('hex');
  const name = `hearth-${process.getuid?.()}-${hash.slice(0, HASH_LENGTH)}`;
  const inMemory = join(SHARED_MEMORY, name);
  const onDisk = join(environment.TMPDIR || tmpdir(), name);
  return canWrite(SHARED_MEMORY) ? [inMemory, onDisk] : [onDisk, inMemory];
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
