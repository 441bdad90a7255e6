import { describe, expect, test } from 'vitest';

import { nativeSeed, tokenBias } from '../../../../src/worker/backends/llama-cpp/penalties.ts';

const off = { frequencyPenalty: 0, presencePenalty: 0, logitBias: [] };

function biasOf(...args: Parameters<typeof tokenBias>) {
  const bias = tokenBias(...args);
  if (bias === undefined) return undefined;
  return Object.fromEntries([...bias.keys].map((key, index) => [key, bias.values[index]]));
}

describe('tokenBias', () => {
  test('nothing set changes nothing', () => {
    expect(biasOf(off, new Map([[5, 3]]), [])).toBeUndefined();
  });

  test('frequency counts, presence counts once', () => {
    const sampling = { ...off, frequencyPenalty: 0.5, presencePenalty: 0.25 };
    expect(
      biasOf(
        sampling,
        new Map([
          [5, 3],
          [6, 1],
        ]),
        [],
      ),
    ).toEqual({ 5: -1.75, 6: -0.75 });
  });

  test('a bias and a penalty on one token add up', () => {
    const sampling = { ...off, presencePenalty: 1, logitBias: [[5, 4]] as const };
    expect(biasOf(sampling, new Map([[5, 1]]), [])).toEqual({ 5: 3 });
  });

  test('-100 bans, as the API reference says', () => {
    const sampling = {
      ...off,
      logitBias: [
        [5, -100],
        [6, -99],
      ] as const,
    };
    expect(biasOf(sampling, new Map(), [])).toEqual({ 5: Number.NEGATIVE_INFINITY, 6: -99 });
  });

  test('a banned token stays banned whatever the request wants', () => {
    const sampling = { ...off, logitBias: [[2, 100]] as const };
    expect(biasOf(sampling, new Map(), [2])).toEqual({ 2: Number.NEGATIVE_INFINITY });
  });
});

test('the seed that llama.cpp reads as "random" is kept from it', () => {
  expect(nativeSeed(0xffff_ffff)).toBe(0xffff_fffe);
  expect(nativeSeed(7)).toBe(7);
});
