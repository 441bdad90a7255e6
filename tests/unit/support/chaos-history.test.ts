/** The checker of histories sees what it is there to see. */
import { expect, test } from 'vitest';

import { checkHistory, expectedText, type Outcome } from '../../chaos/history.ts';

const ASKED = { id: 1, nonce: 'ab', tokens: 5 };
const GOOD: Outcome = {
  ...ASKED,
  end: 'answered',
  status: 200,
  text: 'ab ab',
  code: undefined,
  retryAfterMs: undefined,
  breaches: [],
};
const RULES = { mayFailWith: ['worker_crashed'] };

test('an answer is its nonce over and over', () => {
  expect(expectedText(ASKED)).toBe('ab ab');
  expect(checkHistory([GOOD], RULES)).toEqual([]);
});

test.each<[string, Partial<Outcome>, string]>([
  ['a token of another answer', { text: 'ab xb' }, 'request 1: said "ab xb", not its nonce'],
  ['an answer that is too short', { text: 'ab' }, 'answered with 2 of 5 characters'],
  ['a doubled token', { text: 'ab abb' }, 'not its nonce'],
  ['a request that never ends', { end: 'hung', text: '' }, 'never ended'],
  [
    'a failure that may not be',
    { end: 'failed', code: 'internal', text: 'ab' },
    'failed with internal',
  ],
  [
    'something after the end',
    { breaches: ['got [DONE] after its end'] },
    'got [DONE] after its end',
  ],
])('%s is found', (_what, wrong, said) => {
  expect(checkHistory([{ ...GOOD, ...wrong }], RULES).join()).toContain(said);
});

test('a failure that may be, and a client that left, are none', () => {
  const failed: Outcome = { ...GOOD, end: 'failed', code: 'worker_crashed', text: 'ab a' };
  const left: Outcome = { ...GOOD, id: 2, end: 'left', text: 'ab' };
  expect(checkHistory([failed, left], RULES)).toEqual([]);
});

test('two ends of one request are found', () => {
  expect(checkHistory([GOOD, GOOD], RULES)).toEqual(['request 1: ended twice']);
});
