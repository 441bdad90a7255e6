/**
 * Bytes over a real channel, in two ways: as a payload, and as base64 inside a JSON message. Both ends of
 * the `payload` bench; what is not part of the comparison is the same for both.
 */
import * as z from 'zod';

import { ProtocolError } from '../../src/ipc/codec.ts';
import type { Side } from '../../src/ipc/sides.ts';

/** What is sent. */
export interface Blob {
  readonly call: number;
  readonly bytes: Uint8Array;
  readonly isBase64: boolean;
}

/** The receiver has all of it: how long it is, and its byte at `call`, so that it was really there. */
export type Receipt = z.output<typeof Receipt>;
type Received = Pick<Blob, 'call' | 'bytes'>;

const Receipt = z.object({
  type: z.literal('receipt'),
  call: z.int().positive(),
  bytes: z.int(),
  sample: z.int(),
});
const Spelled = z.object({ type: z.literal('blob'), call: z.int().positive(), data: z.string() });

const unasked = () => {
  throw new ProtocolError('message', 'A payload where none belongs.');
};

export const SENDER: Side<Blob, Receipt> = {
  carriers: new Set(),
  pack: ({ call, bytes, isBase64 }) => {
    const message = { type: 'blob', call };
    if (!isBase64) return { message, payload: bytes };
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    return { message: { ...message, data }, payload: undefined };
  },
  parse: (value) => Receipt.parse(value),
  unpack: unasked,
  undelivered: unasked,
};

export const RECEIVER: Side<Receipt, Received> = {
  carriers: new Set(['blob']),
  pack: (message) => ({ message, payload: undefined }),
  parse: (value) => {
    const { call, data } = Spelled.parse(value);
    return { call, bytes: Buffer.from(data, 'base64') };
  },
  unpack: ({ call }, bytes) => ({ call, bytes }),
  undelivered: unasked,
};

export function receiptOf({ call, bytes }: Received): Receipt {
  return { type: 'receipt', call, bytes: bytes.length, sample: bytes[call % bytes.length] ?? -1 };
}
