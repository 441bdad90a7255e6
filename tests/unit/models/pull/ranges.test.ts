import fc from 'fast-check';
import { expect, test } from 'vitest';

import { type Range, RangePlan, RangeSet } from '../../../../src/models/pull/ranges.ts';

const SIZE = 200;
const range = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));

function marked(ranges: readonly Range[]): readonly boolean[] {
  return Array.from({ length: SIZE }, (_, at) =>
    ranges.some(({ start, end }) => at >= start && at < end),
  );
}

test('a set of ranges holds what was added, joined, and misses the rest', () => {
  fc.assert(
    fc.property(fc.array(range), (added) => {
      const set = new RangeSet(added);
      const expected = marked(added);
      expect(marked(set.ranges)).toEqual(expected);
      expect(marked(set.missing(SIZE))).toEqual(expected.map((is) => !is));
      expect(set.bytes).toBe(expected.filter(Boolean).length);
      const gap = expected.indexOf(false);
      expect(set.prefix).toBe(gap === -1 ? SIZE : gap);
      for (const [index, { start }] of set.ranges.entries()) {
        if (index > 0) expect(start).toBeGreaterThan(set.ranges[index - 1]!.end);
      }
    }),
  );
});

test('a plan hands out every missing byte once, also what was given back, and small pieces last', () => {
  fc.assert(
    fc.property(fc.array(range), fc.array(fc.nat(100)), (done, cuts) => {
      const missing = new RangeSet(done).missing(SIZE);
      const plan = new RangePlan(missing, { connections: 2, minBytes: 4, maxBytes: 32 });
      const fetched: Range[] = [];
      for (let taken = plan.take(); taken !== undefined; taken = plan.take()) {
        expect(taken.end - taken.start).toBeLessThanOrEqual(32);
        const cut = cuts.pop();
        const end = cut === undefined ? taken.end : Math.min(taken.end, taken.start + cut);
        fetched.push({ start: taken.start, end });
        plan.giveBack({ start: end, end: taken.end });
      }
      const total = fetched.reduce((sum, { start, end }) => sum + end - start, 0);
      expect(total).toBe(missing.reduce((sum, { start, end }) => sum + end - start, 0));
      expect(new RangeSet([...done, ...fetched]).missing(SIZE)).toEqual([]);
    }),
  );
});
