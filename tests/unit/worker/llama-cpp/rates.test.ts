import { describe, expect, test } from 'vitest';

import { StepRates } from '../../../../src/worker/backends/llama-cpp/rates.ts';

describe('StepRates', () => {
  test('no prompt read, no rate', () => {
    const rates = new StepRates();
    rates.record({ promptTokens: 0, decoding: 2, ms: 10 });
    expect(rates.prefillTokensPerMs).toBeUndefined();
  });

  test('the decode part of a mixed step is not counted as reading', () => {
    const rates = new StepRates();
    rates.record({ promptTokens: 0, decoding: 1, ms: 20 });
    rates.record({ promptTokens: 100, decoding: 1, ms: 120 });
    expect(rates.prefillTokensPerMs).toBeCloseTo(1);
  });

  test('a handful of tokens says nothing of the rate', () => {
    const rates = new StepRates();
    rates.record({ promptTokens: 3, decoding: 0, ms: 30 });
    expect(rates.prefillTokensPerMs).toBeUndefined();
  });

  test('it follows a machine that slows down', () => {
    const rates = new StepRates();
    for (let i = 0; i < 5; i++) rates.record({ promptTokens: 100, decoding: 0, ms: 100 });
    for (let i = 0; i < 20; i++) rates.record({ promptTokens: 100, decoding: 0, ms: 1000 });
    expect(rates.prefillTokensPerMs).toBeCloseTo(0.1, 2);
  });
});
