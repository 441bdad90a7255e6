/** Who has the state folder, and what an earlier server left behind: that is ended, nothing else is touched. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';

import { silentLog } from '../../core/log.ts';
import { OwnerError } from '../../orchestrator/registry/owner-lock.ts';
import { Registry } from '../../orchestrator/registry/registry.ts';
import { type Check, fail, good } from './check.ts';

export async function checkWorkers(stateDir: string): Promise<Check> {
  const name = 'workers';
  if (!existsSync(stateDir)) return good(name, 'none; no server has run yet');
  try {
    using registry = Registry.open({
      stateDir,
      token: randomUUID(),
      log: silentLog,
      wallMs: () => Date.now(),
    });
    const ended = await registry.sweep();
    return good(name, ended === 0 ? 'none left behind' : `${ended} of an earlier server ended`);
  } catch (error) {
    if (!(error instanceof OwnerError)) throw error;
    // A server that runs looks after its own.
    if (error.isTaken) return good(name, `looked after by the server that runs`);
    return fail(name, error.message, 'Give yourself the right to write there.');
  }
}
