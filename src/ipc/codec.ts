/**
 * Frames: how messages stand in the bytes of a channel.
 *
 *   u32 length (LE) of all that follows
 *   u8  kind          0 JSON · 1 JSON header and binary body
 *   kind 0            JSON, UTF-8
 *   kind 1            u32 header length (LE) · JSON header, UTF-8 · body, may be empty
 *
 * Units   bytes. `length` is at most 16 MiB: larger things travel in parts.
 * Errors  ProtocolError for bytes that are no frame; the decoder is useless afterwards, because
 *         nobody knows where the next frame begins. RequestError `payload_too_large` for a message
 *         that does not fit into a frame.
 * Source  the Python twin is `worker/mlx/hearth_mlx/frames.py`; both are held to tests/fixtures/ipc/vectors.json.
 *
 * Whether a message means anything is not decided here: see `validate.ts`.
 */
import { isUtf8 } from 'node:buffer';

import { RequestError } from '../core/errors.ts';

export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

const LENGTH_BYTES = 4;
const PREFIX_BYTES = LENGTH_BYTES + 1;
const KIND_JSON = 0;
const KIND_BINARY = 1;
/** A part of a payload and its header; from there on down to what the allocator has at hand anyway. */
const KEEP_TO_BYTES = 1024 * 1024 + 1024;
const KEEP_FROM_BYTES = 128 * 1024;

export type ProtocolFault =
  /** Length 0 or above the limit, or a header longer than its frame. */
  | 'length'
  | 'kind'
  | 'encoding'
  | 'json'
  /** A frame that is well made and holds no message of the protocol. */
  | 'message'
  /** The bytes ended inside a frame. */
  | 'truncated';

