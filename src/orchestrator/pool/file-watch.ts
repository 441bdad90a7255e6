/**
 * Whether a model's file is another one than when it was last tried: its time of change, size or number.
 * Asked by whoever waits for it to be mended, as often as he likes; looked at every LOOK_INTERVAL_MS.
 *
 * Units   ms of the monotonic clock.
 * Errors  none: a file that is missing or cannot be looked at is a version, too.
 */
import { stat } from 'node:fs/promises';

const LOOK_INTERVAL_MS = 1_000;

export class FileWatch {
  readonly #path: string;
  #tried: Promise<string> = Promise.resolve('');
  #lookedMs = 0;
  #isLooking = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** It is tried as it is now. */
  note(): void {
    this.#tried = stamp(this.#path);
  }

  async hasChanged(nowMs: number): Promise<boolean> {
    if (this.#isLooking || nowMs - this.#lookedMs < LOOK_INTERVAL_MS) return false;
    this.#isLooking = true;
    this.#lookedMs = nowMs;
    const [tried, found] = await Promise.all([this.#tried, stamp(this.#path)]);
    this.#isLooking = false;
    return tried !== found;
  }
}

async function stamp(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  }
}
