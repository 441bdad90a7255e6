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

  const decode = (rates: StepRates, decoding: number, ms: number) =>
    rates.record({ promptTokens: 0, decoding, ms });

  test('rows that are dearer together than one by one take turns', () => {
    const rates = new StepRates();
    expect(rates.decodeRows(2)).toBe(2);
    decode(rates, 2, 10.4);
    expect(rates.decodeRows(2)).toBe(1);
    decode(rates, 1, 3.1);
    expect(rates.decodeRows(2)).toBe(1);
    expect(rates.decodeRows(1)).toBe(1);
  });

  test('rows that share the work are served together', () => {
    const rates = new StepRates();
    decode(rates, 2, 5);
    decode(rates, 1, 4);
    expect(rates.decodeRows(2)).toBe(2);
  });

  test('more than a few rows always go together', () => {
    const rates = new StepRates();
    decode(rates, 8, 100);
    decode(rates, 1, 1);
    expect(rates.decodeRows(8)).toBe(8);
  });

  test('one step in 64 tries the other way, so that a machine that changes is noticed', () => {
    const rates = new StepRates();
    decode(rates, 2, 10);
    for (let i = 0; i < 200; i++) {
      const rows = rates.decodeRows(2);
      decode(rates, rows, rows === 2 ? 3 : 4);
    }
    expect(rates.decodeRows(2)).toBe(2);
  });
});
