/**
 * Shared memory for payloads: a file of fixed size that the sender writes at an offset and the receiver
 * reads through a file number of its own. Bytes are copied twice and never pass through the socket.
 *
 *   sender    create ─▶ offered ─▶ unlinked ─▶ closed       receiver    open ─▶ closed
 *   block     free ──allocate──▶ written ──seal──▶ told ──release──▶ free
 *
 *   block in the file   u32 mark · u32 generation · u32 bytes · u32 CRC-32 of the payload · payload
 *
 * Each block has one owner, its payload. The generation counts the blocks of this arena, so that a stale
 * block, one that was never written and one that was changed are all seen. The receiver copies first and
 * checks its copy: what is written later cannot change what was found good.
 *
 * The file is sparse, and once both ends have it open it has no name: a crash leaves nothing. It is read,
 * not mapped: to cut a file that somebody has mapped would kill them.
 *
 * Units   bytes; numbers in the file are little-endian.
 * Errors  whatever the system says where a file cannot be made, opened or written; WorkerError
 *         `payload_damaged` for a block that is not what it was.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import { WorkerError } from '../core/errors.ts';
import { ensureArenaFolder } from './arena-folder.ts';
import { FreeList, type Range } from './free-list.ts';
import { ARENA_BYTES, type BlockMessage } from './protocol.ts';

const MARK = 0x48_41_52_31;
const HEAD_BYTES = 16;
/** Pages that stay for the next one: to give back and take anew costs more than a small payload does. */
const KEEP_BYTES = 4 * 1024 * 1024;

/** A place in the arena, and how much of its payload it holds. */
export interface Block {
  readonly range: Range;
  readonly generation: number;
  readonly bytes: number;
  writtenBytes: number;
  crc: number;
}

/** The sender's end. */
export class Arena {
  readonly path: string;
  readonly #fd: number;
  readonly #list = new FreeList(ARENA_BYTES);
  #generation = 0;
  /** Where the highest block since the last trim ended. */
  #usedBytes = 0;
  #hasName = true;

  constructor(folder: string) {
    ensureArenaFolder(folder);
    this.path = join(folder, `arena-${randomUUID()}`);
    this.#fd = openSync(this.path, 'wx+', 0o600);
    try {
      ftruncateSync(this.#fd, ARENA_BYTES);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Undefined when there is no room. */
  allocate(bytes: number): Block | undefined {
    const range = this.#list.allocate(HEAD_BYTES + bytes);
    if (range === undefined) return undefined;
    this.#usedBytes = Math.max(this.#usedBytes, range.offset + range.bytes);
    this.#generation = (this.#generation + 1) >>> 0;
    return { range, generation: this.#generation, bytes, writtenBytes: 0, crc: 0 };
  }

  /** The next part of the payload. */
  write(block: Block, part: Uint8Array): void {
    this.#write(part, block.range.offset + HEAD_BYTES + block.writtenBytes);
    block.writtenBytes += part.byteLength;
    block.crc = crc32(part, block.crc);
  }

  /** All is written: what the receiver is to be told. */
  seal({ range, generation, bytes, crc }: Block): Omit<BlockMessage, 'type' | 'payload'> {
    this.#write(headOf({ generation, bytes, crc }), range.offset);
    return { offset: range.offset, generation, crc };
  }

  /** Nobody reads it any more. Pages go back when there is no other. */
  release({ range }: Block): void {
    this.#list.release(range);
    if (!this.#list.isUnused || this.#usedBytes <= KEEP_BYTES) return;
    this.#usedBytes = 0;
    ftruncateSync(this.#fd, 0);
    ftruncateSync(this.#fd, ARENA_BYTES);
  }

  /** From here on it is gone when both ends have closed it. Idempotent. */
  unlink(): void {
    if (!this.#hasName) return;
    this.#hasName = false;
    try {
      unlinkSync(this.path);
    } catch {
      // Somebody else has cleaned up: it is gone, which is what we wanted.
    }
  }

  close(): void {
    this.unlink();
    closeSync(this.#fd);
  }

  #write(bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.byteLength; ) {
      at += writeSync(this.#fd, bytes, at, bytes.byteLength - at, position + at);
    }
  }
}

/** The receiver's end. */
export class ArenaView {
  readonly #fd: number;
  /** For all blocks that it can hold: a new one for each costs more than to fill it. */
  #kept: Buffer | undefined;

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const facts = fstatSync(this.#fd);
    if (facts.isFile() && facts.size === ARENA_BYTES && facts.uid === process.getuid?.()) return;
    this.close();
    throw new Error('it is not the file of an arena');
  }

  /** A copy of the payload, checked. Good until the next one is read. */
  read({ offset, generation, crc }: Omit<BlockMessage, 'payload'>, bytes: number): Buffer {
    const block = this.#room(HEAD_BYTES + bytes);
    this.#fill(block, offset);
    if (!block.subarray(0, HEAD_BYTES).equals(headOf({ generation, bytes, crc }))) {
      throw damaged('the block is not the one that was sent');
    }
    const payload = block.subarray(HEAD_BYTES);
    if (crc32(payload) !== crc) throw damaged('its checksum is wrong');
    return payload;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #room(bytes: number): Buffer {
    if (bytes > KEEP_BYTES) return Buffer.allocUnsafe(bytes);
    this.#kept ??= Buffer.allocUnsafe(KEEP_BYTES);
    return this.#kept.subarray(0, bytes);
  }

  #fill(buffer: Buffer, position: number): void {
    let at = 0;
    try {
      while (at < buffer.length) {
        const got = readSync(this.#fd, buffer, at, buffer.length - at, position + at);
        if (got === 0) break;
        at += got;
      }
    } catch (cause) {
      throw damaged('it cannot be read', cause);
    }
    if (at < buffer.length) throw damaged('its end is missing');
  }
}

function headOf(block: { readonly generation: number; readonly bytes: number; crc: number }) {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32LE(MARK, 0);
  head.writeUInt32LE(block.generation, 4);
  head.writeUInt32LE(block.bytes, 8);
  head.writeUInt32LE(block.crc, 12);
  return head;
}

function damaged(why: string, cause?: unknown): WorkerError {
  const message = `The prompt was damaged on its way to the worker, in shared memory: ${why}. Send it again.`;
  return new WorkerError('payload_damaged', message, { cause });
}
