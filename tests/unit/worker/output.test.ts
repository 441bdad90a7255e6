import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { GATHER_MS, Output } from '../../../src/worker/output.ts';

type Step = { readonly sequences: readonly object[] };

describe('Output', () => {
  const frames: (readonly object[])[] = [];
  let output: Output;

  beforeEach(() => {
    vi.useFakeTimers();
    frames.length = 0;
    output = new Output(({ sequences }: Step) => frames.push(sequences));
  });
  afterEach(() => vi.useRealTimers());

  it('sends the first token of a call at once and gathers the later ones', () => {
    output.tokens([{ call: 1, ids: [10], text: 'a' }]);
    expect(frames).toEqual([[{ call: 1, ids: [10], text: 'a' }]]);
    output.tokens([{ call: 1, ids: [11], text: 'b' }]);
    output.tokens([{ call: 1, ids: [12], text: '' }]);
    vi.advanceTimersByTime(GATHER_MS - 1);
    expect(frames).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(frames[1]).toEqual([{ call: 1, ids: [11, 12], text: 'b' }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets what is gathered leave with the first token of another call', () => {
    output.tokens([{ call: 1, ids: [10], text: 'a' }]);
    output.tokens([{ call: 1, ids: [11], text: 'b' }]);
    output.tokens([
      { call: 1, ids: [12], text: 'c' },
      { call: 2, ids: [20], text: 'x' },
    ]);
    expect(frames[1]).toEqual([
      { call: 1, ids: [11, 12], text: 'bc' },
      { call: 2, ids: [20], text: 'x' },
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends what is gathered before the end of its call, in one frame for all', () => {
    output.tokens([
      { call: 1, ids: [10], text: 'a' },
      { call: 2, ids: [20], text: 'x' },
    ]);
    output.tokens([
      { call: 1, ids: [11], text: 'b' },
      { call: 2, ids: [21], text: 'y' },
    ]);
    output.end(2);
    expect(frames[1]).toEqual([
      { call: 1, ids: [11], text: 'b' },
      { call: 2, ids: [21], text: 'y' },
    ]);
    output.end(1);
    expect(frames).toHaveLength(2);
  });

  it('sends text that was held back to the end, and nothing for nothing', () => {
    output.tokens([{ call: 1, ids: [], text: '' }]);
    expect(frames).toHaveLength(0);
    output.tokens([{ call: 1, ids: [10], text: '' }]);
    output.tokens([{ call: 1, ids: [], text: 'held' }]);
    output.end(1);
    expect(frames).toEqual([
      [{ call: 1, ids: [10], text: '' }],
      [{ call: 1, ids: [], text: 'held' }],
    ]);
  });

  it('does not change what the backend handed over', () => {
    const ids = Object.freeze([1]);
    output.tokens([{ call: 1, ids, text: 'a' }]);
    output.tokens([{ call: 1, ids, text: 'b' }]);
    output.tokens([{ call: 1, ids, text: 'c' }]);
    output.flush();
    expect(frames[1]).toEqual([{ call: 1, ids: [1, 1], text: 'bc' }]);
  });
});
