/**
 * Heartbeats both ways (rows SP-028 … SP-038): what was set arrives on every path on which a worker is started,
 * and a worker whose server stands still goes.
 */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';

import { HEARTBEAT_VARIABLE } from '../../src/ipc/heartbeat.ts';
import { spawnWorker, toHeartbeat } from '../../src/orchestrator/replica/worker-process.ts';
import { type HearthProcess, startHearth } from '../support/hearth-process.ts';
import { isAlive, Orchestra, type Setup } from '../support/orchestra.ts';

const SET = {
  heartbeatIntervalMs: 130,
  heartbeatMisses: 17,
  heartbeatDependent: true,
  silenceLimitMs: 12_345,
};
const ARRIVED = { intervalMs: 130, misses: 17, dependent: true, silenceLimitMs: 12_345 };

let band: Orchestra | undefined;
let server: HearthProcess | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
  expect((await band?.end()) ?? []).toEqual([]);
  band = undefined;
});

function make(setup: Setup = {}): Orchestra {
  band = new Orchestra({ ...setup, worker: { ...SET, ...setup.worker } });
  return band;
}

/** What the newest worker says it was told in `welcome`. */
function agreed(of: Orchestra): readonly unknown[] {
  return of.lines
    .filter(({ message }) => message === 'heartbeats agreed on')
    .map(({ fields: { intervalMs, misses, dependent, silenceLimitMs } }) => ({
      intervalMs,
      misses,
      dependent,
      silenceLimitMs,
    }));
}

function environmentOf(pid: number): ReadonlyMap<string, string> {
  const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  return new Map(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
}

describe.skipIf(process.platform !== 'linux')('settings arrive (row SP-037)', () => {
  function expectArrived(of: Orchestra, starts: number): void {
    expect(agreed(of)).toEqual(Array.from({ length: starts }, () => ARRIVED));
    const pid = of.pids.at(-1)!;
    expect(JSON.parse(environmentOf(pid).get(HEARTBEAT_VARIABLE)!)).toEqual(ARRIVED);
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('\0--heartbeat-dependent\0');
  }

  test('on the first start', async () => {
    expectArrived(await make().ready(), 1);
  });

  test('with a worker that was spawned before the orchestrator', async () => {
    const process = spawnWorker({
      model: 'a',
      backend: 'fake',
      number: 1,
      runId: 'early',
      environment: {},
      heartbeat: toHeartbeat(SET),
    });
    expectArrived(await make({ prespawned: new Map([['a', process]]) }).ready(), 1);
  });

  test('on a restart', async () => {
    const one = await make().ready();
    process.kill(one.pids[0]!, 'SIGKILL');
    await one.until(() => agreed(one).length === 2);
    expectArrived(one, 2);
  });

  test('on a recycling', async () => {
    const one = await make().ready();
    await one.orchestrator.recycle('a');
    expectArrived(one, 2);
  });

  test('in each replica', async () => {
    const one = make({ replicas: 2 });
    await one.orchestrator.start();
    await one.until(() => agreed(one).length === 2);
    expectArrived(one, 2);
  });

  test('on demand', async () => {
    const one = make({ preload: false });
    await one.orchestrator.start();
    await one.ask('hello');
    expectArrived(one, 1);
  });

  test('for one that does not depend on its server', async () => {
    const one = await make({ worker: { heartbeatDependent: false } }).ready();
    expect(agreed(one)).toEqual([{ ...ARRIVED, dependent: false }]);
    const line = readFileSync(`/proc/${one.pids[0]}/cmdline`, 'utf8');
    expect(line).toContain('\0--heartbeat-independent\0');
  });
});

describe.skipIf(process.platform !== 'linux')('silence', () => {
  test('of a worker that is not dependent is warned of, once, and it goes on (row SP-033)', async () => {
    const settings = { heartbeatDependent: false, heartbeatIntervalMs: 50, heartbeatMisses: 2 };
    const one = await make({ worker: settings }).ready();
    const [pid] = one.pids;
    process.kill(pid!, 'SIGSTOP');
    await one.until(() => one.lines.some(({ message }) => message === 'a worker is silent'));
    process.kill(pid!, 'SIGCONT');
    expect((await one.ask('hello')).text).toBe('hello');
    expect(one.pids).toEqual([pid]);
    expect(one.lines.filter(({ message }) => message === 'a worker is silent')).toHaveLength(1);
  });

  test('of the server, with its channel open, ends a worker; the next one serves (row SP-038)', async () => {
    server = await startHearth({
      model: {},
      env: {
        HEARTH_WORKER_HEARTBEAT_INTERVAL_MS: '50',
        HEARTH_WORKER_SILENCE_LIMIT_S: '0.5',
      },
    });
    await server.modelSettled;
    const [first] = await workersOf(server);
    server.child.kill('SIGSTOP');
    while (isAlive(first!)) await new Promise((resolve) => setTimeout(resolve, 10));
    server.child.kill('SIGCONT');
    const response = await fetch(`http://127.0.0.1:${server.port}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'test-model', prompt: 'back', max_tokens: 4 }),
    });
    expect(response.status).toBe(200);
    const [second] = await workersOf(server);
    expect(second).not.toBe(first);
  });
});

async function workersOf({ adminPort }: HearthProcess): Promise<readonly number[]> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/admin/workers`);
  const { workers } = (await response.json()) as { workers: readonly { pid: number }[] };
  return workers.map(({ pid }) => pid);
}
