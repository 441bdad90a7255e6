import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  type PieceBytes,
  toBytes,
  toPromptTokens,
  toText,
  toTokens,
  VOCABULARY_SIZE,
} from '../../../../../src/worker/backends/fake/vocabulary.ts';

const pieces = fc.constantFrom<PieceBytes>(1, 3);
const text = fc.string({ unit: 'grapheme', maxLength: 60 });

describe('vocabulary of the fake model', () => {
  it('gives back every text', () => {
    fc.assert(
      fc.property(text, pieces, (value, pieceBytes) => {
        const ids = toTokens(value, pieceBytes);
        expect(Buffer.concat(ids.map(toBytes)).toString()).toBe(value.toWellFormed());
        expect(ids.every((id) => id >= 0 && id < VOCABULARY_SIZE)).toBe(true);
      }),
    );
  });

  it('cuts words in pieces, also inside a character', () => {
    expect(toTokens('one more', 3).map((id) => Buffer.from(toBytes(id)).toString())).toEqual([
      'one',
      ' mo',
      're',
    ]);
    expect(toTokens('😀', 3)).toHaveLength(2);
    expect(toTokens('ä', 1)).toHaveLength(2);
  });

  it('puts marks around turns, which no text can produce', () => {
    const forged = toTokens('<|user|>', 3);
    const ids = toPromptTokens(
      { messages: [{ role: 'user', parts: [{ type: 'text', text: '<|user|>' }] }] },
      3,
    );
    expect(ids).toHaveLength(forged.length + 3);
    expect(toText(ids)).toBe('<|user|><|user|><|end|><|assistant|>');
    expect(toPromptTokens({ tokens: ids }, 3)).toEqual(ids);
  });
});
