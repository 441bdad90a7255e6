/**
 * Is there room for what is to be fetched, beside what other pulls will still take?
 *
 * Part files have holes: what they will take is counted, for those pulls that run. What was cut and may be
 * gone on with some day is not.
 *
 * Units   bytes.
 * Errors  PullError `disk_full`.
 */
import { statfs } from 'node:fs/promises';

import { PullError } from './pull-error.ts';
import { PullLock } from './pull-lock.ts';
import { listPartial, pullPaths } from './pulled-models.ts';
import { showBytes } from './sizes.ts';

export async function assertRoom(
  modelsDir: string,
  { name, bytes }: { readonly name: string; readonly bytes: number },
): Promise<void> {
  const { bavail, bsize } = await statfs(modelsDir);
  const free = bavail * bsize;
  const taken = bytesOfOthers(modelsDir, name);
  if (bytes <= free - taken) return;
  const others = taken === 0 ? '' : ` and other pulls still take ${showBytes(taken)}`;
  throw new PullError(
    'disk_full',
    `${name} takes ${showBytes(bytes)} more, and ${modelsDir} has ${showBytes(free)} free${others}. Make room ("hearth models --disk", "hearth rm"), or set [paths] models_dir.`,
  );
}

function bytesOfOthers(modelsDir: string, own: string): number {
  return listPartial(modelsDir)
    .filter(({ name }) => name !== own && isRunning(modelsDir, name))
    .reduce((sum, { bytes, totalBytes }) => sum + totalBytes - bytes, 0);
}

function isRunning(modelsDir: string, name: string): boolean {
  const lock = PullLock.tryTake(pullPaths(modelsDir, name).lock);
  lock?.[Symbol.dispose]();
  return lock === undefined;
}
