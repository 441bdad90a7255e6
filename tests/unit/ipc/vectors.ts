/** The byte vectors that both codecs are held to. */
import { readFileSync } from 'node:fs';
import * as z from 'zod';

import { encodeBinaryFrame, encodeFrame, type Frame } from '../../../src/ipc/codec.ts';

const frame = z.object({ message: z.unknown(), bodyHex: z.string().optional() });
const Vectors = z.object({
  maxFrameBytes: z.int(),
  valid: z.array(
    z.object({
      name: z.string(),
      hex: z.string(),
      canonical: z.boolean(),
      frames: z.array(frame),
    }),
  ),
  invalid: z.array(
    z.object({ name: z.string(), hex: z.string(), fault: z.string(), before: z.array(frame) }),
  ),
});

export type VectorFrame = z.output<typeof frame>;

export const vectorsFile = new URL('../../fixtures/ipc/vectors.json', import.meta.url);
export const vectors = Vectors.parse(JSON.parse(readFileSync(vectorsFile, 'utf8')));

export function toVectorFrame({ message, body }: Frame): VectorFrame {
  return body ? { message, bodyHex: Buffer.from(body).toString('hex') } : { message };
}

export function encodeVector(frames: readonly VectorFrame[]): string {
  const pieces = frames.flatMap(({ message, bodyHex }) =>
    bodyHex === undefined
      ? [encodeFrame(message as object)]
      : encodeBinaryFrame(message as object, Buffer.from(bodyHex, 'hex')),
  );
  return Buffer.concat(pieces).toString('hex');
}
