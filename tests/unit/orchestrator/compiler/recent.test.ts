import { expect, test } from 'vitest';

import { Recent } from '../../../../src/orchestrator/compiler/recent.ts';

test('what was used least recently goes first, by bytes', () => {
  const recent = new Recent<string>(10);
  recent.set('a', 'A', 4);
  recent.set('b', 'B', 4);
  expect(recent.get('a')).toBe('A');
  recent.set('c', 'C', 4);
  expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual(['A', undefined, 'C']);
});

test('a value that is too large is not kept, and a second one replaces the first', () => {
  const recent = new Recent<string>(10);
  recent.set('a', 'A', 11);
  expect(recent.get('a')).toBeUndefined();
  recent.set('b', 'one', 6);
  recent.set('b', 'two', 6);
  expect(recent.get('b')).toBe('two');
});
