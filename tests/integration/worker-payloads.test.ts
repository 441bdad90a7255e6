/** Large prompts to a real worker process, by the arena and without it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { ChannelOptions } from '../../src/ipc/channel.ts';
import type { Fallback } from '../../src/ipc/outbox.ts';
import { ArenaFile } from '../support/arena-file.ts';
import { TestWorker } from './worker-process.ts';

const MIB = 1024 * 1024;
/** What the fake model leaves out of its answer: a command that it does not know. */
const filler = (bytes: number) => `[[${'x'.repeat(bytes)}]]`;

let parent: string;
let arenaFolder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'hearth-arena-'));
  arenaFolder = join(parent, 'arena');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

async function startLoaded(options: ChannelOptions = {}) {
  const worker = new TestWorker(undefined, options);
  await worker.load({}, { contextTokens: 32 * MIB });
  await worker.next('loaded');
  return worker;
}

describe('a prompt of 20 MB', () => {
  it('is answered the same by the arena and by the fallback', async () => {
    const prompt = `${filler(20_000_000)}nonce-4711`;
    const answers = [];
    for (const isUsable of [true, false]) {
      if (!isUsable) {
        rmSync(arenaFolder, { recursive: true });
        writeFileSync(arenaFolder, 'no folder');
      }
      const fallbacks: Fallback[] = [];
      await using worker = await startLoaded({
        arenaFolder,
        onFallback: (fallback) => fallbacks.push(fallback),
      });
      worker.generate(1, prompt);
      const { text, ids, end } = await worker.answer(1);
      answers.push({ text, ids, end });
      expect(fallbacks.map(({ reason }) => reason)).toEqual(isUsable ? [] : ['unavailable']);
    }
    expect(answers[0]).toMatchObject({ text: 'nonce-4711', end: { type: 'finished' } });
    expect(answers[1]).toEqual(answers[0]);
  });
});

/** A disk of 2 MiB, where the system lets us have one. */
function mountSmallDisk(): boolean {
  mkdirSync(arenaFolder, { mode: 0o700 });
  const options = ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'hearth-test', arenaFolder];
  return spawnSync('mount', options).status === 0;
}

describe('a full disk', () => {
  it('is got around, counted, and tried again', async (context) => {
    if (!mountSmallDisk()) return context.skip('a file system can be mounted by root only');
    try {
      const reasons: string[] = [];
      await using worker = await startLoaded({
        arenaFolder,
        onFallback: ({ reason }) => reasons.push(reason),
      });
      for (const [call, bytes] of [MIB, 5 * MIB, MIB, 5 * MIB].entries()) {
        worker.generate(call + 1, `${filler(bytes)}answer-${call}`);
        expect((await worker.answer(call + 1)).text).toBe(`answer-${call}`);
      }
      expect(reasons).toEqual(['disk_full', 'disk_full']);
    } finally {
      spawnSync('umount', ['--lazy', arenaFolder]);
    }
  });
});

describe.skipIf(process.platform !== 'linux')('damage (needs /proc, which only Linux has)', () => {
  it('fails the call that it meets, with a clear error, and no other', async () => {
    await using worker = await startLoaded({ arenaFolder });
    worker.generate(1, `${filler(5 * MIB)}one`);
    expect((await worker.answer(1)).text).toBe('one');
    using file = new ArenaFile('self');
    expect(file.generation()).toBe(0);
    // It stands still between the writing and the reading.
    worker.child.kill('SIGSTOP');
    worker.generate(2, `${filler(5 * MIB)}two`);
    worker.generate(3, `${filler(5 * MIB)}three`);
    worker.generate(4, 'four');
    while (file.generation() !== 2) await new Promise(setImmediate);
    file.flip({ at: 1_234_567, bit: 3 });
    worker.child.kill('SIGCONT');
    expect(await worker.answer(2)).toMatchObject({
      text: '',
      end: {
        type: 'failed',
        error: { code: 'payload_damaged', message: expect.stringContaining('checksum') },
      },
    });
    expect((await worker.answer(3)).text).toBe('three');
    expect((await worker.answer(4)).text).toBe('four');
    worker.generate(5, `${filler(5 * MIB)}five`);
    expect((await worker.answer(5)).text).toBe('five');
  });
});

describe('a cancel', () => {
  it('overtakes 60 MiB that go in parts', async () => {
    await using worker = await startLoaded();
    const socket = worker.child.stdio[3] as Socket;
    const before = socket.bytesWritten;
    worker.generate(1, filler(60 * MIB));
    worker.generate(2, 'meanwhile');
    expect((await worker.answer(2)).text).toBe('meanwhile');
    worker.channel.send({ type: 'cancel', call: 1 });
    expect((await worker.answer(1)).end).toMatchObject({ type: 'finished', reason: 'cancelled' });
    expect(socket.bytesWritten - before).toBeLessThan(60 * MIB);
    worker.generate(3, `${filler(MIB)}after`);
    expect((await worker.answer(3)).text).toBe('after');
  });

  it('ends a prompt that waits for its arena', async () => {
    await using worker = await startLoaded({ arenaFolder });
    worker.generate(1, `${filler(10 * MIB)}one`);
    worker.channel.send({ type: 'cancel', call: 1 });
    worker.generate(2, `${filler(10 * MIB)}two`);
    expect((await worker.answer(1)).end).toMatchObject({ reason: 'cancelled' });
    expect((await worker.answer(2)).text).toBe('two');
    expect(readdirSync(arenaFolder)).toEqual([]);
  });
});
