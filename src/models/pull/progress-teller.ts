/**
 * Tells how far all files of a pull are together, a few times a second, how fast, and how long it will take.
 *
 * Units  bytes, ms.
 */
import type { Clock } from '../../core/clock.ts';
import type { PullEvent } from '../../core/puller.ts';
import { Speed } from './speed.ts';

interface Options {
  readonly clock: Clock;
  readonly onEvent: (event: PullEvent) => void;
}

const INTERVAL_MS = 250;

export class ProgressTeller implements Disposable {
  readonly #speed = new Speed();
  readonly #totalBytes: number;
  readonly #options: Options;
  readonly #timer: NodeJS.Timeout;
  #earlierFiles = 0;
  #thisFile = 0;

  constructor(totalBytes: number, options: Options) {
    this.#totalBytes = totalBytes;
    this.#options = options;
    this.#timer = setInterval(() => this.#tell(), INTERVAL_MS);
    this.#timer.unref();
  }

  fileBytes(bytes: number): void {
    // The first report is of what was there: it has not come at any speed.
    const isFirst = this.#thisFile === 0;
    this.#thisFile = bytes;
    if (isFirst) this.#sample();
  }

  fileDone(bytes: number): void {
    this.#earlierFiles += bytes;
    this.#thisFile = 0;
    this.#tell();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  get #bytes(): number {
    return this.#earlierFiles + this.#thisFile;
  }

  #sample(): void {
    this.#speed.note(this.#options.clock.nowMs(), this.#bytes);
  }

  #tell(): void {
    this.#sample();
    const { bytesPerSecond } = this.#speed;
    const left = this.#totalBytes - this.#bytes;
    this.#options.onEvent({
      event: 'progress',
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
      bytesPerSecond: Math.round(bytesPerSecond),
      secondsLeft: bytesPerSecond > 0 ? Math.ceil(left / bytesPerSecond) : undefined,
    });
  }
}
