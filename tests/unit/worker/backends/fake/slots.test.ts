import { describe, expect, it } from 'vitest';

import { Slots } from '../../../../../src/worker/backends/fake/slots.ts';

describe('Slots', () => {
  it('takes the idle slot with the longest common prefix, and always reads one token', () => {
    const slots = new Slots(3);
    const [a, b] = [slots.take('t', [1, 2, 3]), slots.take('t', [1, 2, 9, 9])];
    expect([a?.slot.id, b?.slot.id]).toEqual([0, 1]);
    a!.slot.isBusy = false;
    b!.slot.isBusy = false;
    expect(slots.take('t', [1, 2, 9, 5])).toMatchObject({ slot: { id: 1 }, cachedTokens: 3 });
    expect(slots.take('t', [1, 2, 3])).toMatchObject({ slot: { id: 0 }, cachedTokens: 2 });
    expect(slots.take('t', [1])).toMatchObject({ slot: { id: 2 }, cachedTokens: 0 });
    expect(slots.take('t', [1])).toBeUndefined();
  });

  it('shares nothing between tenants', () => {
    const slots = new Slots(1);
    slots.take('a', [1, 2, 3])!.slot.isBusy = false;
    expect(slots.take('b', [1, 2, 3, 4])?.cachedTokens).toBe(0);
  });
});
