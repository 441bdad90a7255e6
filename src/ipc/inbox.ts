/**
 * Payloads on their way in, and the messages that wait for them.
 *
 *   announced ──parts, or a block──▶ whole: the message is delivered with it
 *       `── cancelled ──▶ dropped       `── block damaged ──▶ the call fails
 *
 * Bounded: so many announced messages, of which so many have bytes here; each has at most as many as
 * it announced, and memory is taken when the first of them come.
 *
 * Errors  ProtocolError for all that `protocol.ts` does not allow.
 */
import { type HearthError, toHearthError } from '../core/errors.ts';
import { ArenaView } from './arena.ts';
import { ProtocolError } from './codec.ts';
import {
  Announcement,
  type AnnouncementMessage,
  ARENA_BYTES,
  type BlockMessage,
  MAX_PART_BYTES,
  type TransferMessage,
} from './protocol.ts';

/** As many as a worker has slots, and then some. */
const ANNOUNCED_MAX = 1_024;
/** A sender of ours has one. */
const BEGUN_MAX = 8;

/** A message that waits no more. */
export interface Delivery {
  readonly message: AnnouncementMessage;
  /** The payload, or why there is none. */
  readonly payload: Uint8Array | HearthError;
}

interface Waiting {
  readonly message: AnnouncementMessage;
  readonly bytes: number;
  buffer: Buffer | undefined;
  filledBytes: number;
}

type Offer = Extract<TransferMessage, { type: 'arena' }>;
type Part = Extract<TransferMessage, { type: 'payload' }>;

export class Inbox {
  readonly #carriers: ReadonlySet<string>;
  readonly #answer: (message: TransferMessage) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #hasOffer = false;
  #view: ArenaView | undefined;

  /** `carriers`: the types of messages that may have a payload; none: no payload may come at all. */
  constructor(carriers: ReadonlySet<string>, answer: (message: TransferMessage) => void) {
    this.#carriers = carriers;
    this.#answer = answer;
  }

  /** No message waits: the bytes may end here. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  announce(value: unknown): void {
    const { success, data: message } = Announcement.safeParse(value);
    if (!success) throw new ProtocolError('message', 'A payload is announced in the wrong way.');
    const { type, call, payload } = message;
    if (!this.#carriers.has(type)) throw foreign(`"${type.slice(0, 32)}" has a payload`);
    if (payload.id <= this.#lastId) throw foreign(`the id ${payload.id} is not new`);
    if (this.#find(call) !== undefined) throw foreign(`call ${call} waits for two`);
    if (this.#waiting.size >= ANNOUNCED_MAX) throw foreign('too many are announced');
    this.#lastId = payload.id;
    const { bytes } = payload;
    this.#waiting.set(payload.id, { message, bytes, buffer: undefined, filledBytes: 0 });
  }

  /** The message whose last part it is. */
  part({ payload: id, offset }: Part, body: Uint8Array): Delivery | undefined {
    const waiting = this.#expect(id);
    const { length } = body;
    if (length === 0 || length > MAX_PART_BYTES) throw foreign(`a part has ${length} bytes`);
    if (offset !== waiting.filledBytes) throw foreign('a part does not come in its turn');
    if (offset + length > waiting.bytes) throw foreign('it is longer than announced');
    if (waiting.buffer === undefined) {
      const begun = [...this.#waiting.values()].filter(({ buffer }) => buffer !== undefined);
      if (begun.length >= BEGUN_MAX) throw foreign('too many have begun');
    }
    const buffer = this.#gather(waiting, body);
    if (waiting.filledBytes < waiting.bytes) return undefined;
    this.#waiting.delete(id);
    return { message: waiting.message, payload: buffer };
  }

  open({ path }: Offer): void {
    if (this.#carriers.size === 0 || this.#hasOffer) throw foreign('an arena is offered');
    this.#hasOffer = true;
    try {
      this.#view = new ArenaView(path);
      this.#answer({ type: 'arena_opened' });
    } catch (error) {
      this.#answer({ type: 'arena_refused', reason: (error as Error).message });
    }
  }

  block(block: BlockMessage): Delivery {
    const { payload: id, offset } = block;
    const { message, bytes, buffer } = this.#expect(id);
    if (this.#view === undefined) throw foreign('a block is in an arena that is not open');
    if (buffer !== undefined) throw foreign('it comes in parts and in a block');
    if (offset + bytes > ARENA_BYTES) throw foreign('a block is outside of its arena');
    this.#waiting.delete(id);
    const payload = readBlock(this.#view, block, bytes);
    this.#answer({ type: 'release', payload: id });
    return { message, payload };
  }

  /** True when it waited and is no more. */
  drop(call: number): boolean {
    const found = this.#find(call);
    return found !== undefined && this.#waiting.delete(found);
  }

  /** Idempotent. */
  close(): void {
    this.#waiting.clear();
    this.#view?.close();
    this.#view = undefined;
  }

  #expect(id: number): Waiting {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) throw foreign(`nobody announced payload ${id}`);
    return waiting;
  }

  #find(call: number): number | undefined {
    for (const [id, { message }] of this.#waiting) if (message.call === call) return id;
    return undefined;
  }

  /** The only part needs no copy: it stays where it was read. */
  #gather(waiting: Waiting, body: Uint8Array): Uint8Array {
    waiting.filledBytes += body.length;
    if (body.length === waiting.bytes) return body;
    waiting.buffer ??= Buffer.allocUnsafe(waiting.bytes);
    waiting.buffer.set(body, waiting.filledBytes - body.length);
    return waiting.buffer;
  }
}

function readBlock(view: ArenaView, block: BlockMessage, bytes: number): Uint8Array | HearthError {
  try {
    return view.read(block, bytes);
  } catch (error) {
    return toHearthError(error);
  }
}

function foreign(what: string): ProtocolError {
  return new ProtocolError('message', `A payload where none belongs: ${what}.`);
}
