/** A real worker process with the fake backend, driven over its channel. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { INITIAL_CREDIT_TOKENS, VERSION } from '../../src/ipc/protocol.ts';
import { generateMessage } from '../unit/worker/generate-message.ts';
import { TestWorker } from './worker-process.ts';

const { sampling } = generateMessage(1, '');

async function startLoaded(
  script: object = {},
  options?: { slots?: number; contextTokens?: number },
) {
  const worker = new TestWorker();
  await worker.load(script, options);
  await worker.next('loaded');
  return worker;
}

describe('a worker process', () => {
  it('says hello, loads with progress, answers, drains and exits with 0', async () => {
    await using worker = new TestWorker();
    expect(await worker.next('hello')).toMatchObject({
      version: VERSION,
      runId: 'r-1',
      backend: 'fake',
      pid: worker.child.pid,
    });
    await worker.load();
    expect(await worker.next('load_progress', ({ fraction }) => fraction === 1)).toBeDefined();
    expect(await worker.next('loaded')).toMatchObject({ slots: 4, contextTokens: 4096 });
    worker.generate(1, 'hello nonce-4711');
    const { text, end } = await worker.answer(1);
    expect(text).toBe('hello nonce-4711');
    expect(end).toMatchObject({ type: 'finished', reason: 'stop' });
    worker.channel.send({ type: 'drain' });
    await worker.next('drained');
    worker.channel.send({ type: 'shutdown' });
    expect(await worker.exited).toBe('code 0');
    expect(await worker.closed).toBeUndefined();
  });

  it('holds its channel close-on-exec, so that no grandchild keeps it open', async (context) => {
    if (process.platform !== 'linux') context.skip('reads /proc, which only Linux has');
    await using worker = new TestWorker();
    await worker.next('hello');
    const info = readFileSync(`/proc/${worker.child.pid}/fdinfo/3`, 'utf8');
    const flags = Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? '', 8);
    expect(flags & 0o2000000).toBe(0o2000000);
  });

  it('runs calls side by side and keeps their answers apart', async () => {
    await using worker = await startLoaded({ tokensPerSecond: 2000 }, { slots: 4 });
    const calls = [1, 2, 3, 4, 5, 6];
    for (const call of calls) worker.generate(call, `only-${call}-ä字😀 [[tokens:40]]`);
    const answers = await Promise.all(calls.map((call) => worker.answer(call)));
    for (const [index, { text, ids }] of answers.entries()) {
      expect(ids).toHaveLength(40);
      const words = text.split(' ').filter((word) => word !== '');
      const own = `only-${calls[index]}-ä字😀`;
      // The last word may be cut by the limit.
      expect(words.slice(0, -1).every((word) => word === own)).toBe(true);
    }
    const both = worker.messages.some((m) => m.type === 'step' && m.sequences.length > 1);
    expect(both).toBe(true);
  });

  it('sends the first token at once and gathers later ones', async () => {
    await using worker = await startLoaded();
    worker.generate(1, 'x [[tokens:200]]');
    const { ids, frames } = await worker.answer(1);
    expect(ids).toHaveLength(200);
    expect(frames).toBeLessThan(100);
    const first = worker.messages.find((m) => m.type === 'step');
    expect(first).toMatchObject({ sequences: [{ call: 1, ids: [expect.any(Number)] }] });
  });

  it('stops at limits and stop strings, and counts what it made', async () => {
    await using worker = await startLoaded({ vocabulary: 'bytes' }, { contextTokens: 64 });
    worker.generate(1, 'one two three', { stops: ['o t'] });
    expect(await worker.answer(1)).toMatchObject({
      text: 'one tw',
      end: { reason: 'stop', stop: 'o t', generatedTokens: 9 },
    });
    worker.generate(2, 'abcdef', { maxTokens: 3 });
    expect(await worker.answer(2)).toMatchObject({ text: 'abc', end: { reason: 'length' } });
    worker.generate(3, 'abcdef', { sampling: { ...sampling, ignoreEos: true } });
    expect((await worker.answer(3)).end).toMatchObject({
      reason: 'length',
      promptTokens: 9,
      generatedTokens: 64 - 9,
    });
    worker.generate(4, 'abc', { maxTokens: 0, echo: true });
    expect(await worker.answer(4)).toMatchObject({ frames: 0, end: { generatedTokens: 0 } });
    expect(await worker.next('accepted', ({ call }) => call === 4)).toMatchObject({
      promptText: '<|user|>abc<|end|><|assistant|>',
    });
  });

  it('refuses a prompt that does not fit, naming both numbers', async () => {
    await using worker = await startLoaded({ vocabulary: 'bytes' }, { contextTokens: 32 });
    worker.generate(1, 'x'.repeat(40));
    const { end } = await worker.answer(1);
    expect(end).toMatchObject({
      type: 'failed',
      error: { code: 'context_length_exceeded', param: 'messages' },
    });
    expect(end.type === 'failed' && end.error.message).toMatch(/\b43\b.*\b32\b/);
  });

  it('reports cached tokens of an earlier turn', async () => {
    await using worker = await startLoaded({ vocabulary: 'bytes' });
    worker.generate(1, 'shared', { prompt: { text: 'shared prefix, first' } });
    await worker.answer(1);
    worker.generate(2, 'shared', { prompt: { text: 'shared prefix, second' } });
    expect((await worker.answer(2)).end).toMatchObject({ cachedTokens: 'shared prefix, '.length });
  });

  it('pauses without credit and goes on with it', async () => {
    await using worker = await startLoaded();
    worker.generate(1, `x [[tokens:${INITIAL_CREDIT_TOKENS}]]`, { creditTokens: 10 });
    worker.generate(2, 'other');
    const counted = () =>
      worker.messages.reduce((sum, message) => {
        if (message.type !== 'step') return sum;
        const own = message.sequences.filter(({ call }) => call === 1);
        return sum + own.reduce((ids, sequence) => ids + sequence.ids.length, 0);
      }, 0);
    await worker.answer(2);
    await worker.next('step', () => counted() >= 10);
    const beats = worker.messages.filter(({ type }) => type === 'heartbeat').length;
    await worker.next(
      'heartbeat',
      () => worker.messages.filter(({ type }) => type === 'heartbeat').length > beats + 2,
    );
    expect(counted()).toBe(10);
    worker.channel.send({ type: 'credit', call: 1, tokens: 1000 });
    expect((await worker.answer(1)).ids).toHaveLength(INITIAL_CREDIT_TOKENS);
  });

  it.each([
    ['decode', 'x [[slow:5]][[tokens:100000]]'],
    ['prefill', 'x [[prefill:100000]]'],
    ['the queue', 'x'],
  ])('cancels a call in %s', async (where, text) => {
    await using worker = await startLoaded({}, { slots: 1 });
    if (where === 'the queue') worker.generate(9, '[[slow:5]][[tokens:100000]]');
    worker.generate(1, text);
    if (where === 'decode') await worker.next('step');
    if (where === 'prefill') await worker.next('accepted');
    worker.channel.send({ type: 'cancel', call: 1 });
    expect((await worker.answer(1)).end).toMatchObject({ reason: 'cancelled' });
    worker.channel.send({ type: 'cancel', call: 9 });
    worker.generate(2, 'next');
    expect((await worker.answer(2)).text).toBe('next');
  });

  it('gives the same for the same seed and something else for another', async () => {
    await using worker = await startLoaded();
    const warm = (seed: number) => ({ sampling: { ...sampling, temperature: 1, seed } });
    worker.generate(1, 'x', warm(1));
    worker.generate(2, 'x', warm(1));
    worker.generate(3, 'x', warm(2));
    const [a, b, c] = await Promise.all([1, 2, 3].map((call) => worker.answer(call)));
    expect(a?.text).toBe(b?.text);
    expect(a?.text).not.toBe(c?.text);
  });

  it('says why a model cannot be loaded and stays to be told to end', async () => {
    await using worker = new TestWorker();
    await worker.load({ failLoad: 'tensor data is missing' });
    expect(await worker.next('load_failed')).toMatchObject({
      reason: 'tensor data is missing',
      log: 'fake: tensor data is missing\n',
    });
    worker.channel.send({ type: 'shutdown' });
    expect(await worker.exited).toBe('code 0');
  });

  it('names the field of a script that is wrong', async () => {
    await using worker = new TestWorker();
    await worker.load({ tokenPerSecond: 1 });
    expect((await worker.next('load_failed')).reason).toContain('tokenPerSecond');
  });

  it('keeps serving around a call that fails', async () => {
    await using worker = await startLoaded({ chat: false });
    worker.generate(1, 'x');
    expect((await worker.answer(1)).end).toMatchObject({
      type: 'failed',
      error: { code: 'invalid_value' },
    });
    worker.generate(2, '', { prompt: { text: 'plain' } });
    expect((await worker.answer(2)).text).toBe('plain');
  });
});
