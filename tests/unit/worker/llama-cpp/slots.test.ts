import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { chooseSlot, type SlotView } from '../../../../src/worker/backends/llama-cpp/slots.ts';

function slot(id: number, overrides: Partial<SlotView> = {}): SlotView {
  return { id, busy: false, cached: [], tenant: 'a', lastUsed: 0, ...overrides };
}

const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);

describe('chooseSlot', () => {
  test('the longest common prefix wins over the lowest id', () => {
    const slots = [slot(0), slot(1, { cached: range(0, 80) }), slot(2, { cached: range(0, 100) })];
    expect(chooseSlot(slots, range(0, 200), 'a')).toEqual({ id: 2, cachedTokens: 100 });
  });

  test('one prompt token is always left to evaluate', () => {
    const slots = [slot(0, { cached: range(0, 100) })];
    expect(chooseSlot(slots, range(0, 100), 'a')).toEqual({ id: 0, cachedTokens: 99 });
  });

  test('a short prompt reuses a short prefix: a quarter of it is worth keeping', () => {
    const slots = [slot(0), slot(1, { cached: range(0, 10) })];
    expect(chooseSlot(slots, range(0, 30), 'a')).toEqual({ id: 1, cachedTokens: 10 });
  });

  test('a prefix never crosses tenants', () => {
    const slots = [slot(0, { cached: range(0, 100), tenant: 'b' })];
    expect(chooseSlot(slots, range(0, 200), 'a')).toEqual({ id: 0, cachedTokens: 0 });
  });

  test('two conversations in turn keep their caches: a fresh one takes an empty slot', () => {
    const slots = [slot(0, { cached: range(0, 500), lastUsed: 1 }), slot(1)];
    expect(chooseSlot(slots, range(9000, 50), 'a')?.id).toBe(1);
  });

  test('when every cache is worth something the least recently used one goes', () => {
    const slots = [
      slot(0, { cached: range(0, 500), lastUsed: 9 }),
      slot(1, { cached: range(600, 500), lastUsed: 3 }),
    ];
    expect(chooseSlot(slots, range(9000, 50), 'a')?.id).toBe(1);
  });

  test('a newcomer stands beside those that run: a gap costs a pass in every step', () => {
    const slots = [slot(0), slot(1), slot(2, { busy: true }), slot(3, { cached: range(0, 90) })];
    expect(chooseSlot(slots, range(9000, 50), 'a')?.id).toBe(1);
  });

  test('nothing is free', () => {
    expect(chooseSlot([slot(0, { busy: true })], [1, 2], 'a')).toBeUndefined();
  });

  test('what it reports as cached is a true prefix of a slot of the same tenant', () => {
    const tokens = fc.array(fc.nat(3), { maxLength: 12 });
    const views = fc.array(
      fc.record({ busy: fc.boolean(), cached: tokens, tenant: fc.constantFrom('a', 'b') }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(views, fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }), (parts, prompt) => {
        const slots = parts.map((part, id) => slot(id, { ...part, lastUsed: id }));
        const choice = chooseSlot(slots, prompt, 'a');
        if (choice === undefined) {
          expect(slots.every(({ busy }) => busy)).toBe(true);
          return;
        }
        const chosen = slots[choice.id]!;
        expect(chosen.busy).toBe(false);
        expect(choice.cachedTokens).toBeLessThan(prompt.length);
        expect(chosen.cached.slice(0, choice.cachedTokens)).toEqual(
          prompt.slice(0, choice.cachedTokens),
        );
        if (choice.cachedTokens > 0) expect(chosen.tenant).toBe('a');
      }),
    );
  });
});
