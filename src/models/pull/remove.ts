/**
 * Removes a pulled model, and what a pull that was cut has left of it.
 *
 * Errors  PullError `not_found`, `name_taken` while it is being pulled, `folder`.
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { suggest } from '../../core/suggest.ts';
import { PullError } from './pull-error.ts';
import { PullLock } from './pull-lock.ts';
import { listPartial, listPulled, MANIFEST, pullDirOf, pullPaths } from './pulled-models.ts';
import { exists, inFolder } from './work-folder.ts';

export interface Removed {
  readonly name: string;
  readonly bytes: number;
  /** It was never whole. */
  readonly isPartial: boolean;
}

export async function removePulled(modelsDir: string, name: string): Promise<Removed> {
  const { models } = listPulled(modelsDir);
  const partial = listPartial(modelsDir);
  const model = models.find(({ manifest }) => manifest.name === name);
  const part = partial.find((one) => one.name === name);
  const names = new Set([
    ...models.map(({ manifest }) => manifest.name),
    ...partial.map((one) => one.name),
  ]);
  // A folder with a manifest that cannot be read is one of ours, too; by its name alone nothing is removed.
  const isBroken =
    model === undefined &&
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) &&
    (await exists(join(modelsDir, name, MANIFEST)));
  if (!names.has(name) && !isBroken) {
    const near = suggest(name, names);
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    throw new PullError(
      'not_found',
      `no model ${JSON.stringify(name)} was pulled.${hint} "hearth models --disk" lists them.`,
    );
  }
  return inFolder(modelsDir, async () => {
    const { target, old, work, lock: lockPath } = pullPaths(modelsDir, name);
    await mkdir(pullDirOf(modelsDir), { recursive: true });
    using lock = PullLock.tryTake(lockPath);
    if (lock === undefined) {
      throw new PullError(
        'name_taken',
        `${name} is being pulled just now. Stop that, or wait for it.`,
      );
    }
    // Out of sight in one step, then gone by and by.
    if (model !== undefined || isBroken) {
      await rm(old, { recursive: true, force: true });
      await rename(target, old);
      await rm(old, { recursive: true, force: true });
    }
    await rm(work, { recursive: true, force: true });
    const bytes = (model?.bytes ?? 0) + (part?.bytes ?? 0);
    return { name, bytes, isPartial: model === undefined && !isBroken };
  });
}
