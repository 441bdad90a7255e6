/** Broken model files: the worker says why it cannot load them, or dies alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

import { EMBER_FILE } from '../../src/models/ember.ts';
import { CORRUPTIONS, type CorruptionName, writeCorruptGguf } from '../support/corrupt-gguf.ts';
import { WorkerClient } from '../support/worker-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'hearth-corrupt-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.skipIf(process.platform !== 'linux')(
  'the library is opened without a trial of its binary in a process of its own',
  async () => {
    const worker = WorkerClient.spawn('llama-cpp');
    const { loadMs } = await worker.load({ path: EMBER_FILE, slots: 1 });
    expect(Object.keys(loadMs)).toContain('library');
    await worker.stop();
  },
);

describe('llama-cpp refuses', () => {
  test.each(Object.keys(CORRUPTIONS) as CorruptionName[])('%s', async (name) => {
    const path = await writeCorruptGguf(folder, name);
    const worker = WorkerClient.spawn('llama-cpp');
    // Some files make the native code abort: then the process is gone, and nothing else.
    await expect(worker.load({ path, slots: 1 })).rejects.toThrow(
      /could not load .*:|worker exited with SIG/,
    );
    await worker.stop();
  });

  test('a file that is not there, by its path', async () => {
    const worker = WorkerClient.spawn('llama-cpp');
    await expect(worker.load({ path: join(folder, 'absent.gguf') })).rejects.toThrow('absent.gguf');
    await worker.stop();
  });

  test('an option it does not know', async () => {
    const worker = WorkerClient.spawn('llama-cpp');
    const path = join(folder, 'absent.gguf');
    await expect(worker.load({ path, options: { fast: 'yes' } })).rejects.toThrow('"fast"');
    await worker.stop();
  });
});
