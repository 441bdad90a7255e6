import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Constraint } from '../../../../../src/worker/backends/llama-cpp/grammar/constraint.ts';
import { Spelling } from '../../../../../src/worker/backends/llama-cpp/grammar/spelling.ts';

const spell = (tokens: readonly string[]) =>
  Spelling.read({
    size: tokens.length,
    spell: (id) => Buffer.from(tokens[id]!, 'latin1'),
    isEndOfGeneration: () => false,
  });

const constrain = async (tokens: readonly string[], after?: string) =>
  new Constraint({ hash: '', text: '', after }, await spell(tokens));

describe('Constraint, MX-004', () => {
  test('holds from the first token on where it waits for nothing', async () => {
    const constraint = await constrain(['a', '\xc3', '\xa9', '\xe0', '\x80']);
    expect(constraint.isBound).toBe(true);
    expect(constraint.bans('ends')).toEqual([]);
    constraint.accept(3);
    expect(constraint.bans('ends')).toEqual([4]);
  });

  test('holds once the text that it waits for has appeared, over token borders', async () => {
    const tokens = ['<', '/t', 'h', '>', 'x', '>\n', '</th>', '</th>{'];
    const constraint = await constrain(tokens, '</th>');
    // Half of it, something else, and then all of it.
    for (const id of [0, 1, 4, 0, 1, 2]) {
      expect(constraint.isBound).toBe(false);
      constraint.accept(id);
    }
    expect(constraint.bans('ends')).toEqual([5, 7]);
    constraint.accept(3);
    expect(constraint.isBound).toBe(true);
    expect(constraint.bans('ends')).toEqual([]);
  });

  test('a text that overlaps itself is found where it ends first', async () => {
    const constraint = await constrain(['a', 'aab', 'b'], 'aaab');
    expect(constraint.bans('ends')).toEqual([]);
    constraint.accept(0);
    constraint.accept(0);
    constraint.accept(1);
    expect(constraint.isBound).toBe(true);
  });

  test('it begins with the token after the text, whatever the tokens are', async () => {
    const piece = fc.string({ unit: fc.constantFrom('a', 'b', '>'), minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 12 }),
        piece,
        fc.array(fc.nat(), { maxLength: 20 }),
        async (tokens, after, choices) => {
          const constraint = await constrain(tokens, after);
          let text = '';
          for (const choice of choices) {
            const bans = new Set(constraint.bans('ends'));
            const open = tokens.flatMap((_, id) => (bans.has(id) ? [] : [id]));
            for (const id of bans) {
              const at = `${text}${tokens[id]}`.indexOf(after);
              expect(at).toBeGreaterThanOrEqual(0);
              expect(at + after.length).toBeLessThan(text.length + tokens[id]!.length);
            }
            if (open.length === 0) return;
            const id = open[choice % open.length]!;
            text += tokens[id];
            constraint.accept(id);
            expect(constraint.isBound).toBe(text.includes(after));
            if (!constraint.isBound) continue;
            expect(text.indexOf(after) + after.length).toBe(text.length);
            return;
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
