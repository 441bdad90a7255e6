import { expect, test } from 'vitest';

import { Progress } from '../../../src/cli/progress.ts';
import { Narrator } from '../../../src/cli/pull/narrator.ts';
import type { PullEvent } from '../../../src/core/puller.ts';

const EVENTS: readonly PullEvent[] = [
  { event: 'waiting', name: 'm' },
  { event: 'resolved', name: 'm', reference: 'a/m', revision: '0123456789', licence: undefined },
  {
    event: 'chosen',
    format: 'gguf',
    quant: 'Q4_K_M',
    files: 2,
    bytes: 4.2e9,
    why: 'the usual one',
    others: ['Q2_K', 'Q8_0'],
  },
  { event: 'file', file: 'm-1.gguf', number: 1, count: 2, bytes: 2.1e9, resumedBytes: 1e9 },
  { event: 'progress', bytes: 2.1e9, totalBytes: 4.2e9, bytesPerSecond: 85e6, secondsLeft: 150 },
  { event: 'note', message: 'a note' },
];

function narrate(isJson: boolean) {
  const printed: string[] = [];
  const shown: string[] = [];
  const progress = new Progress({ isTTY: false, write: (text) => shown.push(text) });
  const narrator = new Narrator({ isJson, progress, print: (line) => printed.push(line) });
  for (const event of EVENTS) narrator.tell(event);
  return { printed, shown };
}

test('for people: a line for each thing, and the progress with rate and time left', () => {
  const { printed, shown } = narrate(false);
  expect(printed).toEqual([
    'm is being pulled already; waiting for that',
    'a/m at 01234567 (no licence stated)',
    'Q4_K_M, 4.2 GB in 2 files: the usual one; another with :QUANT (Q2_K, Q8_0)',
    'm-1.gguf: going on after 1.0 GB',
    'a note',
  ]);
  expect(shown).toEqual(['hearth: fetching 1 of 2 50 %, 2.1 GB of 4.2 GB, 85 MB/s, 3 min left\n']);
});

test('for programs: events alone', () => {
  const { printed, shown } = narrate(true);
  expect(shown).toEqual([]);
  expect(JSON.parse(printed[4]!)).toEqual({
    event: 'progress',
    bytes: 2.1e9,
    total_bytes: 4.2e9,
    bytes_per_second: 85e6,
    seconds_left: 150,
  });
});
