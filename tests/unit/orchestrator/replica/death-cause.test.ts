import { expect, test } from 'vitest';

import { causeOfDeath } from '../../../../src/orchestrator/replica/death-cause.ts';

test.each([
  [
    'SIGABRT',
    'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n',
  ],
  ['SIGABRT', "terminate called after throwing an instance of 'std::bad_alloc'"],
  ['SIGABRT', 'CUDA error: out of memory\n  current device: 0'],
  ['SIGSEGV', 'alloc_buffer: failed to allocate buffer of size 4398046511104'],
  [null, 'mmap: Cannot allocate memory'],
] as const)('%s after the words %j is a lack of memory', (signal, tail) => {
  expect(causeOfDeath(signal, tail)).toBe('out of memory');
});

test('other words say nothing, and neither do earlier ones of a worker that was killed', () => {
  expect(causeOfDeath('SIGABRT', 'GGML_ASSERT(n > 0) failed')).toBeUndefined();
  expect(causeOfDeath('SIGKILL', 'GPU out of memory, falling back to CPU')).toBeUndefined();
  expect(causeOfDeath(null, '')).toBeUndefined();
});
