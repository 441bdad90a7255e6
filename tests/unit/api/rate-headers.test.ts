import { expect, test } from 'vitest';

import { rateHeaders } from '../../../src/api/rate-headers.ts';

test('both families of headers, with durations as OpenAI writes them', () => {
  const requests = { limit: 60, remaining: 59, resetMs: 12 };
  expect(rateHeaders({ requests, tokens: undefined })).toEqual({
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '59',
    'x-ratelimit-reset-requests': '12ms',
    'ratelimit-policy': '"default";q=60;w=60',
    ratelimit: '"default";r=59;t=1',
  });
  const tokens = { limit: 1_000, remaining: 10, resetMs: 1_500 };
  expect(rateHeaders({ requests, tokens })).toMatchObject({ 'x-ratelimit-reset-tokens': '1.5s' });
  const slow = { ...tokens, resetMs: 360_000 };
  expect(rateHeaders({ requests: slow, tokens: slow })).toMatchObject({
    'x-ratelimit-reset-tokens': '6m0s',
    'x-ratelimit-reset-requests': '6m0s',
  });
});
