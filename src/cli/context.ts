/** What every command gets: the outside world as values. */
import type { Environment } from './environment.ts';
import type { PlatformFolders } from './paths.ts';

export interface CliContext {
  readonly environment: Environment;
  readonly folders: PlatformFolders;
  /** Of the machine, or of the container that holds us. */
  readonly memoryBytes: number;
}

/** A failure that the user can mend: shown as `hearth: message`, without a stack. Exit code 1. */
export class CliError extends Error {
  override name = 'CliError';
}
