import { describe, expect, it } from 'vitest';

import type { Prompt, Sampling } from '../../../../../src/core/engine.ts';
import { planReply } from '../../../../../src/worker/backends/fake/reply.ts';
import type { FakeScript } from '../../../../../src/worker/backends/fake/script.ts';
import { toText, toTokens } from '../../../../../src/worker/backends/fake/vocabulary.ts';
import { generateMessage } from '../../generate-message.ts';

const script: FakeScript = {
  tokensPerSecond: 0,
  prefillTokensPerSecond: 0,
  vocabulary: 'triples',
  reply: { kind: 'echo' },
  chat: true,
  loadMs: 0,
  memoryBytes: 0,
  abortOnLoad: false,
};
const { sampling: greedy } = generateMessage(1, '');

function plan(prompt: string | Prompt, change: Partial<Sampling> = {}, own = script) {
  return planReply(own, typeof prompt === 'string' ? { text: prompt } : prompt, {
    sampling: { ...greedy, ...change },
    pieceBytes: 3,
  });
}

describe('planReply', () => {
  it('echoes the last user text', () => {
    const say = (role: 'user' | 'assistant', text: string) => ({
      role,
      parts: [{ type: 'text' as const, text }],
    });
    const messages = [say('user', 'old'), say('user', 'nonce 17'), say('assistant', 'hm')];
    const { round, naturalTokens } = plan({ messages });
    expect(toText(round)).toBe('nonce 17');
    expect(naturalTokens).toBe(round.length);
  });

  it('shows the seed above temperature 0 only, and never in a scripted text', () => {
    expect(plan('a', { seed: 7 })).toEqual(plan('a', { seed: 8 }));
    const warm = (seed: number) => toText(plan('a', { temperature: 1, seed }).round);
    expect(warm(7)).toBe(warm(7));
    expect(warm(7)).not.toBe(warm(8));
    const own: FakeScript = { ...script, reply: { kind: 'text', text: 'fixed' } };
    expect(toText(plan('a', { temperature: 1 }, own).round)).toBe('fixed');
  });

  it('counts', () => {
    const own: FakeScript = { ...script, reply: { kind: 'count', to: 4 } };
    expect(toText(plan('', {}, own).round)).toBe('1 2 3 4');
  });

  it('takes commands out of the text', () => {
    const { round, ...rest } = plan('x[[tokens:50]][[slow:20]][[die-after:5]][[hang]]');
    expect(toText(round)).toBe('x ');
    expect(rest).toMatchObject({
      naturalTokens: 50,
      msPerToken: 20,
      dieAfterTokens: 5,
      hangAfterTokens: 0,
    });
  });

  it('is over at once when there is nothing to say, unless it may not end', () => {
    expect(plan('').naturalTokens).toBe(0);
    const endless = plan('', { ignoreEos: true });
    expect(endless.naturalTokens).toBe(Number.POSITIVE_INFINITY);
    expect(endless.round.length).toBeGreaterThan(0);
  });

  it('bans and forces tokens', () => {
    const [first = 0, ...others] = toTokens('one two', 3);
    expect(plan('one two', { logitBias: [[first, -100]] }).round).toEqual(others);
    expect(plan('one two', { logitBias: [[65, 100]] })).toMatchObject({
      round: [65],
      naturalTokens: Number.POSITIVE_INFINITY,
    });
  });
});
