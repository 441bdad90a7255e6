import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Credit } from '../../../../src/orchestrator/replica/credit.ts';

test('gives back a quarter of the window at a time', () => {
  const credit = new Credit(256);
  credit.received(100, 0);
  expect(credit.consumed(63)).toBe(0);
  expect(credit.consumed(1)).toBe(64);
  expect(credit.consumed(64)).toBe(64);
});

test('counts how long the worker pauses, and starts anew when it may go on', () => {
  const credit = new Credit(256);
  credit.received(255, 10);
  expect(credit.emptyForMs(50)).toBe(0);
  credit.received(1, 20);
  expect(credit.isEmpty).toBe(true);
  expect(credit.emptyForMs(50)).toBe(30);
  credit.restart(45);
  expect(credit.emptyForMs(50)).toBe(5);
  credit.consumed(64);
  expect(credit.isEmpty).toBe(false);
  expect(credit.emptyForMs(99)).toBe(0);
});

test('a worker that goes a window beyond its credit does not know credits', () => {
  const credit = new Credit(4);
  credit.received(8, 0);
  expect(credit.isOverdrawn).toBe(false);
  credit.received(1, 0);
  expect(credit.isOverdrawn).toBe(true);
});

test('a worker that obeys is never stuck once all is read, and never more than a window ahead', () => {
  const moves = fc.array(fc.record({ make: fc.nat(40), read: fc.nat(40) }), { maxLength: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), moves, (windowTokens, steps) => {
      const credit = new Credit(windowTokens);
      let allowed = windowTokens;
      let unread = 0;
      for (const { make, read } of steps) {
        const made = Math.min(make, allowed);
        allowed -= made;
        unread += made;
        credit.received(made, 0);
        expect(credit.isEmpty).toBe(allowed === 0);
        expect(credit.isOverdrawn).toBe(false);
        const taken = Math.min(read, unread);
        unread -= taken;
        allowed += credit.consumed(taken);
        expect(unread + allowed).toBeLessThanOrEqual(windowTokens);
        if (unread === 0) expect(allowed).toBeGreaterThan(0);
      }
    }),
  );
});
