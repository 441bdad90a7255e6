/**
 * Writes into the arena of a channel behind its back. The file has no name any more: it is reached through
 * the file numbers of the process that made it, which Linux shows in /proc.
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync, writeSync } from 'node:fs';

const HEAD_BYTES = 16;
const GENERATION_AT = 4;
const BYTES_AT = 8;

export class ArenaFile implements Disposable {
  readonly #fd: number;

  /** Of the process that sends. It has used its arena before, and has one. */
  constructor(pid: number | 'self') {
    const folder = `/proc/${pid}/fd`;
    const file = readdirSync(folder).find((fd) => /\/arena-/.test(linkOf(`${folder}/${fd}`)));
    if (file === undefined) throw new Error(`process ${pid} has no arena open`);
    this.#fd = openSync(`${folder}/${file}`, 'r+');
  }

  /** Of the block at the front: 0 when there is none. It is written last, when all of the block is there. */
  generation(): number {
    return this.#read(GENERATION_AT, 4).readUInt32LE();
  }

  /** Of the payload at the front. */
  bytes(): number {
    return this.#read(BYTES_AT, 4).readUInt32LE();
  }

  /** In the payload at the front. */
  flip({ at, bit }: { readonly at: number; readonly bit: number }): void {
    const byte = this.#read(HEAD_BYTES + at, 1);
    byte[0] = byte[0]! ^ (1 << bit);
    writeSync(this.#fd, byte, 0, 1, HEAD_BYTES + at);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #read(position: number, bytes: number): Buffer {
    const buffer = Buffer.alloc(bytes);
    readSync(this.#fd, buffer, 0, bytes, position);
    return buffer;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed since the folder was read.
    return '';
  }
}
