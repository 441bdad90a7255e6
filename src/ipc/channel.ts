/**
 * Messages over a byte stream, checked as they come in. What is large travels beside them, as a payload
 * (`outbox.ts`, `inbox.ts`): later messages overtake it, and its own is delivered once it is whole.
 *
 *   open ──close()──▶ closing ──peer ends──▶ closed
 *     \                  \                     ▲
 *      `── error, EOF, destroy(reason), backlog ┘
 *
 * `onClose` is called exactly once, without an error when the bytes ended between two frames.
 * After `close` messages still come in until the peer ends its side; whoever owns the peer bounds
 * that wait by ending it. After `destroy` none come.
 *
 * Errors  what arrives and is no message of the protocol destroys the channel with a ProtocolError;
 *         a peer that does not read destroys it with a BacklogError once `maxBufferedBytes` wait;
 *         I/O errors of the stream are handed on as they are. `send` throws RequestError
 *         `payload_too_large`; on a channel that is closed it does nothing, because the owner
 *         learns of that from `onClose` alone.
 */
import type { Duplex } from 'node:stream';

import { HearthError } from '../core/errors.ts';
import { encodeBinaryFrame, encodeFrame, FrameDecoder, ProtocolError } from './codec.ts';
import { type Delivery, Inbox } from './inbox.ts';
import { type Fallback, Outbox } from './outbox.ts';
import {
  type FromWorkerMessage,
  type ToWorkerMessage,
  Transfer,
  type TransferMessage,
} from './protocol.ts';
import { type Side, TO_PARENT, TO_WORKER } from './sides.ts';
import { parseTransfer } from './validate.ts';

const TRANSFERS: ReadonlySet<unknown> = new Set(
  Transfer.options.map(({ shape }) => shape.type.value),
);
/** Two of the largest frames: only a peer that has stopped reading gets behind so far. */
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024;

export class BacklogError extends Error {
  override name = 'BacklogError';
}

export interface ChannelHandlers<In> {
  readonly onMessage: (message: In) => void;
  /** Nothing is called after it. */
  readonly onClose: (error?: Error) => void;
}

export interface ChannelOptions {
  readonly maxBufferedBytes?: number;
  /** Where shared memory for large payloads is made. Absent: they go over the stream. */
  readonly arenaFolder?: string | undefined;
  readonly arenaFromBytes?: number | undefined;
  /** One of them could not go through shared memory. */
  readonly onFallback?: (fallback: Fallback) => void;
}

/** The orchestrator's end of a worker's channel. */
export type WorkerChannel = Channel<ToWorkerMessage, FromWorkerMessage>;
/** The worker's own end. */
export type ParentChannel = Channel<FromWorkerMessage, ToWorkerMessage>;

export function openWorkerChannel(
  stream: Duplex,
  handlers: ChannelHandlers<FromWorkerMessage>,
  options?: ChannelOptions,
): WorkerChannel {
  return new Channel(stream, TO_WORKER, handlers, options);
}

export function openParentChannel(
  stream: Duplex,
  handlers: ChannelHandlers<ToWorkerMessage>,
  options?: ChannelOptions,
): ParentChannel {
  return new Channel(stream, TO_PARENT, handlers, options);
}

export class Channel<Out extends object, In> {
  readonly #stream: Duplex;
  readonly #side: Side<Out, In>;
  readonly #handlers: ChannelHandlers<In>;
  readonly #maxBufferedBytes: number;
  readonly #decoder = new FrameDecoder();
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #isCorked = false;

