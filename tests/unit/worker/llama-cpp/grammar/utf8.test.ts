import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  advanceUtf8,
  toPiece,
  UTF8_STATES,
  WHOLE,
} from '../../../../../src/worker/backends/llama-cpp/grammar/utf8.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);

function decodes(text: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(text);
    return true;
  } catch {
    return false;
  }
}

/** Text with a byte changed here and there, and bytes with the borders of characters among them. */
const EDGES = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4];
const anyBytes = fc.oneof(
  fc.array(fc.oneof(fc.constantFrom(...EDGES), fc.nat(255)), { maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 4 }).map((text) => [...Buffer.from(text)]),
);

describe('UTF-8 over token borders, MX-004', () => {
  test('pieces follow each other exactly where a strict decoder takes the whole', () => {
    fc.assert(
      fc.property(fc.array(anyBytes, { maxLength: 4 }), (pieces) => {
        let at: ReturnType<typeof advanceUtf8> = WHOLE;
        for (const piece of pieces) at &&= advanceUtf8(at, bytes(...piece));
        expect(at === WHOLE).toBe(decodes(bytes(...pieces.flat())));
      }),
      { numRuns: 2_000 },
    );
  });

  test('a piece is possible exactly where it can follow something', () => {
    fc.assert(
      fc.property(anyBytes, (piece) => {
        const text = bytes(...piece);
        const canFollow = UTF8_STATES.some((state) => advanceUtf8(state, text) !== undefined);
        expect(toPiece(text).isPossible).toBe(canFollow);
      }),
      { numRuns: 2_000 },
    );
  });

  test('overlong forms, surrogates and what lies above U+10FFFF cannot follow', () => {
    for (const wrong of [
      bytes(0xc0, 0x80),
      bytes(0xe0, 0x9f, 0xbf),
      bytes(0xed, 0xa0, 0x80),
      bytes(0xf0, 0x8f, 0xbf, 0xbf),
      bytes(0xf4, 0x90, 0x80, 0x80),
      bytes(0xf5, 0x80, 0x80, 0x80),
    ]) {
      expect(advanceUtf8(WHOLE, wrong)).toBeUndefined();
    }
  });

  test('a piece straddles that ends one character and begins another', () => {
    expect(toPiece(bytes(0x20, 0xe2, 0x80)).isStraddling).toBe(true);
    expect(toPiece(bytes(0xa9, 0xc3)).isStraddling).toBe(true);
    expect(toPiece(bytes(0xc3)).isStraddling).toBe(false);
    expect(toPiece(bytes(0xa9)).isStraddling).toBe(false);
    expect(toPiece(bytes(0x20, 0x21)).isStraddling).toBe(false);
  });
});
