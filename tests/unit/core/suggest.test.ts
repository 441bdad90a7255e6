import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { editDistance, suggest } from '../../../src/core/suggest.ts';

describe('editDistance', () => {
  test.each([
    ['nothing to do', 'port', 'port', 0],
    ['a letter more', 'port', 'ports', 1],
    ['a letter less', 'port', 'prt', 1],
    ['another letter', 'port', 'sort', 1],
    ['neighbours swapped', 'prot', 'port', 1],
    ['everything', '', 'port', 4],
  ])('%s', (_why, a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  test('is the same both ways and never more than the longer word', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe('suggest', () => {
  test.each([
    ['the nearest', 'queue_depht_max', ['queue_depth_max', 'body_max_bytes'], 'queue_depth_max'],
    ['in any case', 'PORT', ['port'], 'port'],
    ['nothing for another word', 'colour', ['port', 'host'], undefined],
    ['nothing out of nothing', 'x', [], undefined],
  ])('gives %s', (_why, wrong, known, best) => {
    expect(suggest(wrong, known)).toBe(best);
  });
});
