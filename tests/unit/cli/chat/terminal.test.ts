import { describe, expect, test } from 'vitest';

import type { Turn } from '../../../../src/cli/chat/conversation.ts';
import { figures, safeForTerminal } from '../../../../src/cli/chat/terminal.ts';

const turn: Turn = {
  outcome: 'answered',
  tokens: 11,
  reason: 'stop',
  firstTextMs: 123,
  textMs: 100,
};

describe('figures', () => {
  test.each([
    [
      'tokens, rate over the gaps, first text',
      turn,
      '11 tokens · 100.0 tokens/s · first after 0.12 s',
    ],
    [
      'no rate of what came in one piece',
      { ...turn, textMs: 99 },
      '11 tokens · first after 0.12 s',
    ],
    ['no rate of one token', { ...turn, tokens: 1, textMs: 0 }, '1 token · first after 0.12 s'],
    [
      'that it was cancelled',
      { ...turn, outcome: 'cancelled', tokens: undefined } as const,
      'cancelled · first after 0.12 s',
    ],
    [
      'that it was cut',
      { ...turn, tokens: undefined, reason: 'length' },
      'first after 0.12 s · cut at the length limit',
    ],
    ['nothing of nothing', { ...turn, tokens: undefined, firstTextMs: undefined, textMs: 0 }, ''],
  ])('show %s', (_what, of, text) => {
    expect(figures(of)).toBe(text);
  });
});

describe('safeForTerminal', () => {
  test.each([
    ['text, breaks and tabs stay', 'a\n\tb 🙂 é', 'a\n\tb 🙂 é'],
    ['escape sequences lose their teeth', '\u001b[2Jx\u009b1m', '\ufffd[2Jx\ufffd1m'],
    ['carriage returns and bells go', 'a\rb\u0007', 'a\ufffdb\ufffd'],
  ])('%s', (_why, text, shown) => {
    expect(safeForTerminal(text)).toBe(shown);
  });
});
