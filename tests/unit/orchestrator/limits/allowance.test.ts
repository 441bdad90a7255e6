/** What a key may use in a day: reserved when a request comes, settled when it is over. */
import { describe, expect, test } from 'vitest';

import type { CallContext, GenerationRequest, Usage } from '../../../../src/core/engine.ts';
import type { CapacityError } from '../../../../src/core/errors.ts';
import { silentObserver } from '../../../../src/core/observer.ts';
import type { UsageBook } from '../../../../src/core/usage-book.ts';
import { Allowance } from '../../../../src/orchestrator/limits/allowance.ts';
import { GREEDY } from '../../../support/greedy.ts';

const NO_LIMITS = { each: {}, all: {}, burstWindowMs: 1_000 };

function make(today: Record<string, number> = {}) {
  const noted: (readonly [string, number, number])[] = [];
  const limited: string[] = [];
  const usageBook: UsageBook = {
    tokensToday: (tenant) => today[tenant] ?? 0,
    msToNextDay: () => 3_600_000,
    note: (tenant, { promptTokens, generatedTokens }, requests) => {
      today[tenant] = (today[tenant] ?? 0) + promptTokens + generatedTokens;
      noted.push([tenant, promptTokens + generatedTokens, requests]);
    },
  };
  const observer = { ...silentObserver, rateLimited: (tenant: string) => limited.push(tenant) };
  return {
    allowance: new Allowance({ rateLimits: NO_LIMITS, usageBook, observer }),
    noted,
    limited,
  };
}

function call(tenant: string, tokensPerDay?: number): CallContext {
  const { signal } = new AbortController();
  return { requestId: 'r', tenant, limits: { tokensPerDay }, priority: 'normal', signal };
}

/** Needs ten tokens of prompt and `maxTokens`. */
function request(maxTokens: number): GenerationRequest {
  return {
    model: 'm',
    prompt: { tokens: Array(10).fill(1) },
    sampling: GREEDY,
    stops: [],
    maxTokens,
  };
}

function used(promptTokens: number, generatedTokens: number): Usage {
  return { promptTokens, cachedTokens: 0, generatedTokens };
}

function refusalOf(act: () => void): CapacityError | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return error as CapacityError;
  }
}

describe('a quota of the day', () => {
  test('holds what running requests may still take, and gets back what they did not', () => {
    const { allowance, limited } = make({ k: 500 });
    const context = call('k', 1_000);
    const first = request(290);
    allowance.assertMayCome(context, [first], 0);
    const settle = allowance.spend(context, first, 0);
    const error = refusalOf(() => allowance.assertMayCome(context, [request(191)], 0));
    expect(error?.code).toBe('key_quota_exceeded');
    expect(error?.retryAfterMs).toBe(3_600_000);
    expect(error?.message).toContain('"k" has 200 left of its 1000 a day');
    expect(limited).toEqual(['k']);
    expect(refusalOf(() => allowance.assertMayCome(context, [request(190)], 0))).toBeUndefined();
    settle(used(10, 5), 1);
    expect(refusalOf(() => allowance.assertMayCome(context, [request(475)], 1))).toBeUndefined();
    expect(refusalOf(() => allowance.assertMayCome(context, [request(476)], 1))?.code).toBe(
      'key_quota_exceeded',
    );
  });

  test('that no day can meet is refused for good', () => {
    const { allowance } = make();
    const error = refusalOf(() => allowance.assertMayCome(call('k', 100), [request(91)], 0));
    expect([error?.code, error?.retryable]).toEqual(['key_quota_exceeded', false]);
  });

  test('counts a list of prompts as one request, all its tokens together', () => {
    const { allowance, noted } = make();
    const lot = [request(10), request(10)];
    expect(refusalOf(() => allowance.assertMayCome(call('k', 39), lot, 0))?.code).toBe(
      'key_quota_exceeded',
    );
    const settles = lot.map((one, index) =>
      allowance.spend({ ...call('k', 40), lot: { index, requests: lot } }, one, 0),
    );
    for (const settle of settles) settle(used(10, 1), 1);
    expect(noted).toEqual([
      ['k', 11, 1],
      ['k', 11, 0],
    ]);
  });

  test('is that of its tenant alone', () => {
    const { allowance } = make({ k: 1_000 });
    expect(
      refusalOf(() => allowance.assertMayCome(call('k', 1_000), [request(1)], 0)),
    ).toBeDefined();
    expect(
      refusalOf(() => allowance.assertMayCome(call('l', 1_000), [request(1)], 0)),
    ).toBeUndefined();
    expect(refusalOf(() => allowance.assertMayCome(call('k'), [request(1)], 0))).toBeUndefined();
  });
});
