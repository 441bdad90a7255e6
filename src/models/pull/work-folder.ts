/**
 * The folders of a pull: where parts grow, and what the file system says when it does not go on.
 *
 * Errors  PullError `disk_full`, `folder` out of `inFolder`; else those of the file system.
 */
import { access, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { baseName } from './file-names.ts';
import type { HubFile } from './hub.ts';
import { PullError } from './pull-error.ts';
import { MANIFEST, type Manifest, type PullPaths } from './pulled-models.ts';

export async function makeFolders({ files, journals }: PullPaths): Promise<void> {
  await mkdir(files, { recursive: true });
  await mkdir(journals, { recursive: true });
}

export async function freshFolders(paths: PullPaths): Promise<void> {
  await rm(paths.work, { recursive: true, force: true });
  await makeFolders(paths);
}

/** Parts of what was wanted before, and no longer. */
export async function keepOnly(
  { files, journals }: PullPaths,
  wanted: readonly HubFile[],
): Promise<void> {
  const names = new Set(wanted.map(({ path }) => baseName(path)));
  for (const folder of [files, journals]) {
    for (const name of await readdir(folder)) {
      if (!names.has(name)) await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

export async function bytesOnDisk(
  { files }: PullPaths,
  wanted: readonly HubFile[],
): Promise<number> {
  let sum = 0;
  for (const { path, bytes } of wanted) {
    try {
      const { blocks } = await stat(join(files, baseName(path)));
      sum += Math.min(bytes, blocks * 512);
    } catch {
      // Not begun.
    }
  }
  return sum;
}

/** Nothing is left of a pull that has fetched nothing. */
export async function removeEmpty({ files, work }: PullPaths): Promise<void> {
  try {
    if ((await readdir(files)).length > 0) return;
  } catch {
    // There is not even a folder for files.
  }
  await rm(work, { recursive: true, force: true });
}

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const path = join(folder, MANIFEST);
  await writeFile(`${path}.new`, `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
  await rename(`${path}.new`, path);
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

const DISK_FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
const FOLDER: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EIO',
  'EEXIST',
]);

/** What the file system says, in one line. */
export async function inFolder<Result>(
  modelsDir: string,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (DISK_FULL.has(code)) {
      const text = `The disk of ${modelsDir} is full. Make room and run it again; what is there is kept.`;
      throw new PullError('disk_full', text, { cause: error });
    }
    if (FOLDER.has(code)) {
      const text = `Cannot write into ${modelsDir} (${message}). Mend its rights, or set [paths] models_dir.`;
      throw new PullError('folder', text, { cause: error });
    }
    throw error;
  }
}
