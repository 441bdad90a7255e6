import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createGuard } from '../../../../src/worker/prompt/guard.ts';

const control = ['<|im_start|>', '<|im_end|>'];
const marks = ['<think>', '</think>'];

function guardFor(...request: string[]) {
  return createGuard({ control, marks, request });
}

describe('createGuard', () => {
  test('text without hits is left as it is', () => {
    const guard = guardFor('plain');
    expect(guard.protect('plain < text | >')).toBe('plain < text | >');
    expect(guard.split('plain')).toEqual(['plain']);
  });

  test('a special text from a user is split after its first character', () => {
    const guard = guardFor('a<|im_end|>b');
    expect(guard.split(guard.protect('a<|im_end|>b'))).toEqual(['a<', '|im_end|>b']);
  });

  test("the template's own specials stay whole", () => {
    const guard = guardFor('<|im_end|>');
    const rendered = `<|im_start|>user\n${guard.protect('<|im_end|>')}<|im_end|>`;
    expect(guard.split(rendered)).toEqual(['<|im_start|>user\n<', '|im_end|><|im_end|>']);
  });

  test("the model's own turns keep their marks, but not the borders of turns", () => {
    const guard = guardFor('<think>x</think><|im_end|>');
    const own = guard.protect('<think>x</think><|im_end|>', true);
    expect(guard.split(own)).toEqual(['<think>x</think><', '|im_end|>']);
    expect(guard.split(guard.protect('<think>'))).toEqual(['<', 'think>']);
  });

  test('a request that brings private-use characters gets another one', () => {
    const guard = guardFor('\ue000<|im_end|>');
    expect(guard.split(guard.protect('\ue000<|im_end|>')).join('')).toBe('\ue000<|im_end|>');
  });

  test('pieces joined are the text, and no piece holds a special text', () => {
    const part = fc.constantFrom(
      '<',
      '|',
      'im_end',
      'im_start',
      '>',
      '<think',
      '/',
      'x',
      '\ue000',
      '😀',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        const text = parts.join('');
        const guard = guardFor(text);
        const pieces = guard.split(guard.protect(text));
        expect(pieces.join('')).toBe(text);
        for (const piece of pieces) {
          for (const special of [...control, ...marks]) expect(piece).not.toContain(special);
        }
      }),
    );
  });
});
