/**
 * No worker outlives its server, no innocent process is ever signalled, one server for each state folder.
 * Rows MX-031 … MX-035; faults 4, 15, 16, 17, 18 of the fault table.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Log, silentLog } from '../../src/core/log.ts';
import { OwnerLock } from '../../src/orchestrator/registry/owner-lock.ts';
import { processFacts } from '../../src/orchestrator/registry/processes.ts';
import { Registry } from '../../src/orchestrator/registry/registry.ts';
import {
  readRegistry,
  registryPath,
  type WorkerEntry,
  writeRegistry,
} from '../../src/orchestrator/registry/registry-file.ts';
import { spawnRegistered } from '../../src/orchestrator/registry/spawn-registered.ts';
import { CliHome } from '../support/cli.ts';
import { HEARTBEAT } from '../support/heartbeat.ts';
import { type HearthProcess, startHearth } from '../support/hearth-process.ts';
import { isAlive } from '../support/orchestra.ts';
import { Stranger } from '../support/stranger.ts';

let stateDir = '';
const children: ChildProcess[] = [];

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'hearth-registry-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  chmodSync(stateDir, 0o700);
  rmSync(stateDir, { recursive: true, force: true });
});

function open(log: Log = silentLog, more: { killAfterMs?: number } = {}): Registry {
  return Registry.open({ stateDir, token: 'ours', log, wallMs: () => 1_000, ...more });
}

async function stranger(argument: string, isDeaf = false): Promise<Stranger> {
  const started = await Stranger.start(argument, { isDeaf });
  children.push(started.child);
  return started;
}

function filed(): readonly WorkerEntry[] {
  const read = readRegistry(stateDir);
  if (read.kind !== 'good') throw new Error(`the registry is ${read.kind}`);
  return read.entries;
}

describe('a worker', () => {
  test('is written down before it is there, then with pid and start time, and struck out at its end', async () => {
    using registry = open();
    const runId = 'run-of-the-test';
    const spec = {
      model: 'a/b',
      backend: 'fake',
      number: 3,
      runId,
      heartbeat: HEARTBEAT,
      environment: {},
    };
    registry.starting(spec);
    const noted = { id: 'a/b-3', model: 'a/b', runId, owner: 'ours', spawnedMs: 1_000 };
    expect(filed()).toEqual([noted]);
    const worker = spawnRegistered({ ...spec, environment: { PATH: process.env.PATH! } }, registry);
    const { startTime } = processFacts(worker.pid!)!;
    expect(filed()).toEqual([{ ...noted, pid: worker.pid, startTime }]);
    worker.kill();
    await worker.exited;
    expect(filed()).toEqual([]);
  });

  test('that could not be started leaves no entry', async () => {
    using registry = open();
    const spec = {
      model: 'm',
      backend: 'fake',
      number: 1,
      runId: 'no-such-run',
      heartbeat: HEARTBEAT,
      environment: {},
    };
    const entry = '/nowhere/worker.js';
    const worker = spawnRegistered({ ...spec, entry }, registry);
    await worker.exited;
    expect(filed()).toEqual([]);
  });
});

describe('what an earlier server left behind', () => {
  test('is ended with its group, when pid, start time and run id are those of the entry', async () => {
    const child = await stranger('--run-id=run-one-1');
    const deaf = await stranger('--run-id=run-two-2', true);
    writeRegistry(stateDir, [child.entry('run-one-1'), deaf.entry('run-two-2')]);
    using registry = open(silentLog, { killAfterMs: 200 });
    const exits = [child.exited, deaf.exited];
    expect(await registry.sweep()).toBe(2);
    expect((await Promise.all(exits)).map(([, signal]) => signal)).toEqual(['SIGTERM', 'SIGKILL']);
    expect(filed()).toEqual([]);
  });

  test('is found by its run id where its server died before it knew the pid', async () => {
    const child = await stranger('--run-id=run-one-1');
    const { pid: _pid, startTime: _startTime, ...noted } = child.entry('run-one-1');
    writeRegistry(stateDir, [noted]);
    using registry = open();
    expect(await registry.sweep()).toBe(1);
    await child.exited;
  });

  test.each([
    ['another start time', '--run-id=run-one-1', { startTime: 'boot 1' }],
    ['another run id', '--run-id=run-one-12', {}],
    ['the run id as part of something', 'x--run-id=run-one-1', {}],
    ['no start time', '--run-id=run-one-1', { startTime: undefined }],
  ])('is left alone with %s, and struck out', async (_what, argument, more) => {
    const child = await stranger(argument);
    writeRegistry(stateDir, [child.entry('run-one-1', more)]);
    using registry = open();
    expect(await registry.sweep()).toBe(0);
    expect(isAlive(child.pid)).toBe(true);
    expect(filed()).toEqual([]);
  });

  test('may be two thousand rows of processes that are long gone', async () => {
    const child = await stranger('--run-id=run-one-1');
    const stale = Array.from({ length: 2_000 }, (_, index) =>
      child.entry(`stale-run-${index}`, { pid: 2 ** 22 + index, startTime: `boot ${index}` }),
    );
    writeRegistry(stateDir, [...stale, child.entry('run-one-1')]);
    using registry = open();
    expect(await registry.sweep()).toBe(1);
    await child.exited;
    expect(filed()).toEqual([]);
  });
});

describe('a registry that cannot be trusted', () => {
  test('is set aside, nothing is ended because of it, and a new one is begun', async () => {
    const child = await stranger('--run-id=run-one-1');
    writeRegistry(stateDir, [child.entry('run-one-1')]);
    const text = readFileSync(registryPath(stateDir), 'utf8');
    writeFileSync(registryPath(stateDir), text.slice(0, -10));
    const warnings: string[] = [];
    using registry = open({ ...silentLog, warn: (_fields, message) => warnings.push(message) });
    expect(await registry.sweep()).toBe(0);
    expect(isAlive(child.pid)).toBe(true);
    expect(warnings).toEqual(['the registry of workers is damaged and was set aside']);
    expect(readdirSync(stateDir)).toContain('workers.json.1970-01-01T00-00-01-000Z');
  });

  test('cannot be written: said once, tried again, and right when it can be', async () => {
    const said: string[] = [];
    const note = (_fields: object, message: string) => said.push(message);
    using registry = open({ ...silentLog, error: note, info: note });
    // What a full disk does to the new file, a folder of its name does too.
    mkdirSync(join(stateDir, 'workers.json.new'));
    const environment = { PATH: process.env.PATH! };
    const spec = {
      model: 'm',
      backend: 'fake',
      number: 1,
      runId: 'run-one-1',
      environment,
      heartbeat: HEARTBEAT,
    };
    const worker = spawnRegistered(spec, registry);
    expect(said).toEqual(['cannot write the registry of workers']);
    expect(readRegistry(stateDir).kind).toBe('absent');
    rmdirSync(join(stateDir, 'workers.json.new'));
    registry.look();
    expect(said.at(-1)).toBe('the registry of workers is written again');
    expect(filed().map(({ pid }) => pid)).toEqual([worker.pid]);
    worker.kill();
    await worker.exited;
  });
});

describe('the owner of a state folder', () => {
  test('is one', () => {
    {
      using _first = OwnerLock.take(stateDir, 'one');
      expect(() => OwnerLock.take(stateDir, 'two')).toThrow(
        `a Hearth server (pid ${process.pid}) uses the state folder ${stateDir}`,
      );
      expect(OwnerLock.holder(stateDir)).toMatchObject({ pid: process.pid, token: 'one' });
    }
    using _second = OwnerLock.take(stateDir, 'two');
    // Without a journal: it would have to be written, which a full disk refuses.
    expect(readdirSync(stateDir).toSorted()).toEqual(['owner.json', 'owner.lock']);
    expect(OwnerLock.holder(stateDir)?.token).toBe('two');
  });

  /** Each says when it has the folder and when it lets it go; between the two nobody else may. */
  test('is one of many processes that want to be it at once', async () => {
    const log = join(stateDir, 'log');
    const program = `
      import { appendFileSync } from 'node:fs';
      import { OwnerLock } from ${JSON.stringify(new URL('../../src/orchestrator/registry/owner-lock.ts', import.meta.url).href)};
      let held = 0;
      for (let i = 0; held < 20 && i < 100_000; i++) {
        try {
          using lock = OwnerLock.take(${JSON.stringify(stateDir)}, String(process.pid));
          appendFileSync(${JSON.stringify(log)}, 'in ' + process.pid + '\\n');
          appendFileSync(${JSON.stringify(log)}, 'out ' + process.pid + '\\n');
          held++;
        } catch (error) {
          if (error.isTaken !== true) throw error;
        }
      }
      if (held < 20) throw new Error('starved after ' + held);`;
    const racers = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' }),
    );
    children.push(...racers);
    const ends = await Promise.all(racers.map((racer) => once(racer, 'exit')));
    expect(ends.map(([code]) => code)).toEqual([0, 0, 0, 0]);
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(160);
    for (let i = 0; i < lines.length; i += 2) {
      expect(lines[i + 1]).toBe(lines[i]!.replace('in', 'out'));
    }
  });
});

