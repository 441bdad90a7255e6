import { describe, expect, test } from 'vitest';

import { Vocabulary } from '../../../../src/worker/backends/llama-cpp/vocabulary.ts';

const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

function vocabulary(kind: string, entries: readonly (readonly [string, number])[]) {
  return new Vocabulary({
    kind,
    tokens: entries.map(([text]) => text),
    types: entries.map(([, type]) => type),
    isEndOfGeneration: (id) => entries[id]?.[0] === '<|im_end|>',
    detokenize: (id) => `native:${id}`,
  });
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('Vocabulary', () => {
  test('byte-level BPE: a space is Ġ, and one token may be half a character', () => {
    const v = vocabulary('gpt2', [
      ['Ġthe', NORMAL],
      ['Ã', NORMAL],
      ['©', NORMAL],
      ['Ċ', NORMAL],
    ]);
    expect(text(v.bytes(0))).toBe(' the');
    expect(text(Buffer.concat([v.bytes(1), v.bytes(2)]))).toBe('é');
    expect(text(v.bytes(3))).toBe('\n');
  });

  test('sentencepiece: ▁ is a space, byte tokens are bytes', () => {
    const v = vocabulary('llama', [
      ['▁the', NORMAL],
      ['<0xE2>', BYTE],
    ]);
    expect(text(v.bytes(0))).toBe(' the');
    expect([...v.bytes(1)]).toEqual([0xe2]);
  });

  test('what a model file defines for its users stands for itself, with ▁ and all', () => {
    const v = vocabulary('llama', [['a▁b', USER_DEFINED]]);
    expect(text(v.bytes(0))).toBe('a▁b');
  });

  test('the bytes are exactly the native ones, or it is known that they may not be', () => {
    expect(vocabulary('gemma4', [['▁the', NORMAL]]).isExact).toBe(true);
    expect(vocabulary('bert', [['##ing', NORMAL]]).isExact).toBe(false);
  });

  test('control tokens are not for the reader, user-defined ones are', () => {
    const v = vocabulary('gpt2', [
      ['<|im_end|>', CONTROL],
      ['<think>', USER_DEFINED],
    ]);
    expect(v.bytes(0)).toHaveLength(0);
    expect(text(v.bytes(1))).toBe('<think>');
  });

  test('a kind it does not know goes through the native tokenizer', () => {
    expect(text(vocabulary('bert', [['##ing', NORMAL]]).bytes(0))).toBe('native:0');
  });

  test('specials are control tokens and marks; runs of spaces are neither', () => {
    const v = vocabulary('gpt2', [
      ['<|im_end|>', CONTROL],
      ['<think>', USER_DEFINED],
      ['    ', USER_DEFINED],
      ['a', NORMAL],
    ]);
    expect(v.specials).toEqual({ control: ['<|im_end|>'], marks: ['<think>'] });
    expect(v.endsOfGeneration).toEqual([0]);
  });

  test('an id outside the table has no text', () => {
    expect(vocabulary('gpt2', []).bytes(7)).toHaveLength(0);
  });
});
