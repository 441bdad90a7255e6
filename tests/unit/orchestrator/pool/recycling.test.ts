import { describe, expect, test } from 'vitest';

import { type Age, Recycling } from '../../../../src/orchestrator/pool/recycling.ts';

const YOUNG: Age = { ageMs: 10, served: 3, active: 0, bytes: 500 };

test.each<[string, ConstructorParameters<typeof Recycling>[0], Partial<Age>, string | undefined]>([
  ['nothing is asked for', {}, { ageMs: 1e12, served: 1e9, bytes: 1e15 }, undefined],
  ['its age, not yet', { afterMs: 1_000 }, { ageMs: 999 }, undefined],
  ['its age (row SP-129)', { afterMs: 1_000 }, { ageMs: 1_000 }, 'ttl_expired'],
  ['its requests, not yet', { afterRequests: 10 }, { served: 9 }, undefined],
  ['its requests (row SP-130)', { afterRequests: 10 }, { served: 10 }, 'max_requests'],
  ['its memory, not yet', { aboveBytes: 500 }, {}, undefined],
  [
    'its memory (row SP-131), also while it works',
    { aboveBytes: 499 },
    { active: 2 },
    'memory_threshold',
  ],
  ['its memory is not known', { aboveBytes: 1 }, { bytes: undefined }, undefined],
])('%s', (_why, limits, age, reason) => {
  expect(new Recycling(limits).due({ ...YOUNG, ...age })).toBe(reason);
});

describe('drift', () => {
  function warm(): Recycling {
    const recycling = new Recycling({ driftBytes: 100 });
    for (let served = 0; served <= 100; served++) {
      expect(recycling.due({ ...YOUNG, served, bytes: 1_000 + served })).toBeUndefined();
    }
    return recycling;
  }

  test('is what is held with nothing to do, beyond what was held while it warmed up', () => {
    const recycling = warm();
    expect(recycling.due({ ...YOUNG, served: 200, bytes: 1_200 })).toBeUndefined();
    expect(recycling.due({ ...YOUNG, served: 200, active: 1, bytes: 9_000 })).toBeUndefined();
    expect(recycling.due({ ...YOUNG, served: 200, bytes: 1_201 })).toBe('memory_drift');
  });

  test('is not known of a worker that was never seen idle while it warmed up', () => {
    const recycling = new Recycling({ driftBytes: 100 });
    expect(recycling.due({ ...YOUNG, served: 500, bytes: 9_000 })).toBeUndefined();
  });
});
