import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  encodeBinaryFrame,
  encodeFrame,
  type Frame,
  FrameDecoder,
  MAX_FRAME_BYTES,
  ProtocolError,
} from '../../../src/ipc/codec.ts';
import { encodeVector, toVectorFrame, type VectorFrame, vectors } from './vectors.ts';

/** Reads pieces to their end, as a channel does. */
function decode(pieces: readonly Uint8Array[]): { frames: VectorFrame[]; fault?: string } {
  const decoder = new FrameDecoder();
  const frames: VectorFrame[] = [];
  try {
    for (const piece of pieces) {
      for (const frame of decoder.push(piece)) frames.push(toVectorFrame(frame));
    }
  } catch (error) {
    if (error instanceof ProtocolError) return { frames, fault: error.fault };
    throw error;
  }
  return decoder.isAtBoundary ? { frames } : { frames, fault: 'truncated' };
}

function splitAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length));
}

function everyByte(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
}

describe('byte vectors', () => {
  it.each(vectors.valid)('reads: $name', ({ hex, frames }) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(decode([bytes])).toEqual({ frames });
    expect(decode(everyByte(bytes))).toEqual({ frames });
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(decode([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual({ frames });
    }
  });

  it.each(vectors.valid.filter(({ canonical }) => canonical))('writes: $name', (vector) => {
    expect(encodeVector(vector.frames)).toBe(vector.hex);
  });

  // Fault 11 of the design: an oversized or negative length, a wrong kind
  it.each(vectors.invalid)('refuses: $name', ({ hex, fault, before }) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(decode([bytes])).toEqual({ frames: before, fault });
    expect(decode(everyByte(bytes))).toEqual({ frames: before, fault });
  });
});

describe('any split of the bytes', () => {
  const message = fc.record({ type: fc.string(), value: fc.jsonValue() });
  const frame: fc.Arbitrary<Frame> = fc.oneof(
    message.map((value) => ({ message: value })),
    fc
      .tuple(message, fc.uint8Array({ maxLength: 300 }))
      .map(([value, body]) => ({ message: value, body })),
  );

  it('decodes to the same messages', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat()), (frames, cuts) => {
        const bytes = Buffer.concat(
          frames.flatMap(({ message: value, body }) =>
            body ? encodeBinaryFrame(value as object, body) : [encodeFrame(value as object)],
          ),
        );
        const plain = frames.map((each) => JSON.parse(JSON.stringify(toVectorFrame(each))));
        expect(decode(splitAt(bytes, cuts))).toEqual({ frames: plain });
      }),
      { numRuns: 500 },
    );
  });

  it('gives noise the same verdict', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat()), (bytes, cuts) => {
        expect(decode(splitAt(bytes, cuts))).toEqual(decode([bytes]));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('limits', () => {
  it('takes a frame of exactly 16 MiB and refuses to write a longer one', () => {
    const room = MAX_FRAME_BYTES - 1 - '{"t":""}'.length;
    const bytes = encodeFrame({ t: 'x'.repeat(room) });
    expect(bytes.length).toBe(MAX_FRAME_BYTES + 4);
    const [frame] = decode([bytes.subarray(0, 1000), bytes.subarray(1000)]).frames;
    expect(frame?.message).toEqual({ t: 'x'.repeat(room) });
    expect(() => encodeFrame({ t: 'x'.repeat(room + 1) })).toThrow(
      expect.objectContaining({ code: 'payload_too_large' }),
    );
    expect(() => encodeBinaryFrame({}, new Uint8Array(MAX_FRAME_BYTES))).toThrow(
      expect.objectContaining({ code: 'payload_too_large' }),
    );
  });

  it('does not copy a body that lies in one piece', () => {
    const bytes = Buffer.concat(encodeBinaryFrame({}, Uint8Array.of(1, 2, 3)));
    const [frame] = [...new FrameDecoder().push(bytes)];
    bytes[bytes.length - 1] = 9;
    expect([...(frame?.body ?? [])]).toEqual([1, 2, 9]);
  });

  it('says the same error again after a fault and quotes nothing', () => {
    const decoder = new FrameDecoder();
    const bytes = Buffer.from('{"secret prompt"', 'utf8');
    const bad = Buffer.concat([Buffer.from([bytes.length + 1, 0, 0, 0, 0]), bytes]);
    expect(() => [...decoder.push(bad)]).toThrow(/^(?!.*secret).*not JSON/);
    expect(() => [...decoder.push(encodeFrame({ a: 1 }))]).toThrow(/not JSON/);
  });
});
