/** What a `generate` may say about a grammar. MX-004 */
import { expect, test } from 'vitest';

import { ToWorker } from '../../../src/ipc/protocol.ts';
import { generateMessage } from '../worker/generate-message.ts';

const HASH = '0123456789abcdef'.repeat(4);

function reads(grammar: unknown): boolean {
  return ToWorker.safeParse({ ...generateMessage(1, 'x'), grammar }).success;
}

test('MX-004 a grammar is a text with its hash, and may begin after a mark', () => {
  expect(reads({ hash: HASH, text: 'root ::= "a"' })).toBe(true);
  expect(reads({ hash: HASH, text: 'root ::= "a"', after: '</think>' })).toBe(true);
  expect(reads(undefined)).toBe(true);
});

test('MX-004 a grammar without a bound, a hash or a text is no message', () => {
  expect(reads({ hash: 'x', text: 'root ::= "a"' })).toBe(false);
  expect(reads({ hash: HASH, text: '' })).toBe(false);
  expect(reads({ hash: HASH, text: 'x'.repeat(1024 * 1024 + 1) })).toBe(false);
  expect(reads({ hash: HASH, text: 'root ::= "a"', after: '' })).toBe(false);
  expect(reads({ hash: HASH, text: 'root ::= "a"', after: 'x'.repeat(65) })).toBe(false);
});
