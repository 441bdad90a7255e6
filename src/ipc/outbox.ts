/**
 * Payloads on their way out: one after the other, and of each no more in one turn of the event loop than one
 * part, so that whatever is said meanwhile goes out before the rest.
 *
 *   waiting ──its turn──▶ in parts ──────────────────▶ sent
 *                 \          ▲ no room, disk full
 *                  `──▶ into the arena ──told──▶ read by the other end: `released`
 *   arena   none ──first large payload──▶ offered ──opened──▶ open
 *                        `── cannot be made, refused, broken ──▶ given up: all goes in parts
 *
 * What waits here is bounded by who fills it: a worker is given as many calls as it has slots, each with one
 * payload. One that does not read is known by its heartbeats and its step clock.
 *
 * The other end copes with payloads side by side; sending them in turn keeps what it has to hold small.
 * The one immediate belongs to the outbox and ends with `close`.
 *
 * Errors  ProtocolError for answers that do not belong to anything. That the arena cannot be used is no
 *         error: it is told to `onFallback`.
 */
import type { ArenaFallback } from '../core/observer.ts';
import { Arena, type Block } from './arena.ts';
import { ProtocolError } from './codec.ts';
import { ARENA_BYTES, ARENA_FROM_BYTES, MAX_PART_BYTES, type TransferMessage } from './protocol.ts';

export interface Fallback {
  readonly reason: ArenaFallback;
  /** For the log. */
  readonly why: string;
  /** The first on this channel. */
  readonly isFirst: boolean;
}

export interface OutboxOptions {
  /** Folder of the arena. Absent: there is none, and nobody misses it. */
  readonly arenaFolder?: string | undefined;
  /** What has less goes in parts. Default: ARENA_FROM_BYTES. */
  readonly arenaFromBytes?: number | undefined;
  readonly onFallback?: ((fallback: Fallback) => void) | undefined;
  readonly write: (message: TransferMessage, body?: Uint8Array) => void;
  /** What was written waits to be read: `drained` will be called. */
  readonly isFull: () => boolean;
}

interface Outgoing {
  readonly id: number;
  /** The call that its message belongs to. */
  readonly call: number | undefined;
  readonly bytes: Uint8Array;
  sentBytes: number;
  block: Block | undefined;
  /** The arena is out of the question for it. */
  isInline: boolean;
}

type Answer = Extract<TransferMessage, { type: 'arena_opened' | 'arena_refused' | 'release' }>;

