/**
 * What a channel knows of the messages it carries, for each of its two ends: how they are checked, what is
 * large in them, and what is answered where one never became whole.
 */
import { BugError, type HearthError } from '../core/errors.ts';
import { ProtocolError } from './codec.ts';
import { type Parcel, packToWorker, unpackToWorker } from './large-prompt.ts';
import {
  type AnnouncementMessage,
  type FromWorkerMessage,
  TO_WORKER_CARRIERS,
  type ToWorkerMessage,
} from './protocol.ts';
import { parseFromWorker, parseToWorker } from './validate.ts';

export interface Side<Out extends object, In> {
  /** Types of messages that may come with a payload. */
  readonly carriers: ReadonlySet<string>;
  readonly pack: (message: Out) => Parcel;
  readonly parse: (value: unknown) => In;
  readonly unpack: (message: AnnouncementMessage, payload: Uint8Array) => In;
  /** Without an error: it was cancelled before its payload was whole. */
  readonly undelivered: (call: number, error: HearthError | undefined) => Out;
}

/** The orchestrator's end. Nothing that a worker says is large today. */
export const TO_WORKER: Side<ToWorkerMessage, FromWorkerMessage> = {
  carriers: new Set(),
  pack: packToWorker,
  parse: parseFromWorker,
  unpack: ({ type }) => {
    throw new ProtocolError('message', `"${type}" has a payload.`);
  },
  undelivered: () => {
    throw new BugError('A worker has a payload to send.');
  },
};

/** The worker's end: whoever drives a backend sees whole messages only. */
export const TO_PARENT: Side<FromWorkerMessage, ToWorkerMessage> = {
  carriers: new Set(Object.keys(TO_WORKER_CARRIERS)),
  pack: (message) => ({ message, payload: undefined }),
  parse: parseToWorker,
  unpack: (message, payload) => parseToWorker(unpackToWorker(message, payload)),
  undelivered: (call, error) =>
    error === undefined
      ? { type: 'finished', call, reason: 'cancelled', ...NOTHING_DONE }
      : { type: 'failed', call, error: error.toJSON() },
};

const NOTHING_DONE = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
