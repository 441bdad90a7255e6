/**
 * Which ranges of a part file are there, on disk beside it: so that a pull that was cut, by kill -9 too,
 * goes on where it was.
 *
 *   {"version":1,"bytes":98362432,"identity":"sha256:…"}\n     what the part is of
 *   0 524288\n                                                 written ranges: start, end
 *   1048576 1572864\n
 *
 * A range is noted after its bytes were handed to the system, so that a killed process leaves no range noted
 * that is not there. A machine that loses power may: the hash at the end finds it. What does not fit the
 * file that is wanted, or cannot be read, is as good as none; a torn last line is none.
 *
 * Units  bytes.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rename, writeFile } from 'node:fs/promises';
import * as z from 'zod';

import type { Range } from './ranges.ts';
import { RangeSet } from './ranges.ts';

/** What makes two files the same: their length and hash, wherever they were fetched from. */
export interface Wanted {
  readonly bytes: number;
  /** `sha256:…` or `git:…`. */
  readonly identity: string;
}

const Head = z.strictObject({
  version: z.literal(1),
  bytes: z.int().nonnegative(),
  identity: z.string(),
});

/** A killed process loses no more than what came within it. */
const SOON_MS = 20;
const LINE = /^(\d{1,15}) (\d{1,15})$/;

export class Journal {
  readonly #file: FileHandle;
  #unwritten: Range[] = [];
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: Error | undefined;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** What it says is done of this file; undefined when it is about none, or another. */
  static async read(path: string, wanted: Wanted): Promise<RangeSet | undefined> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch {
      return undefined; // There is none, or it cannot be read: then nothing is known to be there.
    }
    const [head = '', ...lines] = text.split('\n');
    const parsed = Head.safeParse(parseJson(head));
    if (!parsed.success) return undefined;
    const { bytes, identity } = parsed.data;
    if (bytes !== wanted.bytes || identity !== wanted.identity) return undefined;
    const done = new RangeSet();
    // Behind the last line break is what was being written.
    for (const line of lines.slice(0, -1)) {
      const [, start, end] = LINE.exec(line) ?? [];
      if (start === undefined || Number(end) > bytes) continue;
      done.add({ start: Number(start), end: Number(end) });
    }
    return done;
  }

  /** Written anew and short, beside and renamed, so that it is whole at every moment. */
  static async start(path: string, wanted: Wanted, done: RangeSet): Promise<Journal> {
    const lines = done.ranges.map(({ start, end }) => `${start} ${end}\n`);
    const { bytes, identity } = wanted;
    await writeFile(
      `${path}.new`,
      `${JSON.stringify({ version: 1, bytes, identity })}\n${lines.join('')}`,
    );
    await rename(`${path}.new`, path);
    return new Journal(await open(path, constants.O_WRONLY | constants.O_APPEND));
  }

  /**
   * Written soon, with what else is noted until then, and nobody waits for that: a range that is not noted is fetched
   * again, no more. Throws when an earlier one could not be written.
   */
  note(range: Range): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#unwritten.push(range);
    this.#timer ??= setTimeout(() => this.#flush(), SOON_MS);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#flush();
    await this.#writing;
    await this.#file.close();
  }

  #flush(): void {
    this.#timer = undefined;
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    try {
      while (this.#unwritten.length > 0) {
        const ranges = this.#unwritten;
        this.#unwritten = [];
        const lines = ranges.map(({ start, end }) => `${start} ${end}\n`).join('');
        const bytes = Buffer.from(lines, 'latin1');
        const { bytesWritten } = await this.#file.write(bytes, 0, bytes.length);
        // A torn line must stay the last one: with another behind it, it would mean something else.
        if (bytesWritten < bytes.length) throw diskFull();
      }
    } catch (error) {
      this.#failure = error as Error;
    } finally {
      this.#writing = undefined;
    }
  }
}

function diskFull(): Error {
  return Object.assign(new Error('no space left for the journal'), { code: 'ENOSPC' });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
