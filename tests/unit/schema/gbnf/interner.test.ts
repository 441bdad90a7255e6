import { expect, test } from 'vitest';

import { Interner } from '../../../../src/schema/gbnf/interner.ts';

test('equal lists have one number, others their own, also where hashes collide', () => {
  const interner = new Interner();
  // So many that several pairs have the same hash of 32 bits.
  const lists: number[][] = [[]];
  for (let a = 0; a < 600; a++) for (let b = 0; b < 600; b++) lists.push([a, b * 65_537]);
  const ids = lists.map((list) => interner.idOf(list));
  expect(new Set(ids).size).toBe(lists.length);
  expect(lists.every((list, i) => interner.idOf([...list]) === ids[i])).toBe(true);
  expect(ids.every((id, i) => interner.lists[id] === lists[i])).toBe(true);
});
