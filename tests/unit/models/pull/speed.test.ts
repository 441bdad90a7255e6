import { expect, test } from 'vitest';

import { showBytes } from '../../../../src/models/pull/sizes.ts';
import { Speed } from '../../../../src/models/pull/speed.ts';

test('the speed is that of the last five seconds, 0 before it says anything', () => {
  const speed = new Speed();
  expect(speed.bytesPerSecond).toBe(0);
  speed.note(0, 500);
  speed.note(100, 600);
  expect(speed.bytesPerSecond).toBe(0);
  speed.note(1000, 1500);
  expect(speed.bytesPerSecond).toBe(1000);
  for (let s = 2; s <= 20; s++) speed.note(s * 1000, 1500);
  expect(speed.bytesPerSecond).toBe(0);
});

test('it begins anew where the bytes do', () => {
  const speed = new Speed();
  speed.note(0, 0);
  speed.note(1000, 9000);
  speed.note(2000, 0);
  speed.note(3000, 1000);
  expect(speed.bytesPerSecond).toBe(1000);
});

test.each([
  [12, '12 bytes'],
  [2000, '2 kB'],
  [98_362_432, '98 MB'],
  [2_497_281_120, '2.5 GB'],
  [140e9, '140 GB'],
])('%d is %s', (bytes, text) => {
  expect(showBytes(bytes)).toBe(text);
});
