/**
 * A Python that is new enough for our own code, with its standard library alone.
 *
 * Errors  none thrown: undefined when there is none, with the reason printed.
 */
import { spawnSync } from 'node:child_process';

const NAMES = ['python3', 'python3.12', 'python3.11'];
const PROGRAM = 'import sys; print(sys.executable); sys.exit(sys.version_info < (3, 11))';

/** The path of the interpreter itself: a name on PATH may be a shell script that needs the environment. */
export function plainPython(purpose: string): string | undefined {
  for (const name of NAMES) {
    const { status, stdout } = spawnSync(name, ['-c', PROGRAM], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  console.log(`${purpose} skipped: Python 3.11 or newer is not installed`);
  return undefined;
}
