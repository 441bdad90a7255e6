/**
 * A file that is being fetched: full length from the start, filled in any order, with its journal.
 *
 *   open() ──▶ filling ──▶ whole ──sync(), close()──▶ to be checked and renamed
 *      ▲          │reset()
 *      └──────────┘ nothing of it counts any more
 *
 * Units   bytes.
 * Errors  those of the file system, as they are.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';

import { Journal, type Wanted } from './journal.ts';
import { type Range, RangeSet } from './ranges.ts';

export class PartFile {
  readonly path: string;
  readonly bytes: number;
  readonly #journalPath: string;
  readonly #wanted: Wanted;
  readonly #file: FileHandle;
  #journal: Journal;
  #done: RangeSet;
  /** Raised by `reset`: what was on its way before does not count. */
  #era = 0;

  private constructor(
    paths: PartPaths,
    wanted: Wanted,
    opened: { file: FileHandle; journal: Journal; done: RangeSet },
  ) {
    this.path = paths.part;
    this.#journalPath = paths.journal;
    this.bytes = wanted.bytes;
    this.#wanted = wanted;
    this.#file = opened.file;
    this.#journal = opened.journal;
    this.#done = opened.done;
  }

  static async open(paths: PartPaths, wanted: Wanted): Promise<PartFile> {
    const done = await readDone(paths, wanted);
    const file = await open(paths.part, constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      // Of another file: not one byte of it is to be met again.
      if (done.bytes === 0) await file.truncate(0);
      await file.truncate(wanted.bytes);
      const journal = await Journal.start(paths.journal, wanted, done);
      return new PartFile(paths, wanted, { file, journal, done });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get doneBytes(): number {
    return this.#done.bytes;
  }

  /** How far it is whole from the start. */
  get prefix(): number {
    return this.#done.prefix;
  }

  missing(): readonly Range[] {
    return this.#done.missing(this.bytes);
  }

  /** Resolves when the bytes are with the system. */
  async write(chunks: readonly Buffer[], start: number): Promise<void> {
    const era = this.#era;
    let position = start;
    let rest = chunks;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.writev(rest, position);
      position += bytesWritten;
      // A disk that is nearly full takes a part, and fails at the next.
      rest = without(rest, bytesWritten);
    }
    if (era !== this.#era) return;
    const range = { start, end: position };
    this.#done.add(range);
    this.#journal.note(range);
  }

  async reset(): Promise<void> {
    this.#era += 1;
    this.#done = new RangeSet();
    await this.#journal.close();
    this.#journal = await Journal.start(this.#journalPath, this.#wanted, this.#done);
    await this.#file.truncate(0);
    await this.#file.truncate(this.bytes);
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#journal.close();
    await this.#file.close();
  }
}

export interface PartPaths {
  readonly part: string;
  readonly journal: string;
}

export async function discardPart({ part, journal }: PartPaths): Promise<void> {
  await rm(part, { force: true });
  await rm(journal, { force: true });
}

async function readDone(paths: PartPaths, wanted: Wanted): Promise<RangeSet> {
  const done = await Journal.read(paths.journal, wanted);
  if (done === undefined) return new RangeSet();
  try {
    const { size } = await stat(paths.part);
    return size === wanted.bytes ? done : new RangeSet();
  } catch {
    return new RangeSet(); // A journal without its file says nothing.
  }
}

function without(chunks: readonly Buffer[], bytes: number): readonly Buffer[] {
  let left = bytes;
  for (const [index, chunk] of chunks.entries()) {
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(index + 1)];
    left -= chunk.length;
  }
  return [];
}
