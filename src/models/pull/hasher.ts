/**
 * The hash of a file while it is fetched: a thread follows the part that is whole from the start, so that
 * little is left to do at the end and neither network nor server waits for it.
 *
 *   running ──digest()──▶ done        close(): ended at any time
 *
 * Units  bytes.
 */
import { Worker } from 'node:worker_threads';

import { entryUrl } from '../../core/entry.ts';

export interface HashTask {
  readonly path: string;
  readonly bytes: number;
  /** Also as git names it: a second hash costs as much again. */
  readonly isGit: boolean;
}

export interface Digests {
  readonly sha256: string;
  /** Where it was asked for. */
  readonly gitHash: string | undefined;
}

/** A message for less is not worth it. */
const STEP_BYTES = 4 << 20;

export class Hasher {
  readonly #thread: Worker;
  readonly #bytes: number;
  readonly #digests: Promise<Digests>;
  #told = -1;

  constructor(task: HashTask) {
    this.#bytes = task.bytes;
    this.#thread = new Worker(entryUrl('./hash-thread', import.meta.url), { workerData: task });
    const { promise, resolve, reject } = Promise.withResolvers<Digests>();
    this.#thread.once('message', resolve);
    this.#thread.once('error', reject);
    this.#thread.once('exit', () => reject(new Error('the thread that hashes has ended')));
    // Nobody may be waiting when it fails: whoever asks for the digest hears of it.
    promise.catch(() => {});
    this.#digests = promise;
  }

  /** The file is whole up to there. */
  advance(upTo: number): void {
    if (upTo < this.#bytes && upTo - this.#told < STEP_BYTES) return;
    if (upTo === this.#told) return;
    this.#told = upTo;
    this.#thread.postMessage({ upTo });
  }

  /** Once the file is whole. */
  digest(): Promise<Digests> {
    this.advance(this.#bytes);
    return this.#digests;
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}
