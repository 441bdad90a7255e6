/** What a key has used outlives the server, and is never counted twice. */
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test, vi } from 'vitest';

import { silentLog } from '../../../src/core/log.ts';
import { UsageLog } from '../../../src/keys/usage-log.ts';
import { KeyFixture, makeKey } from '../../support/key-fixture.ts';

const USED = { promptTokens: 10, cachedTokens: 4, generatedTokens: 5 };

function open(t: KeyFixture, file = t.file, log = silentLog): UsageLog {
  return new UsageLog({ file, wallMs: () => t.wallMs, log });
}

describe('usage', () => {
  test('is counted at once, written soon after, and found by the next server', () => {
    using t = new KeyFixture();
    t.file.make().add(makeKey('k', '1'));
    {
      using log = open(t);
      log.note('k', USED, 1);
      log.note('k', USED, 0);
      expect([log.tokensToday('k'), log.tokensToday('l')]).toEqual([30, 0]);
    }
    const next = open(t, t.other());
    expect(next.tokensToday('k')).toBe(30);
    expect(t.file.store!.usageSince(0)).toEqual([
      {
        name: 'k',
        day: Math.floor(t.wallMs / 86_400_000),
        requests: 1,
        promptTokens: 20,
        cachedTokens: 8,
        generatedTokens: 10,
      },
    ]);
  });

  test('of a day is that of UTC', () => {
    using t = new KeyFixture();
    t.file.make();
    t.wallMs = Date.UTC(2026, 0, 1, 23, 59, 59);
    using log = open(t);
    log.note('k', USED, 1);
    expect([log.tokensToday('k'), log.msToNextDay()]).toEqual([15, 1_000]);
    t.wallMs += 1_000;
    expect([log.tokensToday('k'), log.msToNextDay()]).toEqual([0, 86_400_000]);
    log.note('k', USED, 1);
    expect(log.tokensToday('k')).toBe(15);
  });

  test('is written a second after the first of it', () => {
    vi.useFakeTimers();
    try {
      using t = new KeyFixture();
      t.file.make();
      using log = open(t);
      log.note('k', USED, 1);
      vi.advanceTimersByTime(999);
      expect(t.file.store!.usageSince(0)).toEqual([]);
      vi.advanceTimersByTime(1);
      expect(t.file.store!.usageSince(0)).toHaveLength(1);
      expect(log.tokensToday('k')).toBe(15);
    } finally {
      vi.useRealTimers();
    }
  });

  test('that cannot be written is kept, said once, and written when it can be', () => {
    vi.useFakeTimers();
    try {
      using t = new KeyFixture();
      t.file.make();
      const error = vi.fn();
      const info = vi.fn();
      using log = open(t, t.file, { ...silentLog, error, info });
      const db = new DatabaseSync(t.file.path);
      db.exec('ALTER TABLE usage RENAME TO gone');
      log.note('k', USED, 1);
      vi.advanceTimersByTime(3_000);
      expect(error).toHaveBeenCalledTimes(1);
      db.exec('ALTER TABLE gone RENAME TO usage');
      db.close();
      vi.advanceTimersByTime(1_000);
      expect(t.file.store!.usageSince(0)).toHaveLength(1);
      expect(log.tokensToday('k')).toBe(15);
      expect(info).toHaveBeenCalledTimes(1);
    } finally {
      vi.useRealTimers();
    }
  });

  test('of a key that was forgotten is not held against the next of its name', () => {
    using t = new KeyFixture();
    t.file.make().add(makeKey('k', '1'));
    using log = open(t);
    log.note('k', USED, 1);
    log[Symbol.dispose]();
    expect(log.tokensToday('k')).toBe(15);
    t.other().make().forget('k');
    expect(log.tokensToday('k')).toBe(0);
  });

  test('of callers without a key is nobody’s', () => {
    using t = new KeyFixture();
    open(t).note('k', USED, 1);
    t.file.make();
    using log = open(t);
    log.note('local', USED, 1);
    expect([log.tokensToday('local'), log.tokensToday('k')]).toEqual([0, 0]);
  });
});
