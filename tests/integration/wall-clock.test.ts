/**
 * Wall-clock jumps change nothing: deadlines, limits and liveness are kept on the monotonic clock. Fault 19
 * of the fault table.
 */
import { afterEach, expect, test, vi } from 'vitest';

import { Orchestra } from '../support/orchestra.ts';

let orchestra: Orchestra | undefined;

afterEach(async () => {
  vi.restoreAllMocks();
  await orchestra?.end();
});

test('an hour forth and back: no window opens or stays shut, nobody times out, no worker is killed', async () => {
  const real = Date.now;
  let jumpMs = 0;
  vi.spyOn(Date, 'now').mockImplementation(() => real() + jumpMs);
  orchestra = await new Orchestra({
    slots: 1,
    worker: { heartbeatIntervalMs: 50, heartbeatMisses: 3 },
    rateLimits: { each: { requestsPerMinute: 3 }, all: {}, burstWindowMs: 1_000 },
    limits: { queueTimeoutMs: { high: 5_000, normal: 5_000, low: 5_000 } },
  }).ready();
  const band = orchestra;
  const running = band.ask('[[slow:10]][[tokens:60]]x');
  await band.until(() => band.count('firstToken') === 1);
  const waiting = band.ask('y');
  for (const hours of [1, -1, 24, -24]) {
    jumpMs = hours * 3_600_000;
    const beats = band.count('workerVitals');
    await band.until(() => band.count('workerVitals') > beats + 4);
  }
  expect((await Promise.all([running, waiting])).map(({ error }) => error)).toEqual([
    undefined,
    undefined,
  ]);
  expect((await band.ask('third')).error).toBeUndefined();
  const { error } = await band.ask('fourth');
  expect(error?.code).toBe('rate_limited');
  jumpMs = 7_200_000;
  const still = await band.ask('fifth');
  const { retryAfterMs } = still.error!.toJSON() as { retryAfterMs: number };
  expect(retryAfterMs).toBeGreaterThan(50_000);
  expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  expect(band.pids).toHaveLength(1);
});
