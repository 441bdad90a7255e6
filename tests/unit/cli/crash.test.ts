import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';

import { endOnCrash } from '../../../src/cli/crash.ts';

function setUp() {
  const source = new EventEmitter();
  const written: unknown[] = [];
  const codes: number[] = [];
  const closed = Promise.withResolvers<void>();
  const log = {
    error: (fields: object) => void written.push(fields),
    close: () => closed.promise,
  };
  const watch = endOnCrash(source, log, (code) => codes.push(code));
  return { source, written, codes, closed, watch };
}

describe('endOnCrash', () => {
  test('logs the error, and exits once the log is out', async () => {
    const { source, written, codes, closed } = setUp();
    const error = new Error('boom');
    source.emit('uncaughtException', error);
    expect(written).toEqual([{ err: error }]);
    expect(codes).toEqual([]);
    closed.resolve();
    await closed.promise;
    expect(codes).toEqual([1]);
  });

  test('lets go when it is disposed of, and at the first error', () => {
    const { source, watch } = setUp();
    watch[Symbol.dispose]();
    expect(source.listenerCount('uncaughtException')).toBe(0);
    const other = setUp();
    other.source.emit('uncaughtException', new Error('boom'));
    expect(other.source.listenerCount('uncaughtException')).toBe(0);
  });
});
