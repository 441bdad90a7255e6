import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FreeList, GRANULE_BYTES, type Range } from '../../../src/ipc/free-list.ts';

const SIZE = 64 * GRANULE_BYTES;

/** Allocations of so many bytes, and releases of the n-th block that is held. */
const steps = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 12 * GRANULE_BYTES }).map((bytes) => ({ bytes })),
    fc.nat().map((nth) => ({ nth })),
  ),
  { maxLength: 200 },
);

function overlaps(a: Range, b: Range): boolean {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

function sum(ranges: readonly Range[]): number {
  return ranges.reduce((total, { bytes }) => total + bytes, 0);
}

describe('FreeList', () => {
  it('never gives two blocks that overlap, loses nothing, and is whole again at the end', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const list = new FreeList(SIZE);
        let held: Range[] = [];
        for (const step of all) {
          if ('bytes' in step) {
            const gap = Math.max(0, ...list.free.map(({ bytes }) => bytes));
            const block = list.allocate(step.bytes);
            expect(block !== undefined).toBe(gap >= step.bytes);
            if (block === undefined) continue;
            expect(block.bytes).toBeGreaterThanOrEqual(step.bytes);
            expect(block.offset + block.bytes).toBeLessThanOrEqual(SIZE);
            expect(held.some((other) => overlaps(block, other))).toBe(false);
            held.push(block);
          } else if (held.length > 0) {
            const block = held[step.nth % held.length]!;
            held = held.filter((other) => other !== block);
            list.release(block);
          }
          expect(sum(held) + sum(list.free)).toBe(SIZE);
          expect(list.free.some((gap) => held.some((block) => overlaps(gap, block)))).toBe(false);
          expect(list.isUnused).toBe(held.length === 0);
        }
        for (const block of held) list.release(block);
        expect(list.free).toEqual([{ offset: 0, bytes: SIZE }]);
      }),
      { numRuns: 300 },
    );
  });

  it('gives all of it in one piece, and nothing beside it', () => {
    const list = new FreeList(SIZE);
    const all = list.allocate(SIZE);
    expect(all).toEqual({ offset: 0, bytes: SIZE });
    expect(list.allocate(1)).toBeUndefined();
    list.release(all!);
    expect(list.allocate(SIZE + 1)).toBeUndefined();
  });

  it('does not take back what it did not give', () => {
    const list = new FreeList(SIZE);
    const block = list.allocate(1)!;
    list.release(block);
    expect(() => list.release(block)).toThrow('nobody holds');
    expect(() => list.release({ offset: 5, bytes: 1 })).toThrow('nobody holds');
  });
});
