import { describe, expect, test } from 'vitest';

import {
  chooseVariant,
  findQuant,
  findVariants,
  nearQuant,
  neededBytes,
} from '../../../../src/models/pull/quantisation.ts';

const GB = 1e9;
const files = (...names: readonly (readonly [string, number])[]) =>
  names.map(([path, bytes]) => ({ path, bytes }));
const named = (...quants: readonly (readonly [string, number])[]) =>
  findVariants(files(...quants.map(([quant, gb]) => [`m-${quant}.gguf`, gb * GB] as const)));
const room = (gb: number) => ({ bytes: gb * GB, contextTokens: 8192 });

test.each([
  ['Model-7B.Q4_K_M.gguf', 'Q4_K_M', 'model-7b'],
  ['model-q8_0.gguf', 'Q8_0', 'model'],
  ['model-IQ4_XS.gguf', 'IQ4_XS', 'model'],
  ['model-IQ3_XXS.gguf', 'IQ3_XXS', 'model'],
  ['model-IQ4_NL.gguf', 'IQ4_NL', 'model'],
  ['model-fp16.gguf', 'F16', 'model'],
  ['model_BF16.gguf', 'BF16', 'model'],
  ['gpt-oss-20b-mxfp4.gguf', 'MXFP4', 'gpt-oss-20b'],
  ['m-UD-Q4_K_XL.gguf', 'UD-Q4_K_XL', 'm'],
  ['m-Q4_0_4_4.gguf', 'Q4_0_4_4', 'm'],
  ['m-TQ1_0.gguf', 'TQ1_0', 'm'],
  ['m-Q6_K.gguf', 'Q6_K', 'm'],
  ['m-Q2_K_L.gguf', 'Q2_K_L', 'm'],
  ['Q5_K_S.gguf', 'Q5_K_S', ''],
  ['SmartQ4_K_Mix.gguf', undefined, 'smartq4_k_mix'],
  ['model.gguf', undefined, 'model'],
])('%s is %s of %s', (path, quant, stem) => {
  expect(findVariants(files([path, 1]))).toMatchObject([{ quant, stem }]);
});

test('split files are one variant, in order; projectors and matrices are none', () => {
  const variants = findVariants(
    files(
      ['Q8_0/m-Q8_0-00002-of-00002.gguf', 2],
      ['Q8_0/m-Q8_0-00001-of-00002.gguf', 1],
      ['m-Q4_K_M-00001-of-00003.gguf', 1],
      ['mmproj-m-Q8_0.gguf', 5],
      ['m.mmproj-f16.gguf', 5],
      ['imatrix.gguf', 5],
    ),
  );
  expect(
    variants.map(({ quant, files, bytes, isIncomplete }) => [
      quant,
      files.length,
      bytes,
      isIncomplete,
    ]),
  ).toEqual([
    ['Q4_K_M', 1, 1, true],
    ['Q8_0', 2, 3, false],
  ]);
  expect(variants[1]!.files[0]!.path).toContain('00001');
});

describe('the choice by memory', () => {
  const usual = named(['Q2_K', 1.5], ['Q3_K_M', 2], ['Q4_K_M', 2.5], ['Q6_K', 3.4], ['Q8_0', 4.3]);
  test.each([
    [64, 'Q4_K_M'],
    [4.2, 'Q4_K_M'],
    [3.6, 'Q3_K_M'],
    [3.1, 'Q2_K'],
  ])('with %d GB free it is %s', (gb, quant) => {
    expect(chooseVariant(usual, room(gb))).toMatchObject({ variant: { quant } });
  });

  test('none fits, or nothing is known', () => {
    expect(chooseVariant(usual, room(1))).toEqual({ refused: 'too_large' });
    expect(chooseVariant(usual, undefined)).toEqual({ refused: 'unknown' });
    expect(chooseVariant(named(['a', 1], ['b', 2]), room(64))).toEqual({ refused: 'unknown' });
  });

  test('of a tiny model the finer one; the only one whatever its name', () => {
    const tiny = named(['Q4_K_M', 0.1], ['Q8_0', 0.15], ['F16', 0.3]);
    expect(chooseVariant(tiny, room(8))).toMatchObject({ variant: { quant: 'Q8_0' } });
    expect(chooseVariant(named(['x', 1]), undefined)).toMatchObject({ why: 'it is the only one' });
  });

  test('without the usual one the largest that fits', () => {
    const odd = named(['Q3_K_M', 2], ['IQ4_XS', 2.3], ['Q5_K_M', 3]);
    expect(chooseVariant(odd, room(64))).toMatchObject({ variant: { quant: 'Q5_K_M' } });
  });
});

test('keys and values are counted by the size of the model', () => {
  expect(neededBytes(0.1 * GB, 8192)).toBe(Math.round(0.12 * GB + 16 * 1024 * 8192));
  expect(neededBytes(5 * GB, 8192)).toBe(6 * GB + 128 * 1024 * 8192);
});

test('a quantisation is found in any case, and as its dynamic kind', () => {
  const variants = named(['UD-Q4_K_XL', 2], ['Q8_0', 4], ['F16', 8]);
  expect(findQuant(variants, 'q8_0')).toMatchObject([{ quant: 'Q8_0' }]);
  expect(findQuant(variants, 'q4_k_xl')).toMatchObject([{ quant: 'UD-Q4_K_XL' }]);
  expect(findQuant(variants, 'fp16')).toMatchObject([{ quant: 'F16' }]);
  expect(findQuant(variants, 'Q5_K_M')).toEqual([]);
  expect(nearQuant(variants, 'q8_O')).toBe('Q8_0');
});
