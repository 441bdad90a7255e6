/**
 * Which messages to a worker travel with a payload: `generate`, when its prompt is large. And back.
 *
 * The prompts of every day are small, and pay for this with a look at their lengths.
 *
 * Errors  RequestError `payload_too_large`, before anything of the message was sent; ProtocolError for
 *         a payload that is no JSON, or that stands beside the field it is for.
 */
import type { Prompt } from '../core/engine.ts';
import { RequestError } from '../core/errors.ts';
import { ProtocolError, readJson } from './codec.ts';
import {
  type AnnouncementMessage,
  LARGE_BYTES,
  MAX_PAYLOAD_BYTES,
  TO_WORKER_CARRIERS,
  type ToWorkerMessage,
} from './protocol.ts';

/** The answer to `echo` has the prompt in it again, in one frame of 16 MiB at most, written as the model sees it. */
const MAX_ECHOED_BYTES = 8 * 1024 * 1024;
/** A character takes up to six bytes in JSON, as `\u0000`. */
const MAX_BYTES_OF_CHARACTER = 6;
/** What JSON adds to a text or a message: at least this, and at most as much more as to a character. */
const FRAME_OF_ONE = 24;

export interface Parcel {
  /** What is said, without what is large. */
  readonly message: object;
  readonly payload: Uint8Array | undefined;
}

export function packToWorker(message: ToWorkerMessage): Parcel {
  if (message.type !== 'generate') return { message, payload: undefined };
  const length = lengthOf(message.prompt);
  if (length * MAX_BYTES_OF_CHARACTER <= LARGE_BYTES) return { message, payload: undefined };
  const limit = message.echo ? MAX_ECHOED_BYTES : MAX_PAYLOAD_BYTES;
  if (length > limit) throw tooLarge(length, limit);
  const { prompt, ...rest } = message;
  const json = JSON.stringify(prompt);
  const bytes = Buffer.byteLength(json);
  if (bytes > limit) throw tooLarge(bytes, limit);
  if (bytes <= LARGE_BYTES) return { message, payload: undefined };
  return { message: rest, payload: Buffer.from(json) };
}

/** The message as it would have stood in one frame. */
export function unpackToWorker(
  { payload: _, ...rest }: AnnouncementMessage,
  payload: Uint8Array,
): unknown {
  const field = TO_WORKER_CARRIERS[rest.type as keyof typeof TO_WORKER_CARRIERS];
  if (field in rest) throw new ProtocolError('message', `A message has its ${field} twice.`);
  return { ...rest, [field]: readJson(payload) };
}

/** Characters that its JSON has at least. */
function lengthOf(prompt: Prompt): number {
  if ('text' in prompt) return prompt.text.length;
  if ('tokens' in prompt) return prompt.tokens.length * 2;
  let length = 0;
  for (const { parts, name = '', toolCallId = '', toolCalls = [] } of prompt.messages) {
    length += FRAME_OF_ONE + name.length + toolCallId.length;
    for (const { text } of parts) length += FRAME_OF_ONE + text.length;
    for (const { id, ...call } of toolCalls) {
      length += FRAME_OF_ONE + id.length + call.name.length + call.arguments.length;
    }
  }
  return length;
}

function tooLarge(bytes: number, maxBytes: number): RequestError {
  return new RequestError(
    'payload_too_large',
    `The prompt takes ${bytes} bytes or more on its way to the worker and may take at most ${maxBytes}. Send a shorter one.`,
    { detail: { bytes, maxBytes } },
  );
}
