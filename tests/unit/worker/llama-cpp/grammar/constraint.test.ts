import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Constraint } from '../../../../../src/worker/backends/llama-cpp/grammar/constraint.ts';
import { Spelling } from '../../../../../src/worker/backends/llama-cpp/grammar/spelling.ts';

const spell = (tokens: readonly string[], ends: readonly number[] = []) =>
  Spelling.read({
    size: tokens.length,
    spell: (id) => Buffer.from(tokens[id]!, 'latin1'),
    isEndOfGeneration: (id) => ends.includes(id),
  });

const constrain = async (tokens: readonly string[], after?: string, ends?: readonly number[]) =>
  new Constraint({ hash: '', text: '', after }, await spell(tokens, ends));

describe('Constraint, MX-004', () => {
  test('holds from the first token on where it waits for nothing', async () => {
    const constraint = await constrain(['a', '\xc3', '\xa9', '\xe0', '\x80']);
    expect(constraint.isBound).toBe(true);
    expect(constraint.bans('ends')).toEqual([]);
    expect(constraint.settle(3)).toBe(3);
    expect(constraint.bans('ends')).toEqual([4]);
  });

  test('holds once the text that it waits for has appeared, over token borders', async () => {
    const constraint = await constrain(['<', '/t', 'h', '>', 'x', ''], '</th>');
    expect(constraint.bans('ends')).toEqual([]);
    // Half of it, something else, and then all of it.
    for (const id of [0, 1, 4, 5, 0, 1, 2]) {
      expect(constraint.isBound).toBe(false);
      expect(constraint.settle(id)).toBe(id);
    }
    expect(constraint.settle(3)).toBe(3);
    expect(constraint.isBound).toBe(true);
    expect(constraint.bans('ends')).toEqual([5]);
  });

  test('a token that goes on after the text is replaced by what it has of it', async () => {
    const constraint = await constrain(['{', '{"', '"'], '{');
    expect(constraint.settle(1)).toBe(0);
    expect(constraint.isBound).toBe(true);
  });

  test('where that takes several tokens they come one by one, whatever is chosen', async () => {
    const constraint = await constrain(['ab>c', 'a', 'b', '>', 'x', 'end'], 'b>', [5]);
    expect(constraint.settle(0)).toBe(1);
    expect(constraint.settle(5)).toBe(2);
    expect(constraint.isBound).toBe(false);
    expect(constraint.settle(4)).toBe(3);
    expect(constraint.isBound).toBe(true);
  });

  test('where no token can spell it the call cannot go on', async () => {
    const constraint = await constrain(['{"', '"'], '{');
    expect(constraint.settle(0)).toMatchObject({ code: 'unsupported_parameter' });
  });

  test('an answer may end before the text comes', async () => {
    const constraint = await constrain(['a', 'end'], 'ab', [1]);
    expect([constraint.settle(0), constraint.settle(1)]).toEqual([0, 1]);
  });

  test('a text that overlaps itself is found where it ends first', async () => {
    const constraint = await constrain(['a', 'aab', 'b'], 'aaab');
    for (const id of [0, 0, 1]) expect(constraint.settle(id)).toBe(id);
    expect(constraint.isBound).toBe(true);
  });

  test('the answer up to the grammar is what was chosen, cut after the text', async () => {
    const piece = fc.string({ unit: fc.constantFrom('a', 'b', '>'), minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 8 }),
        piece,
        fc.array(fc.nat(), { maxLength: 20 }),
        async (pieces, after, choices) => {
          const tokens = ['a', 'b', '>', ...pieces];
          const constraint = await constrain(tokens, after);
          let chosen = '';
          let text = '';
          for (const choice of choices) {
            const isReplaced = chosen.length > text.length;
            const id = choice % tokens.length;
            if (!isReplaced) chosen += tokens[id];
            text += tokens[constraint.settle(id) as number];
            const end = chosen.indexOf(after);
            const expected = end < 0 ? chosen : chosen.slice(0, end + after.length);
            expect(expected.startsWith(text)).toBe(true);
            expect(constraint.isBound).toBe(end >= 0 && text === expected);
            if (constraint.isBound) return;
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
