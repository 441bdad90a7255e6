import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Spelling } from '../../../../../src/worker/backends/llama-cpp/grammar/spelling.ts';
import {
  advanceUtf8,
  UTF8_STATES,
  type Utf8State,
  WHOLE,
} from '../../../../../src/worker/backends/llama-cpp/grammar/utf8.ts';

function spell(tokens: readonly (readonly number[])[], ends: readonly number[] = []) {
  return Spelling.read({
    size: tokens.length,
    spell: (id) => Uint8Array.from(tokens[id]!),
    isEndOfGeneration: (id) => ends.includes(id),
  });
}

const past = (...bytes: number[]) => advanceUtf8(WHOLE, Uint8Array.from(bytes))!;

/** What llama.cpp's grammars look at: how many continuation bytes there are, and nothing of them. */
function nativeTakes({ needed }: Utf8State, token: readonly number[]): boolean {
  const other = token.findIndex((byte) => (byte & 0xc0) !== 0x80);
  const lead = other < 0 ? token.length : other;
  return other < 0 ? lead <= needed : lead === needed;
}

const token = fc.array(
  fc.oneof(fc.constantFrom(0x41, 0x80, 0x9f, 0xa0, 0xbf, 0xe0, 0xed, 0xf0, 0xf4), fc.nat(255)),
  { minLength: 1, maxLength: 5 },
);

describe('Spelling, MX-004', () => {
  test('what is not banned and has the right number of bytes keeps the text valid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(token, { minLength: 1, maxLength: 20 }),
        fc.constantFrom(...UTF8_STATES),
        async (tokens, state) => {
          const spelling = await spell(tokens);
          const bans = new Set(spelling.bans(state, 'ends'));
          for (const [id, bytes] of tokens.entries()) {
            const isValid = advanceUtf8(state, Uint8Array.from(bytes)) !== undefined;
            const isTaken = nativeTakes(state, bytes) && !bans.has(id);
            if (isTaken) expect(isValid).toBe(true);
            // And nothing is banned that may follow.
            if (isValid && !bytes.includes(0)) expect(bans.has(id)).toBe(false);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('control tokens and U+0000 are banned for good, ends only inside a character', async () => {
    const spelling = await spell([[0x61], [], [], [0x61, 0, 0x62], [0xc3]], [2]);
    expect(spelling.bans(WHOLE, 'ends')).toEqual([1, 3]);
    expect(spelling.bans(past(0xc3), 'ends')).toEqual([1, 2, 3]);
  });

  test('where ends cannot be banned, the tokens are after which one could come too early', async () => {
    const spelling = await spell([[0x61], [], [0x61, 0xc3], [0xc3], [0xa9]], [1]);
    expect(spelling.bans(WHOLE, 'straddling')).toEqual([2]);
    expect(spelling.bans(past(0xc3), 'straddling')).toEqual([2]);
  });

  test('the list is the same as long as the state is', async () => {
    const spelling = await spell([[0x61], [0xe0], [0x80], [0xa0]]);
    expect(spelling.bans(past(0xe0), 'ends')).toBe(spelling.bans(past(0xe0), 'ends'));
    expect(spelling.bans(past(0xe0), 'ends')).toEqual([2]);
    expect(spelling.bans(past(0xed), 'ends')).toEqual([3]);
  });

  test('spells bytes with the fewest tokens, none of them a control token or an end', async () => {
    const ascii = (text: string) => [...Buffer.from(text)];
    const tokens = ['a', 'ab', 'abc', 'bcd', 'd', 'd', '', 'x\0', 'b'].map(ascii);
    const spelling = await spell(tokens, [6]);
    const tokensOf = (text: string) => spelling.tokensOf(Uint8Array.from(ascii(text)));
    expect(tokensOf('abc')).toEqual([2]);
    expect(tokensOf('abcd')).toHaveLength(2);
    expect(tokensOf('abcdb')).toHaveLength(3);
    expect(tokensOf('c')).toBeUndefined();
    expect(tokensOf('x\0')).toBeUndefined();
    expect([spelling.isEnd(6), spelling.isEnd(0)]).toEqual([true, false]);
    expect([...spelling.bytes(2)]).toEqual(ascii('abc'));
  });

  test('others run while a large vocabulary is read', async () => {
    let isRead = false;
    let turns = 0;
    const count = () => {
      if (isRead) return;
      turns++;
      setImmediate(count);
    };
    setImmediate(count);
    await spell(Array.from({ length: 20_000 }, () => [0x61, 0x62]));
    isRead = true;
    expect(turns).toBeGreaterThan(5);
  });
});
