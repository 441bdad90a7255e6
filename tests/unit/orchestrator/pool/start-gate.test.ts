/** How many children start at once. Rows SP-193 … SP-209. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { StartGate } from '../../../../src/orchestrator/pool/start-gate.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('so many at once; the next as soon as one has begun', async () => {
  const gate = new StartGate({ max: 2, waitMs: 750 });
  const leaves: (() => void)[] = [];
  for (let i = 0; i < 4; i++) void gate.enter().then((leave) => leaves.push(leave));
  await vi.advanceTimersByTimeAsync(0);
  expect(leaves).toHaveLength(2);
  leaves[0]!();
  leaves[0]!();
  await vi.advanceTimersByTimeAsync(0);
  expect(leaves).toHaveLength(3);
});

test('one that never begins holds up the next for a while and no longer', async () => {
  const gate = new StartGate({ max: 1, waitMs: 750 });
  const began: number[] = [];
  for (let i = 0; i < 3; i++) void gate.enter().then(() => began.push(Date.now()));
  const startMs = Date.now();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(began.map((ms) => ms - startMs)).toEqual([0, 750, 1_500]);
});
