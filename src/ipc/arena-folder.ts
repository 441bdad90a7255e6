/**
 * The folder of arenas: one for each state folder, open to its owner alone. A file has a name there only
 * from its making until the other end has opened it, so that what lies there when a server starts is
 * what a crash has left.
 *
 * Errors  that the folder cannot be used, in words; `sweepArenaFolder` throws none.
 */
import { lstatSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Its parent may be open to everybody: a folder that somebody else has put there is not used. */
export function ensureArenaFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const facts = lstatSync(folder);
  if (!facts.isDirectory() || facts.uid !== process.getuid?.() || (facts.mode & 0o077) !== 0) {
    throw new Error('the folder of the arena is not ours alone');
  }
}

/** Only by whoever holds the state folder that this one belongs to. */
export function sweepArenaFolder(folder: string): void {
  try {
    const facts = lstatSync(folder);
    if (!facts.isDirectory() || facts.uid !== process.getuid?.()) return;
    for (const name of readdirSync(folder)) unlinkSync(join(folder, name));
    rmdirSync(folder);
  } catch {
    // Not there, mostly. What cannot be removed costs memory and harms nobody: names are never used twice.
  }
}