export class ProtocolError extends Error {
  override name = 'ProtocolError';
  readonly fault: ProtocolFault;
  constructor(fault: ProtocolFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

export interface Frame {
  readonly message: unknown;
  /** Only for kind 1. A view, not a copy, and good until the next frame is asked for. */
  readonly body?: Uint8Array;
}

/** One frame of kind 0. */
export function encodeFrame(message: object): Buffer {
  const json = JSON.stringify(message);
  const jsonBytes = Buffer.byteLength(json);
  const frame = startFrame(1 + jsonBytes, jsonBytes + PREFIX_BYTES, KIND_JSON);
  frame.write(json, PREFIX_BYTES);
  return frame;
}

/** One frame of kind 1, to be written piece by piece, so that the body is not copied. */
export function encodeBinaryFrame(message: object, body: Uint8Array): [Buffer, Uint8Array] {
  const json = JSON.stringify(message);
  const jsonBytes = Buffer.byteLength(json);
  const head = PREFIX_BYTES + LENGTH_BYTES + jsonBytes;
  const frame = startFrame(head - LENGTH_BYTES + body.byteLength, head, KIND_BINARY);
  frame.writeUInt32LE(jsonBytes, PREFIX_BYTES);
  frame.write(json, PREFIX_BYTES + LENGTH_BYTES);
  return [frame, body];
}

function startFrame(length: number, allocateBytes: number, kind: number): Buffer {
  if (length > MAX_FRAME_BYTES) {
    throw new RequestError(
      'payload_too_large',
      `The message takes ${length} bytes and a frame holds at most ${MAX_FRAME_BYTES}. Send a shorter prompt.`,
      { detail: { bytes: length, maxBytes: MAX_FRAME_BYTES } },
    );
  }
  const frame = Buffer.allocUnsafe(allocateBytes);
  frame.writeUInt32LE(length, 0);
  frame[LENGTH_BYTES] = kind;
  return frame;
}

/**
 * Takes bytes as they come and finds the frames in them.
 *
 *   length ──4 bytes──▶ rest ──`length` bytes──▶ frame, then length again
 *
 * A frame that lies in one chunk is read where it lies; one that does not is gathered in a buffer of
 * its final size, so that any way to cut the bytes costs one copy at most. The parts of payloads are
 * gathered in the same buffer one after the other: a new one for each costs more than to fill it.
 */
export class FrameDecoder {
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthFilled = 0;
  #rest: Buffer | undefined;
  #restFilled = 0;
  /** For all frames that it can hold and that are worth it. */
  #kept: Buffer | undefined;
  #failure: ProtocolError | undefined;

  /** True between frames: the bytes may end here. */
  get isAtBoundary(): boolean {
    return this.#lengthFilled === 0 && this.#rest === undefined;
  }

  /** Yields nothing more after an error: it is thrown again by every later call. */
  *push(bytes: Uint8Array): Generator<Frame, void, undefined> {
    if (this.#failure) throw this.#failure;
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    try {
      yield* this.#frames(chunk);
    } catch (error) {
      if (error instanceof ProtocolError) this.#failure = error;
      throw error;
    }
  }

  *#frames(chunk: Buffer): Generator<Frame, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#rest) {
        at += this.#gather(chunk, at);
        if (this.#restFilled < this.#rest.length) return;
        const frame = this.#rest;
        this.#rest = undefined;
        yield readFrame(frame);
      } else if (this.#lengthFilled === 0 && chunk.length - at >= LENGTH_BYTES) {
        const length = checkLength(chunk.readUInt32LE(at));
        at += LENGTH_BYTES;
        if (chunk.length - at >= length) {
          yield readFrame(chunk.subarray(at, at + length));
          at += length;
        } else {
          this.#startGathering(length);
        }
      } else {
        const taken = chunk.copy(this.#length, this.#lengthFilled, at);
        at += taken;
        this.#lengthFilled += taken;
        if (this.#lengthFilled < LENGTH_BYTES) return;
        this.#lengthFilled = 0;
        this.#startGathering(checkLength(this.#length.readUInt32LE(0)));
      }
    }
  }

  #startGathering(length: number): void {
    if (length < KEEP_FROM_BYTES || length > KEEP_TO_BYTES) {
      this.#rest = Buffer.allocUnsafe(length);
    } else {
      this.#kept ??= Buffer.allocUnsafe(KEEP_TO_BYTES);
      this.#rest = this.#kept.subarray(0, length);
    }
    this.#restFilled = 0;
  }

  #gather(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#rest!, this.#restFilled, at);
    this.#restFilled += taken;
    return taken;
  }
}

function checkLength(length: number): number {
  if (length === 0) throw new ProtocolError('length', 'A frame has the length 0.');
  if (length > MAX_FRAME_BYTES) {
    throw new ProtocolError(
      'length',
      `A frame claims ${length} bytes, the limit is ${MAX_FRAME_BYTES}.`,
    );
  }
  return length;
}

/** Reads what follows the length. */
function readFrame(frame: Buffer): Frame {
  switch (frame[0]) {
    case KIND_JSON:
      return { message: readJson(frame.subarray(1)) };
    case KIND_BINARY: {
      if (frame.length < PREFIX_BYTES) {
        throw new ProtocolError('length', `A binary frame has ${frame.length} bytes, too few.`);
      }
      const bodyAt = PREFIX_BYTES + frame.readUInt32LE(1);
      if (bodyAt > frame.length) {
        throw new ProtocolError('length', 'The header of a binary frame is longer than the frame.');
      }
      return {
        message: readJson(frame.subarray(PREFIX_BYTES, bodyAt)),
        body: frame.subarray(bodyAt),
      };
    }
    default:
      throw new ProtocolError('kind', `A frame has the kind ${frame[0]}, which is not known.`);
  }
}

export function readJson(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new ProtocolError('encoding', 'A frame is not UTF-8.');
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    // The parser's own message quotes what it read, which may be a prompt.
    throw new ProtocolError('json', `A frame of ${bytes.length} bytes is not JSON.`);
  }
}
