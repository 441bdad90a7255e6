/** Can Hearth read and write where it has to? Nothing is made by looking. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';

import { type Check, fail, good } from './check.ts';

export function checkFolder(name: string, folder: string): Check {
  let at = folder;
  // A folder that is not there yet is made on first use, inside the nearest one that is.
  while (!exists(at) && dirname(at) !== at) at = dirname(at);
  const note = at === folder ? '' : ' (made on first use)';
  try {
    if (!statSync(at).isDirectory()) throw new Error(`${at} is not a folder`);
    accessSync(at, constants.W_OK | constants.X_OK);
    return good(name, `${folder}${note}`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(
      name,
      `${folder}: ${why}`,
      'Give yourself the right to write there, or choose another.',
    );
  }
}

export function checkModelFile(name: string, path: string): Check {
  try {
    const { size } = statSync(path);
    accessSync(path, constants.R_OK);
    return good(`model ${name}`, `${path}, ${(size / 1e6).toFixed(0)} MB`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(`model ${name}`, why, 'Put the file there, or mend the path.');
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
