/** The record of a bench: a later run may do better and not worse. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

import { Ratchet } from '../../../bench/lib/ratchet.ts';

const folder = mkdtempSync(join(tmpdir(), 'hearth-ratchet-'));
const file = join(folder, 'record.json');
afterAll(() => rmSync(folder, { recursive: true }));

test('nothing recorded, a record, one that got better and one that got worse', () => {
  const first = Ratchet.read(file);
  expect(first.isRecorded).toBe(false);
  first.see('a', 'refused');
  first.see('b', 'pass');
  first.see('c', 'under');
  first.write({ isPart: false, file });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ refused: ['a'], under: ['c'] });

  const second = Ratchet.read(file);
  expect(second.isRecorded).toBe(true);
  second.see('a', 'pass');
  second.see('b', 'over');
  second.see('new', 'crash');
  expect(second.worse()).toEqual(['b: over, was pass', 'new: crash, was pass']);
  expect(second.better()).toBe(1);
  // Of a part: what was not seen stays.
  second.write({ isPart: true, file });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
    over: ['b'],
    crash: ['new'],
    under: ['c'],
  });
});
