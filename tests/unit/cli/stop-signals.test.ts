import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';

import { aborted, watchStopSignals } from '../../../src/cli/stop-signals.ts';

function setUp() {
  let nowMs = 0;
  const source = new EventEmitter();
  const signals = watchStopSignals(source, { nowMs: () => nowMs });
  const send = (name: NodeJS.Signals, atMs: number) => {
    nowMs = atMs;
    source.emit(name);
    return [signals.drain.aborted, signals.abort.aborted];
  };
  return { source, signals, send };
}

describe('watchStopSignals', () => {
  test.each([
    ['one drains', [['SIGTERM', 5]], [true, false]],
    [
      'two within a second are one',
      [
        ['SIGINT', 5],
        ['SIGINT', 1005],
      ],
      [true, false],
    ],
    [
      'two more than a second apart abort',
      [
        ['SIGINT', 5],
        ['SIGINT', 1006],
      ],
      [true, true],
    ],
    [
      'of whatever name',
      [
        ['SIGTERM', 5],
        ['SIGINT', 2000],
      ],
      [true, true],
    ],
    [
      'the first counts, not the last',
      [
        ['SIGINT', 0],
        ['SIGINT', 900],
        ['SIGINT', 1100],
      ],
      [true, true],
    ],
  ] as const)('%s', (_why, sent, expected) => {
    const { send } = setUp();
    const states = sent.map(([name, atMs]) => send(name, atMs));
    expect(states.at(-1)).toEqual(expected);
  });

  test('lets go of the signals when it is disposed of', () => {
    const { source, signals } = setUp();
    signals[Symbol.dispose]();
    expect(source.eventNames()).toEqual([]);
  });
});

describe('aborted', () => {
  test('resolves with the signal, at once when it has been aborted', async () => {
    const stop = new AbortController();
    const waiting = aborted(stop.signal);
    stop.abort();
    await waiting;
    await aborted(stop.signal);
  });
});
