/**
 * Where things lie on this platform. Folders are computed here and made where they are used.
 *
 *            configuration                          state                        cache
 *   Linux    $XDG_CONFIG_HOME|~/.config /hearth     $XDG_STATE_HOME|~/.local/…   $XDG_CACHE_HOME|~/.cache
 *   macOS    ~/Library/Application Support/Hearth   …/Hearth/state               ~/Library/Caches/Hearth
 *
 * In a clone, what is fetched lies in its `.cache`, so that removing the clone removes it.
 * Source: XDG Base Directory Specification 0.8 (relative values are to be ignored), Apple's File
 * System Programming Guide.
 */
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Folders } from '../config/settings.ts';
import type { Environment } from './environment.ts';

/** Of the package: what holds `package.json`, `src` or `dist`. */
export const PACKAGE_DIR = fileURLToPath(new URL('../..', import.meta.url));

/** True in a clone, false in an installed package, which has neither lockfile nor sources. */
export function isClone(): boolean {
  return existsSync(join(PACKAGE_DIR, 'package-lock.json')) && existsSync(join(PACKAGE_DIR, 'src'));
}

export interface PlatformFolders extends Folders {
  readonly cacheDir: string;
}

interface Place {
  /** As `process.platform`. */
  readonly platform: string;
  readonly workDir: string;
  /** Undefined for an installed package. */
  readonly cloneDir: string | undefined;
}

export function platformFolders(
  environment: Environment,
  { platform, workDir, cloneDir }: Place,
): PlatformFolders {
  const homeDir = environment.HOME || homedir();
  const base = platform === 'darwin' ? macFolders(homeDir) : xdgFolders(homeDir, environment);
  const cacheDir = cloneDir === undefined ? base.cacheDir : join(cloneDir, '.cache');
  return {
    ...base,
    homeDir,
    workDir,
    cacheDir,
    modelsDir: join(cacheDir, 'models'),
  };
}

/**
 * Makes the state folder, readable by its owner alone (row MX-032). One that is there and open to
 * others is refused, not closed: it may be a folder that others need. Errors say what to do.
 */
export function ensureStateDir(stateDir: string): void {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const { mode, uid } = statSync(stateDir);
    if (uid !== process.getuid?.()) throw new Error(`it belongs to user ${uid}`);
    if ((mode & 0o077) !== 0) {
      throw new Error(`others may look into it (mode ${(mode & 0o777).toString(8)}, not 700)`);
    }
    accessSync(stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `cannot use the state folder ${stateDir}: ${why}. Choose another with --state-dir.`,
      { cause: error },
    );
  }
}

function macFolders(homeDir: string) {
  const support = join(homeDir, 'Library', 'Application Support', 'Hearth');
  return {
    configDir: support,
    stateDir: join(support, 'state'),
    cacheDir: join(homeDir, 'Library', 'Caches', 'Hearth'),
  };
}

function xdgFolders(homeDir: string, environment: Environment) {
  const folder = (variable: string, ...byDefault: readonly string[]) => {
    const value = environment[variable];
    return join(value && isAbsolute(value) ? value : join(homeDir, ...byDefault), 'hearth');
  };
  return {
    configDir: folder('XDG_CONFIG_HOME', '.config'),
    stateDir: folder('XDG_STATE_HOME', '.local', 'state'),
    cacheDir: folder('XDG_CACHE_HOME', '.cache'),
  };
}