describe('a server', () => {
  const running: HearthProcess[] = [];
  afterEach(async () => {
    for (const server of running.splice(0)) {
      server.child.kill('SIGCONT');
      await server.stop();
    }
  });

  async function serve(): Promise<HearthProcess> {
    const server = await startHearth({ model: {}, args: ['--state-dir', stateDir] });
    running.push(server);
    expect((await server.modelSettled).event).toBe('ready');
    return server;
  }

  async function second(home: CliHome) {
    const ports = ['--port', '0', '--admin-port', '0', '--state-dir', stateDir];
    return home.run(['serve', ...ports, '--model', `m=${home.fakeModel()}`]);
  }

  test('refuses a second one with its pid, also while it stands still, and is not disturbed', async () => {
    using home = new CliHome();
    const server = await serve();
    const { code, stderr } = await second(home);
    expect(code).toBe(1);
    const { pid } = OwnerLock.holder(stateDir)!;
    expect(stderr).toContain(`a Hearth server (pid ${pid}) uses the state folder ${stateDir}`);
    process.kill(pid, 'SIGSTOP');
    expect((await second(home)).code).toBe(1);
    process.kill(pid, 'SIGCONT');
    expect((await fetch(`http://127.0.0.1:${server.port}/ready`)).status).toBe(200);
  });

  test('that was killed leaves no worker, and the next one starts at once in the same folder', async () => {
    const server = await serve();
    const [worker] = filed();
    expect(isAlive(worker!.pid!)).toBe(true);
    const { pid } = OwnerLock.holder(stateDir)!;
    process.kill(pid, 'SIGKILL');
    await once(server.child, 'exit');
    const next = await serve();
    expect((await fetch(`http://127.0.0.1:${next.port}/ready`)).status).toBe(200);
    expect(isAlive(worker!.pid!)).toBe(false);
    expect(filed().map(({ owner }) => owner)).toEqual([OwnerLock.holder(stateDir)!.token]);
  });

  test('is shown by `hearth ps` with its workers, and as gone when it is', async () => {
    using home = new CliHome();
    const ps = async (...flags: string[]) =>
      (await home.run(['ps', '--state-dir', stateDir, ...flags])).stdout;
    expect(await ps()).toBe('no server runs, no workers\n');
    const server = await serve();
    const { pid } = OwnerLock.holder(stateDir)!;
    const [worker] = filed();
    expect(JSON.parse(await ps('--json'))).toMatchObject({
      server: pid,
      workers: [{ id: 'test-model-1', pid: worker!.pid, state: 'running' }],
    });
    expect(await ps()).toMatch(/^test-model-1 +test-model +\d+ +running +\d+ s +\d+ MB$/m);
    process.kill(pid, 'SIGKILL');
    await once(server.child, 'exit');
    running.length = 0;
    expect(await ps()).toContain('no server runs');
    const doctor = await home.run(['doctor', '--state-dir', stateDir]);
    expect(doctor.stdout).toMatch(
      /^ok +workers +(none left behind|1 of an earlier server ended)$/m,
    );
    expect(await ps()).toBe('no server runs, no workers\n');
  });

  test('that ends in good order leaves an empty registry', async () => {
    const server = await serve();
    expect(await server.stop()).toBe(0);
    running.length = 0;
    expect(filed()).toEqual([]);
    expect(OwnerLock.holder(stateDir)).toBeUndefined();
  });
});