  constructor(
    stream: Duplex,
    side: Side<Out, In>,
    handlers: ChannelHandlers<In>,
    {
      maxBufferedBytes = MAX_BUFFERED_BYTES,
      arenaFolder,
      arenaFromBytes,
      onFallback,
    }: ChannelOptions = {},
  ) {
    this.#stream = stream;
    this.#side = side;
    this.#handlers = handlers;
    this.#maxBufferedBytes = maxBufferedBytes;
    const write = (message: TransferMessage, body?: Uint8Array) => {
      // What still comes in after a `close` may ask for an answer, and there is no way left for one.
      if (!stream.writable) return;
      this.#write(body ? encodeBinaryFrame(message, body) : [encodeFrame(message)]);
    };
    const isFull = () => stream.writableNeedDrain;
    this.#outbox = new Outbox({ arenaFolder, arenaFromBytes, onFallback, write, isFull });
    this.#inbox = new Inbox(side.carriers, write);
    stream.on('drain', () => this.#outbox.drained());
    stream.on('data', (bytes: Uint8Array) => this.#receive(bytes));
    stream.on('end', () => this.#settle(this.#truncation()));
    // 'close' without 'end' and without 'error': somebody else destroyed the stream.
    stream.on('close', () => this.#settle(this.#truncation()));
    // Stays for good: what fails after the end must not become an uncaught exception.
    stream.on('error', (error: Error) => this.#settle(error));
    // One that was opened before there was a channel waits for this.
    stream.resume();
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  send(message: Out): void {
    if (this.#state !== 'open') return;
    const { message: said, payload } = this.#side.pack(message);
    if (payload === undefined) {
      const cancelled = cancelledBy(message);
      if (cancelled !== undefined) this.#outbox.drop(cancelled);
      this.#write([encodeFrame(said)]);
      return;
    }
    const id = this.#outbox.nextId();
    this.#write([encodeFrame({ ...said, payload: { id, bytes: payload.byteLength } })]);
    this.#outbox.add(id, payload, callOf(said));
  }

  /** Sends what was said and ends this side. Resolves when it has left this process, or never can. */
  close(): Promise<void> {
    if (this.#state === 'open') this.#state = 'closing';
    return new Promise((resolve) => {
      if (this.#stream.destroyed || this.#stream.writableFinished) return resolve();
      this.#stream.once('finish', resolve);
      this.#stream.once('close', resolve);
      this.#outbox.whenEmpty(() => this.#stream.end());
    });
  }

  /** Ends both sides at once; what was not sent is lost. */
  destroy(reason?: Error): void {
    this.#settle(reason);
  }

  #write(pieces: readonly Uint8Array[]): void {
    // All that is said in one turn of the event loop leaves in one write and wakes the peer once.
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#stream.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#stream.uncork();
      });
    }
    for (const piece of pieces) this.#stream.write(piece);
    if (this.#stream.writableLength > this.#maxBufferedBytes) {
      this.destroy(
        new BacklogError(
          `The other end of the channel does not read: ${this.#stream.writableLength} bytes wait, the limit is ${this.#maxBufferedBytes}.`,
        ),
      );
    }
  }

  #receive(bytes: Uint8Array): void {
    try {
      for (const { message, body } of this.#decoder.push(bytes)) {
        if (this.#state === 'closed') return;
        if (isTransfer(message)) this.#transfer(message, body);
        else if (body) throw new ProtocolError('message', 'A binary frame where none belongs.');
        else if (hasPayload(message)) this.#inbox.announce(message);
        else this.#deliver(this.#side.parse(message));
      }
    } catch (error) {
      // Anything else is a fault of the handler and belongs to nobody here.
      if (!(error instanceof ProtocolError)) throw error;
      this.#settle(error);
    }
  }

  #transfer(value: object, body: Uint8Array | undefined): void {
    const transfer = parseTransfer(value);
    if ((transfer.type === 'payload') !== (body !== undefined)) {
      throw new ProtocolError('message', `"${transfer.type}" has a body, or has none.`);
    }
    switch (transfer.type) {
      case 'payload':
        this.#arrived(this.#inbox.part(transfer, body!));
        break;
      case 'block':
        this.#arrived(this.#inbox.block(transfer));
        break;
      case 'arena':
        this.#inbox.open(transfer);
        break;
      case 'arena_opened':
      case 'arena_refused':
      case 'release':
        this.#outbox.receive(transfer);
        break;
    }
  }

  #arrived(delivery: Delivery | undefined): void {
    if (delivery === undefined) return;
    const { message, payload } = delivery;
    if (payload instanceof HearthError) {
      this.send(this.#side.undelivered(message.call, payload));
    } else {
      this.#deliver(this.#side.unpack(message, payload));
    }
  }

  #deliver(message: In): void {
    const cancelled = cancelledBy(message);
    if (cancelled !== undefined && this.#inbox.drop(cancelled)) {
      this.send(this.#side.undelivered(cancelled, undefined));
    } else {
      this.#handlers.onMessage(message);
    }
  }

  #truncation(): ProtocolError | undefined {
    if (this.#decoder.isAtBoundary && this.#inbox.isEmpty) return undefined;
    return new ProtocolError('truncated', 'The channel ended inside a frame or a payload.');
  }

  #settle(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#outbox.close();
    this.#inbox.close();
    this.#stream.destroy();
    this.#handlers.onClose(error);
  }
}

/** Told by the type first: every message comes by here. */
function isTransfer(message: unknown): message is object {
  return TRANSFERS.has((message as { readonly type?: unknown } | null)?.type);
}

function hasPayload(message: unknown): boolean {
  return (message as { readonly payload?: unknown } | null)?.payload !== undefined;
}

function cancelledBy(message: unknown): number | undefined {
  return (message as { readonly type?: unknown }).type === 'cancel' ? callOf(message) : undefined;
}

function callOf(message: unknown): number | undefined {
  return (message as { readonly call?: number }).call;
}
