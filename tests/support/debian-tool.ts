/**
 * A program of a Debian package that tests may use where it is there: on the PATH, or unpacked by
 * `.ci/run` into `.cache/tools`.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const UNPACKED = fileURLToPath(new URL('../../.cache/tools/usr/bin', import.meta.url));

/** Its path, or undefined after a line that says what is skipped. */
export function findTool(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), UNPACKED];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) {
    console.log(
      `${name} is not installed (Debian package prometheus): tests that need it are skipped`,
    );
  }
  return found;
}
