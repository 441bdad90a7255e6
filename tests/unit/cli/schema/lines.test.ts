import fc from 'fast-check';
import { expect, test } from 'vitest';

import { linesOf } from '../../../../src/cli/schema/lines.ts';

async function read(pieces: readonly string[], maxBytes = 100) {
  const source = (async function* () {
    for (const piece of pieces) yield Buffer.from(piece);
  })();
  const found: (readonly [number, string | number])[] = [];
  for await (const { number, size, bytes } of linesOf(source, maxBytes)) {
    found.push([number, bytes === undefined ? size : Buffer.from(bytes).toString()]);
  }
  return found;
}

test('lines are counted, blank ones among them', async () => {
  expect(await read(['a\n\n b\r\n \t\r\nc'])).toEqual([
    [1, 'a'],
    [3, ' b\r'],
    [5, 'c'],
  ]);
  expect(await read([])).toEqual([]);
  expect(await read(['', '\n\n'])).toEqual([]);
});

test('a line that is too long is measured and passed over', async () => {
  expect(await read(['abc\nabcd', 'efgh', 'ij\nxyz\n'], 3)).toEqual([
    [1, 'abc'],
    [2, 10],
    [3, 'xyz'],
  ]);
});

test('however the bytes are cut, the lines are the same', async () => {
  const text = 'one\n\ntwo ünd\nthree\n';
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 8 }), async (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((end, i) => text.slice(places[i], end));
      expect(await read(pieces)).toEqual([
        [1, 'one'],
        [3, 'two ünd'],
        [4, 'three'],
      ]);
    }),
  );
});
