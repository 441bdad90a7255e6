/**
 * Messages over a byte stream, checked as they come in.
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

import { encodeFrame, FrameDecoder, ProtocolError } from './codec.ts';
import type { FromWorkerMessage, ToWorkerMessage } from './protocol.ts';
import { parseFromWorker, parseToWorker } from './validate.ts';

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
  return new Channel(stream, parseFromWorker, handlers, options);
}

export function openParentChannel(
  stream: Duplex,
  handlers: ChannelHandlers<ToWorkerMessage>,
  options?: ChannelOptions,
): ParentChannel {
  return new Channel(stream, parseToWorker, handlers, options);
}

export class Channel<Out extends object, In> {
  readonly #stream: Duplex;
  readonly #parse: (value: unknown) => In;
  readonly #handlers: ChannelHandlers<In>;
  readonly #maxBufferedBytes: number;
  readonly #decoder = new FrameDecoder();
  #state: 'open' | 'closing' | 'closed' = 'open';
  #isCorked = false;

  constructor(
    stream: Duplex,
    parse: (value: unknown) => In,
    handlers: ChannelHandlers<In>,
    { maxBufferedBytes = MAX_BUFFERED_BYTES }: ChannelOptions = {},
  ) {
    this.#stream = stream;
    this.#parse = parse;
    this.#handlers = handlers;
    this.#maxBufferedBytes = maxBufferedBytes;
    stream.on('data', (bytes: Uint8Array) => this.#receive(bytes));
    stream.on('end', () => this.#settle(this.#truncation()));
    // 'close' without 'end' and without 'error': somebody else destroyed the stream.
    stream.on('close', () => this.#settle(this.#truncation()));
    // Stays for good: what fails after the end must not become an uncaught exception.
    stream.on('error', (error: Error) => this.#settle(error));
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  send(message: Out): void {
    if (this.#state !== 'open') return;
    const frame = encodeFrame(message);
    // All that is said in one turn of the event loop leaves in one write and wakes the peer once.
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#stream.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#stream.uncork();
      });
    }
    this.#stream.write(frame);
    if (this.#stream.writableLength > this.#maxBufferedBytes) {
      this.destroy(
        new BacklogError(
          `The other end of the channel does not read: ${this.#stream.writableLength} bytes wait, the limit is ${this.#maxBufferedBytes}.`,
        ),
      );
    }
  }

  /** Sends what was said and ends this side. Resolves when it has left this process, or never can. */
  close(): Promise<void> {
    if (this.#state === 'open') this.#state = 'closing';
    return new Promise((resolve) => {
      if (this.#stream.destroyed || this.#stream.writableFinished) return resolve();
      this.#stream.once('finish', resolve);
      this.#stream.once('close', resolve);
      this.#stream.end();
    });
  }

  /** Ends both sides at once; what was not sent is lost. */
  destroy(reason?: Error): void {
    this.#settle(reason);
  }

  #receive(bytes: Uint8Array): void {
    try {
      for (const { message, body } of this.#decoder.push(bytes)) {
        if (this.#state === 'closed') return;
        if (body) throw new ProtocolError('message', 'A binary frame where none belongs.');
        this.#handlers.onMessage(this.#parse(message));
      }
    } catch (error) {
      // Anything else is a fault of the handler and belongs to nobody here.
      if (!(error instanceof ProtocolError)) throw error;
      this.#settle(error);
    }
  }

  #truncation(): ProtocolError | undefined {
    if (this.#decoder.isAtBoundary) return undefined;
    return new ProtocolError('truncated', 'The channel ended inside a frame.');
  }

  #settle(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#stream.destroy();
    this.#handlers.onClose(error);
  }
}
