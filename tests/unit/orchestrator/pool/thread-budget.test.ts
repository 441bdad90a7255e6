import fc from 'fast-check';
import { expect, test } from 'vitest';

import { ThreadBudget } from '../../../../src/orchestrator/pool/thread-budget.ts';

const wish = fc.oneof(fc.constant('auto' as const), fc.integer({ min: 1, max: 8 }));

test('whoever comes or goes: fixed ones get theirs, the others equal parts of what is left, and know them', () => {
  const move = fc.record({ id: fc.nat(6).map(String), threads: wish });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 32 }),
      fc.array(move, { maxLength: 40 }),
      (cores, moves) => {
        const budget = new ThreadBudget(cores);
        const known = new Map<string, number>();
        const wishes = new Map<string, 'auto' | number>();
        for (const { id, threads } of moves) {
          if (wishes.delete(id)) {
            budget.leave(id);
            known.delete(id);
          } else {
            budget.join(id, { threads, onShare: (part) => known.set(id, part) });
            wishes.set(id, threads);
            known.set(id, budget.of(id));
          }
          const fixed = [...wishes].filter(([, threads]) => threads !== 'auto');
          const parts = [...wishes.keys()].filter((id) => wishes.get(id) === 'auto');
          for (const [id, threads] of fixed) expect(known.get(id)).toBe(threads);
          const shares = parts.map((id) => known.get(id)!);
          expect(shares).toEqual(parts.map((id) => budget.of(id)));
          if (shares.length === 0) continue;
          expect(Math.min(...shares)).toBeGreaterThanOrEqual(1);
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
          const left = cores - fixed.reduce((sum, [, threads]) => sum + (threads as number), 0);
          const total = shares.reduce((sum, part) => sum + part, 0);
          expect(total).toBe(Math.max(left, parts.length));
        }
      },
    ),
  );
});
