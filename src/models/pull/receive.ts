/**
 * Takes the body of one answer into a range of a part file.
 *
 *   receiving ──all bytes──▶ done
 *       └──cut, silence, too many bytes, disk──▶ failed       what came is written before it is told
 *
 * Bytes are gathered and written many at a time: one call of the system for a megabyte, or for what came
 * within a moment. A disk that is slower than the network stops the network, not the memory.
 *
 * Units   bytes, ms.
 * Errors  TransferError for the network; those of the file system as they are; what `look` throws.
 */
import type { IncomingMessage } from 'node:http';

import type { PartFile } from './part-file.ts';
import { TransferError } from './pull-error.ts';
import type { Range } from './ranges.ts';

export interface ReceiveOptions {
  readonly part: PartFile;
  readonly silenceMs: number;
  /** Sees the first bytes of the range before anything is written; throws what ends all. */
  readonly look: (head: Buffer) => void;
  /** After bytes have been written. */
  readonly onWritten: () => void;
}

const GATHERED_BYTES = 2 ** 20;
const GATHERED_MS = 100;
/** Beyond it the network waits. */
const HELD_MAX_BYTES = 4 * 2 ** 20;
/** Enough to see what kind of file it is. */
const HEAD_BYTES = 4;

/** Resolves with the end of what was written, which is the end of the range. Rejects with how far it came. */
export function receive(
  body: IncomingMessage,
  range: Range,
  options: ReceiveOptions,
): Promise<void> {
  return new Receiver(body, range, options).done;
}

/** How far a range was written when it failed. */
export class ReceiveError extends Error {
  readonly writtenTo: number;
  override readonly cause: Error;

  constructor(writtenTo: number, cause: Error) {
    super(cause.message, { cause });
    this.writtenTo = writtenTo;
    this.cause = cause;
  }
}

class Receiver {
  readonly done: Promise<void>;
  readonly #body: IncomingMessage;
  readonly #range: Range;
  readonly #options: ReceiveOptions;
  readonly #silence: NodeJS.Timeout;
  /** What has come is not to lie here while no more comes: a killed process would lose it. */
  readonly #pulse: NodeJS.Timeout;
  readonly #settle: { resolve: () => void; reject: (error: Error) => void };
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Handed to the system, and known to be with it. */
  #handedTo: number;
  #writtenTo: number;
  #hasLooked = false;
  #ended: { readonly error: Error | undefined } | undefined;

  constructor(body: IncomingMessage, range: Range, options: ReceiveOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.#settle = { resolve, reject };
    this.#body = body;
    this.#range = range;
    this.#options = options;
    this.#handedTo = range.start;
    this.#writtenTo = range.start;
    this.#pulse = setInterval(() => this.#flush(), GATHERED_MS);
    this.#silence = setTimeout(() => this.#onSilence(), options.silenceMs);
    body.on('data', (chunk: Buffer) => this.#take(chunk));
    body.once('end', () => this.#end(undefined));
    body.once('error', (error) => this.#end(toTransferError(error)));
    body.once('close', () => this.#end(toTransferError(undefined)));
  }

  get #receivedTo(): number {
    return this.#handedTo + this.#heldBytes;
  }

  get #isWriting(): boolean {
    return this.#writtenTo < this.#handedTo;
  }

  #take(chunk: Buffer): void {
    if (this.#ended !== undefined) return;
    this.#silence.refresh();
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#receivedTo > this.#range.end) {
      this.#drop();
      this.#fail(new TransferError('the server sent more than was asked for'));
      return;
    }
    if (this.#heldBytes >= GATHERED_BYTES) this.#flush();
    if (this.#isWriting && this.#heldBytes >= HELD_MAX_BYTES) this.#body.pause();
  }

  #flush(): void {
    if (this.#isWriting || this.#held.length === 0 || !this.#mayWrite()) return;
    const chunks = this.#held;
    const start = this.#handedTo;
    this.#handedTo += this.#heldBytes;
    this.#drop();
    this.#options.part.write(chunks, start).then(
      () => this.#written(),
      (error: Error) => {
        this.#handedTo = this.#writtenTo;
        this.#fail(error);
      },
    );
  }

  #written(): void {
    this.#writtenTo = this.#handedTo;
    this.#options.onWritten();
    if (this.#ended !== undefined) this.#finish();
    else {
      if (this.#body.isPaused()) this.#body.resume();
      if (this.#heldBytes >= GATHERED_BYTES) this.#flush();
    }
  }

  /** Once the first bytes were looked at. */
  #mayWrite(): boolean {
    if (this.#hasLooked) return true;
    if (this.#heldBytes < HEAD_BYTES && this.#ended === undefined) return false;
    this.#hasLooked = true;
    try {
      this.#options.look(Buffer.concat(this.#held).subarray(0, HEAD_BYTES));
      return true;
    } catch (error) {
      this.#fail(error as Error);
      return false;
    }
  }

  #onSilence(): void {
    // A network that waits for our disk is not silent.
    if (this.#body.isPaused()) this.#silence.refresh();
    else this.#body.destroy(new TransferError('the connection fell silent'));
  }

  #stopTimers(): void {
    clearTimeout(this.#silence);
    clearInterval(this.#pulse);
  }

  #drop(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** Counts over an end that was thought to be good, and over what is still held. */
  #fail(error: Error): void {
    this.#stopTimers();
    this.#drop();
    this.#ended = { error };
    this.#body.destroy();
    this.#finish();
  }

  #end(error: Error | undefined): void {
    if (this.#ended !== undefined) return;
    this.#stopTimers();
    const isShort = error === undefined && this.#receivedTo < this.#range.end;
    this.#ended = {
      error: isShort ? new TransferError('the server sent less than was asked for') : error,
    };
    this.#finish();
  }

  /** Writes what is held, then says how it went. */
  #finish(): void {
    this.#flush();
    if (this.#isWriting) return;
    const error = this.#ended?.error;
    if (error === undefined) this.#settle.resolve();
    else this.#settle.reject(new ReceiveError(this.#writtenTo, error));
  }
}

function toTransferError(error: Error | undefined): Error {
  if (error instanceof TransferError) return error;
  return new TransferError('the connection was cut', { cause: error });
}
