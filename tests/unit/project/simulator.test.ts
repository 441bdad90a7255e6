/** What the simulator says holds for the server only as long as it drives the server's own scheduler. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

import { type Arrival, type Served, simulate } from '../../../bench/lib/simulate.ts';

const bench = fileURLToPath(new URL('../../../bench/', import.meta.url));

describe('the simulator', () => {
  test('imports the production scheduler, and the benches have none of their own', () => {
    const simulator = readFileSync(`${bench}lib/simulate.ts`, 'utf8');
    expect(simulator).toContain("from '../../src/orchestrator/scheduling/scheduler.ts'");
    const own = readdirSync(bench, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .filter((path) =>
        /class \w*(Scheduler|Queue|Share)/.test(readFileSync(bench + path, 'utf8')),
      );
    expect(own).toEqual([]);
  });

  test('serves every arrival once, the high one first, and preempts for it', () => {
    const arrival = (atMs: number, priority: Arrival['priority']): Arrival => {
      return { atMs, priority, tenant: 't', promptTokens: 100, generatedTokens: 10 };
    };
    const served: Served[] = [];
    const { preemptions, endedMs } = simulate({
      arrivals: [arrival(0, 'low'), arrival(10, 'low'), arrival(50, 'high')],
      machine: { slots: 1, spare: 0, readTokensPerMs: 1, stepMs: 10, cancelMs: 5 },
      limits: {
        queueDepthMax: 10,
        queueDepthHighSpare: 0,
        queueTimeoutMs: { high: 1e6, normal: 1e6, low: 1e6 },
        weights: { high: 8, normal: 3, low: 1 },
        agedAfterMs: { high: 1e5, normal: 1e5, low: 1e5 },
      },
      onEnd: (one) => {
        served.push(one);
        return undefined;
      },
    });
    expect(served.map(({ key, end, endedMs: at }) => [key, end, at])).toEqual([
      [2, 'served', 255],
      [0, 'served', 455],
      [1, 'served', 655],
    ]);
    expect([preemptions, endedMs]).toEqual([1, 655]);
  });
});
