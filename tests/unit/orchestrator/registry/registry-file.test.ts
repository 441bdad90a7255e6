/** The file of the registry: whole, or not believed. Fault 16 of the fault table. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  formatRegistry,
  parseRegistry,
  type WorkerEntry,
} from '../../../../src/orchestrator/registry/registry-file.ts';

const ENTRY: WorkerEntry = {
  id: 'a/b:c.d-1',
  model: 'a/b:c.d',
  runId: '00000000-0000-4000-8000-000000000000',
  owner: 'token',
  spawnedMs: 1_700_000_000_000,
  pid: 4711,
  startTime: 'boot 123',
};
const NOTED: WorkerEntry = {
  ...ENTRY,
  id: 'b-2',
  runId: 'another-run',
  pid: undefined,
  startTime: undefined,
};

describe('workers.json', () => {
  test('is read as it was written', () => {
    const { pid: _pid, startTime: _start, ...noted } = NOTED;
    expect(parseRegistry(formatRegistry([ENTRY, NOTED]))).toEqual({
      kind: 'good',
      entries: [ENTRY, noted],
    });
    expect(parseRegistry(formatRegistry([]))).toEqual({ kind: 'good', entries: [] });
  });

  test('cut at any byte it is damaged, or whole but for its last line end', () => {
    const text = formatRegistry([ENTRY]);
    for (let length = 0; length < text.length; length++) {
      const { kind } = parseRegistry(text.slice(0, length));
      expect([length, kind]).toEqual([length, length === text.length - 1 ? 'good' : 'damaged']);
    }
  });

  test('with any byte changed it names the same processes, or none', () => {
    const text = formatRegistry([ENTRY]);
    const good = parseRegistry(text);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
        const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
        const read = parseRegistry(changed);
        if (read.kind !== 'damaged') expect(read).toEqual(good);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['nothing', '', 'its first line is no head'],
    ['random bytes', '\u0000\u0001\u0002', 'its first line is no head'],
    ['another version', '{"version":2,"sha256":""}\n[]', 'it is of version 2, not 1'],
    ['JSON of something else', '{"a":1}\n[]', 'its first line is no head'],
  ])('of %s is not believed', (_what, text, reason) => {
    expect(parseRegistry(text)).toEqual({ kind: 'damaged', reason });
  });

  test('whose entries have another form is not believed', () => {
    const text = formatRegistry([{ ...ENTRY, pid: -1 }]);
    expect(parseRegistry(text)).toEqual({
      kind: 'damaged',
      reason: 'its entries have another form',
    });
  });
});
