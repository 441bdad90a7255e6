/**
 * A library that makes the n-th system call of a server fail, compiled where there is a compiler.
 *
 * Source  `tests/fixtures/failing-calls.c`; Linux with glibc.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../fixtures/failing-calls.c', import.meta.url));

export interface Failure {
  /** `files`: what touches a file of the folder. `fork`: what makes a process. */
  readonly calls: 'files' | 'fork';
  /** From 1; 0 fails none, and all are written down. */
  readonly at: number;
  readonly error: 'ENOSPC' | 'EIO' | 'EAGAIN';
  /** Not that call alone but all from it on. */
  readonly isForGood?: boolean;
  /** Half of a write is done before it fails. */
  readonly isTorn?: boolean;
}

export class FailingCalls implements Disposable {
  readonly #dir = mkdtempSync(join(tmpdir(), 'hearth-calls-'));
  readonly #library = join(this.#dir, 'failing-calls.so');
  readonly #log = join(this.#dir, 'log');
  readonly #folder: string;

  /** Of calls that touch files of `folder`. */
  constructor(folder: string) {
    this.#folder = folder;
    const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror'];
    execFileSync('gcc', [...flags, '-o', this.#library, SOURCE, '-ldl']);
  }

  /** Undefined where it can be had. */
  static whyNot(): string | undefined {
    if (process.platform !== 'linux') return 'only Linux preloads a library so';
    const { status } = spawnSync('gcc', ['--version']);
    return status === 0 ? undefined : 'there is no gcc to compile the failing library';
  }

  /** For the process in which it is to happen; forgets what happened before. */
  env({ calls, at, error, isForGood, isTorn }: Failure): Readonly<Record<string, string>> {
    rmSync(this.#log, { force: true });
    return {
      LD_PRELOAD: this.#library,
      FAIL_FOLDER: this.#folder,
      FAIL_LOG: this.#log,
      FAIL_CALLS: calls,
      FAIL_AT: String(at),
      FAIL_ERRNO: String(constants.errno[error]),
      FAIL_ONWARDS: isForGood === true ? '1' : '0',
      FAIL_TORN: isTorn === true ? '1' : '0',
    };
  }

  /** Those that were made to fail, as number, name and file. */
  get failed(): readonly string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').trimEnd().split('\n') : [];
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
