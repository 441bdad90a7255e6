/**
 * The contract with node-llama-cpp's internals: fails on an upgrade that changes what `addon.ts`
 * uses, so that the change is looked at before it reaches anybody.
 */
import { readFileSync } from 'node:fs';
import { getLlama, type Llama, type LlamaContext, type LlamaModel } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { AddonExecutor, addonMismatch } from '../../src/worker/backends/llama-cpp/addon.ts';
import { ensurePreset } from '../support/gguf-writer-presets.ts';
import { GREEDY } from '../support/greedy.ts';

const HISTORY = { lastTokens: () => [], generatedCounts: new Map<number, number>() };

describe('node-llama-cpp', () => {
  let llama: Llama;
  let model: LlamaModel;
  let context: LlamaContext;

  beforeAll(async () => {
    llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logger: () => {} });
    model = await llama.loadModel({ modelPath: await ensurePreset('tiny') });
    context = await model.createContext({ sequences: 3, contextSize: 128, threads: 1 });
  });
  afterAll(() => llama.dispose());

  test('is the version that the native loop was written for', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>;
    };
    expect(dependencies['node-llama-cpp']).toBe('3.21.1');
  });

  test('has every internal that the native loop uses', () => {
    expect(addonMismatch(llama, model, context)).toBeUndefined();
  });

  test('a missing internal is named', () => {
    const bare = { _ctx: { initBatch() {} } } as unknown as LlamaContext;
    expect(addonMismatch(llama, model, bare)).toContain('decodeBatch');
  });

  test('one step serves several sequences, and each gets what it gets alone', async () => {
    const executor = new AddonExecutor({
      llama,
      model,
      context,
      vocabulary: { endsOfGeneration: [], isEndOfGeneration: () => false },
    });
    const prompts = [
      [65, 66, 67],
      [70, 71],
      [80, 81, 82, 83],
    ];
    const item = (slot: number) => ({
      slot,
      position: 0,
      tokens: prompts[slot]!,
      sampler: executor.createSampler(GREEDY, HISTORY),
    });
    const together = await executor.step([item(0), item(1), item(2)]);
    for (const slot of [0, 1, 2]) {
      expect(await executor.truncate(slot, 0)).toBe(true);
      expect(await executor.step([item(slot)])).toEqual([together[slot]]);
    }
  });

  test('a truncated sequence goes on from where it was cut', async () => {
    const executor = new AddonExecutor({
      llama,
      model,
      context,
      vocabulary: { endsOfGeneration: [], isEndOfGeneration: () => false },
    });
    await executor.truncate(0, 0);
    const sampler = executor.createSampler(GREEDY, HISTORY);
    const [first] = await executor.step([{ slot: 0, position: 0, tokens: [65, 66, 67], sampler }]);
    await executor.step([{ slot: 0, position: 3, tokens: [90, 91] }]);
    expect(await executor.truncate(0, 2)).toBe(true);
    expect(await executor.step([{ slot: 0, position: 2, tokens: [67], sampler }])).toEqual([first]);
  });
});