export class Outbox {
  readonly #options: OutboxOptions;
  #queue: readonly Outgoing[] = [];
  /** Told and not read yet, by payload. */
  readonly #told = new Map<number, Block>();
  #state: 'none' | 'offered' | 'open' | 'given up' | 'closed' = 'none';
  #arena: Arena | undefined;
  #turn: NodeJS.Immediate | undefined;
  #ids = 0;
  #hasFallenBack = false;
  /** Of giving up. */
  #why = '';
  #onEmpty: (() => void) | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  nextId(): number {
    return ++this.#ids;
  }

  add(id: number, bytes: Uint8Array, call: number | undefined): void {
    if (this.#state === 'closed') return;
    const { arenaFolder, arenaFromBytes = ARENA_FROM_BYTES } = this.#options;
    const isInline = arenaFolder === undefined || bytes.byteLength < arenaFromBytes;
    const outgoing = { id, call, bytes, sentBytes: 0, block: undefined, isInline };
    this.#queue = [...this.#queue, outgoing];
    if (this.#queue.length === 1) this.#advance();
  }

  /** Nobody waits for the payloads of this call any more. */
  drop(call: number): void {
    const isHis = (outgoing: Outgoing) => outgoing.call === call;
    for (const { block } of this.#queue.filter(isHis)) if (block) this.#free(block);
    this.#queue = this.#queue.filter((outgoing) => !isHis(outgoing));
    this.#goOn();
  }

  /** `onEmpty` is called once, as soon as nothing is left to send. */
  whenEmpty(onEmpty: () => void): void {
    this.#onEmpty = onEmpty;
    this.#goOn();
  }

  drained(): void {
    this.#goOn();
  }

  receive(answer: Answer): void {
    if (answer.type === 'release') {
      const block = this.#told.get(answer.payload);
      if (block === undefined) throw foreign(`released payload ${answer.payload}`);
      this.#told.delete(answer.payload);
      this.#free(block);
      return;
    }
    if (this.#state !== 'offered') throw foreign(`said ${answer.type}`);
    this.#arena?.unlink();
    if (answer.type === 'arena_opened') this.#state = 'open';
    else this.#giveUp(`the other end cannot open it: ${answer.reason}`);
    this.#goOn();
  }

  /** What was not sent is lost. Idempotent. */
  close(): void {
    clearImmediate(this.#turn);
    this.#queue = [];
    this.#state = 'closed';
    this.#arena?.close();
    this.#arena = undefined;
  }

  #goOn(): void {
    if (this.#queue.length === 0) {
      this.#onEmpty?.();
      this.#onEmpty = undefined;
    } else if (this.#turn === undefined && !this.#options.isFull()) {
      this.#turn = setImmediate(() => {
        this.#turn = undefined;
        this.#advance();
      });
    }
  }

  /** One part of the first one. */
  #advance(): void {
    const [first] = this.#queue;
    if (first === undefined) return;
    const isMoving = first.isInline ? this.#sendPart(first) : this.#place(first);
    if (!isMoving) return;
    if (first.sentBytes === first.bytes.byteLength) this.#queue = this.#queue.slice(1);
    this.#goOn();
  }

  #sendPart(outgoing: Outgoing): true {
    const { id: payload, sentBytes: offset } = outgoing;
    const part = nextPart(outgoing);
    outgoing.sentBytes += part.byteLength;
    this.#options.write({ type: 'payload', payload, offset }, part);
    return true;
  }

  /** False: it waits for the other end. */
  #place(outgoing: Outgoing): boolean {
    if (this.#state === 'none') this.#offer();
    if (this.#state === 'offered' || this.#state === 'closed') return false;
    const arena = this.#arena;
    if (arena === undefined) return this.#fallBack(outgoing, 'unavailable', this.#why);
    try {
      outgoing.block ??= arena.allocate(outgoing.bytes.byteLength);
      if (outgoing.block === undefined) return this.#fallBack(outgoing, 'full', 'it is full');
      this.#write(arena, outgoing, outgoing.block);
      return true;
    } catch (error) {
      return this.#notWritten(outgoing, error as NodeJS.ErrnoException);
    }
  }

  #write(arena: Arena, outgoing: Outgoing, block: Block): void {
    const part = nextPart(outgoing);
    arena.write(block, part);
    const sentBytes = outgoing.sentBytes + part.byteLength;
    if (sentBytes === outgoing.bytes.byteLength) {
      const place = arena.seal(block);
      this.#told.set(outgoing.id, block);
      this.#options.write({ type: 'block', payload: outgoing.id, ...place });
    }
    outgoing.sentBytes = sentBytes;
  }

  #notWritten(outgoing: Outgoing, error: NodeJS.ErrnoException): true {
    if (outgoing.block) this.#free(outgoing.block);
    const isFull = error.code === 'ENOSPC' || error.code === 'EDQUOT';
    if (!isFull) this.#giveUp(error.message);
    return this.#fallBack(outgoing, isFull ? 'disk_full' : 'unavailable', error.message);
  }

  #offer(): void {
    try {
      this.#arena = new Arena(this.#options.arenaFolder!);
      this.#state = 'offered';
      this.#options.write({ type: 'arena', path: this.#arena.path, bytes: ARENA_BYTES });
    } catch (error) {
      this.#giveUp((error as Error).message);
    }
  }

  #giveUp(why: string): void {
    this.#why = why;
    this.#state = 'given up';
    // Blocks that the other end was told of are read through a file number of its own.
    this.#arena?.close();
    this.#arena = undefined;
  }

  /** Begins anew, in parts: the other end has seen nothing of a block that was begun. */
  #fallBack(outgoing: Outgoing, reason: ArenaFallback, why: string): true {
    const isFirst = !this.#hasFallenBack;
    this.#hasFallenBack = true;
    outgoing.isInline = true;
    outgoing.block = undefined;
    outgoing.sentBytes = 0;
    this.#options.onFallback?.({ reason, why, isFirst });
    return this.#sendPart(outgoing);
  }

  #free(block: Block): void {
    try {
      this.#arena?.release(block);
    } catch (error) {
      this.#giveUp((error as Error).message);
    }
  }
}

function nextPart({ bytes, sentBytes }: Outgoing): Uint8Array {
  return bytes.subarray(sentBytes, sentBytes + MAX_PART_BYTES);
}

function foreign(what: string): ProtocolError {
  return new ProtocolError('message', `The other end ${what}, which it was not sent.`);
}
