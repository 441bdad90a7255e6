/**
 * What models really took, so that the next load need not be estimated: `memory.json` in the state folder.
 *
 * A model is known by its file (path, size, time of change) and by what it is loaded with.
 *
 * Units   bytes.
 * Errors  none: a file that cannot be read is as if there were none, and one that cannot be written is
 *         written the next time.
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

import type { ModelSpec } from '../../models/spec.ts';

const Book = z.record(z.string(), z.number().nonnegative());

/** Beyond so many the oldest are forgotten. */
const ENTRIES_MAX = 256;
/** Less of a difference is not worth a write. */
const WORTH_SHARE = 0.02;

export class MemoryBook {
  readonly #path: string;
  readonly #bytes: Map<string, number>;

  constructor(stateDir: string) {
    this.#path = join(stateDir, 'memory.json');
    this.#bytes = new Map(Object.entries(read(this.#path)));
  }

  /** Undefined when this file was never loaded so. */
  needOf(spec: ModelSpec): number | undefined {
    const key = keyOf(spec);
    return key === undefined ? undefined : this.#bytes.get(key);
  }

  /** The most that it has taken. */
  measured(spec: ModelSpec, bytes: number): void {
    const key = keyOf(spec);
    if (key === undefined) return;
    const before = this.#bytes.get(key) ?? 0;
    if (bytes <= before * (1 + WORTH_SHARE)) return;
    this.#bytes.delete(key);
    this.#bytes.set(key, bytes);
    if (this.#bytes.size > ENTRIES_MAX) this.#bytes.delete(this.#bytes.keys().next().value!);
    const temporary = `${this.#path}.new`;
    try {
      writeFileSync(temporary, JSON.stringify(Object.fromEntries(this.#bytes)));
      renameSync(temporary, this.#path);
    } catch {
      // Only a convenience: without it the next load is estimated.
      removeHalf(temporary);
    }
  }
}

/** On a full disk a part of the file is there. */
function removeHalf(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The folder cannot be written to: the next write that works puts it right.
  }
}

function read(path: string): Readonly<Record<string, number>> {
  try {
    return Book.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return {};
  }
}

/** Undefined where the file cannot be looked at: then nothing is known of it. */
function keyOf({ path, slots, highSpare, contextTokens, gpu }: ModelSpec): string | undefined {
  try {
    const { size, mtimeMs } = statSync(path);
    return [path, size, mtimeMs, slots + highSpare, contextTokens, gpu].join(' ');
  } catch {
    return undefined;
  }
}
