/** What is left of shared memory when a server or a worker is killed at the worst moment: nothing. */
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';

import { arenaFolders } from '../../src/cli/arena-folders.ts';
import { World } from '../chaos/world.ts';

const large = { commands: `[[${'x'.repeat(5_000_000)}]]` };
const args = ['--context-tokens', '8000000'];

async function start(): Promise<World> {
  const world = new World(Math.random);
  onTestFinished(async () => {
    await world.end();
  });
  await world.start(args);
  return world;
}

/** A large request is under way, and its arena has a name: its worker stands still and does not open it. */
async function atTheWorstMoment() {
  const world = await start();
  const [folder] = arenaFolders(world.stateDir, process.env);
  const [pid] = world.workerPids();
  process.kill(pid!, 'SIGSTOP');
  const asked = world.ask(40, large);
  await world.until(() => existsSync(folder) && readdirSync(folder).length === 1);
  return { world, folder, pid: pid!, asked };
}

// The world finds its processes in /proc.
describe.skipIf(process.platform !== 'linux')('shared memory', () => {
  test('of a server that was killed is swept by the next one', async () => {
    const { world, folder, pid, asked } = await atTheWorstMoment();
    await world.killServer();
    expect((await asked).end).toBe('failed');
    expect(readdirSync(folder)).toHaveLength(1);
    process.kill(pid, 'SIGCONT');
    await world.start(args);
    expect(existsSync(folder)).toBe(false);
    expect((await world.ask(40, large)).end).toBe('answered');
    expect(readdirSync(folder)).toEqual([]);
    expect(await world.end()).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  test('of a worker that was killed goes with it, and its request to the next one', async () => {
    const { world, folder, pid, asked } = await atTheWorstMoment();
    process.kill(pid, 'SIGKILL');
    expect((await asked).end).toBe('answered');
    expect(readdirSync(folder)).toEqual([]);
    expect(await world.end()).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  test('that is gone with its server after it was opened has left nothing', async () => {
    const world = await start();
    const [folder] = arenaFolders(world.stateDir, process.env);
    expect((await world.ask(40, large)).end).toBe('answered');
    await world.killServer();
    expect(readdirSync(folder)).toEqual([]);
    await world.start();
    expect(await world.end()).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });
});
