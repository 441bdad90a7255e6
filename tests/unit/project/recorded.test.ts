/** Arrivals are read from a server's log as they came. */
import { expect, test } from 'vitest';

import { readArrivals } from '../../../bench/lib/recorded.ts';

const LOG = [
  '{"level":"info","time":"2026-11-21T10:00:02.500Z","msg":"request finished","ms":500,"priority":"low","caller":"k","promptTokens":7,"generatedTokens":3}',
  'Hearth 0.1.0 listens',
  '{"level":"info","time":"2026-11-21T10:00:02.000Z","msg":"request finished","ms":1000,"priority":"high","promptTokens":5,"generatedTokens":2}',
  '{"level":"info","time":"2026-11-21T10:00:02.000Z","msg":"request finished","ms":1,"route":"/v1/models"}',
  '{"level":"info","time":"2026-11-21T10:00:02.000Z","msg":"draining"}',
].join('\n');

test('a line that finished a generation is an arrival, at the time at which it came', () => {
  const low = { tenant: 'k', priority: 'low', promptTokens: 7, generatedTokens: 3 };
  const high = { tenant: 'local', priority: 'high', promptTokens: 5, generatedTokens: 2 };
  expect(readArrivals(LOG)).toEqual([
    { atMs: 0, ...high },
    { atMs: 1_000, ...low },
  ]);
  expect(readArrivals(LOG, 4).map(({ atMs }) => atMs)).toEqual([0, 250]);
  expect(readArrivals('')).toEqual([]);
});
