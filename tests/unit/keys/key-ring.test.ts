/** Who gets in: keys of the configuration and of the key file, as they come and go. */
import { statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';

import { ANYBODY, type Gate } from '../../../src/core/gate.ts';
import { hashOf, makeSecret } from '../../../src/keys/secret.ts';
import { KeyFixture, makeKey } from '../../support/key-fixture.ts';

function codeOf(gate: Gate, secret: string | undefined): string {
  try {
    return gate.identify(secret).name;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('the gate', () => {
  test('without keys everybody passes, with or without one', () => {
    using t = new KeyFixture();
    const gate = t.ring();
    expect(gate.isOpen).toBe(true);
    expect(gate.identify(undefined)).toBe(ANYBODY);
    expect(gate.identify('none')).toBe(ANYBODY);
  });

  test('that other machines can reach is never open', () => {
    using t = new KeyFixture();
    const gate = t.ring({ isPublic: true });
    expect([gate.isOpen, codeOf(gate, undefined)]).toEqual([false, 'invalid_api_key']);
    expect(gate.valid).toEqual([]);
  });

  test('takes other keys of the configuration at once, or keeps those of before', () => {
    using t = new KeyFixture();
    t.file.make().add(makeKey('stored', 's'));
    const gate = t.ring({ configured: [makeKey('old', 'o')] });
    gate.setConfigured([makeKey('new', 'n', { isAdmin: true })]);
    expect(['o', 'n', 's'].map((secret) => codeOf(gate, secret))).toEqual([
      ...['invalid_api_key', 'new', 'stored'],
    ]);
    t.other().make().add(makeKey('just-stored', 'j'));
    const taken = [makeKey('other', 'x'), makeKey('just-stored', 'y')];
    expect(() => gate.setConfigured(taken)).toThrow('"just-stored" is in the configuration and in');
    expect(['x', 'n', 'j'].map((secret) => codeOf(gate, secret))).toEqual([
      ...['invalid_api_key', 'new', 'just-stored'],
    ]);
    expect(gate.validWith([]).map(({ name }) => name)).toEqual(['just-stored', 'stored']);
  });

  test('opens, on loopback, when its last key goes from the configuration', () => {
    using t = new KeyFixture();
    const gate = t.ring({ configured: [makeKey('k', 'k')] });
    expect(gate.isOpen).toBe(false);
    gate.setConfigured([]);
    expect(gate.isOpen).toBe(true);
  });

  test('knows those of the configuration and those of the file', () => {
    using t = new KeyFixture();
    t.file.make().add(makeKey('stored', 's'));
    const gate = t.ring({ configured: [makeKey('configured', 'c')] });
    expect(['s', 'c', 'x', '', undefined].map((secret) => codeOf(gate, secret))).toEqual([
      ...['stored', 'configured'],
      ...['invalid_api_key', 'invalid_api_key', 'invalid_api_key'],
    ]);
  });

  test('takes a key that another process has just added at its first use', () => {
    using t = new KeyFixture();
    t.file.make().add(makeKey('first', '1'));
    const gate = t.ring();
    t.other().make().add(makeKey('second', '2'));
    expect(codeOf(gate, '2')).toBe('second');
  });

  test('closes within a second of the first key, which may come while it is open', () => {
    using t = new KeyFixture();
    const gate = t.ring();
    expect(gate.isOpen).toBe(true);
    t.other().make().add(makeKey('first', '1'));
    t.nowMs += 1_000;
    expect([gate.isOpen, codeOf(gate, undefined)]).toEqual([false, 'invalid_api_key']);
    expect(codeOf(gate, '1')).toBe('first');
  });

  test('refuses a revoked key within a second, says so, and stays closed', () => {
    using t = new KeyFixture();
    t.file.make().add(makeKey('only', '1'));
    const gate = t.ring();
    t.other().make().revoke('only', t.wallMs);
    t.nowMs += 1_000;
    expect(codeOf(gate, '1')).toBe('invalid_api_key');
    expect(() => gate.identify('1')).toThrow('"only" was revoked on 2026-01-01 12:00 UTC');
    expect([gate.isOpen, gate.valid.length]).toEqual([false, 0]);
    t.other().make().forget('only');
    t.nowMs += 1_000;
    expect(gate.isOpen).toBe(true);
  });

  test('refuses a key from the moment it expires', () => {
    using t = new KeyFixture();
    const gate = t.ring({ configured: [makeKey('k', '1', { expiresMs: t.wallMs + 1 })] });
    expect(codeOf(gate, '1')).toBe('k');
    t.wallMs += 1;
    expect(codeOf(gate, '1')).toBe('key_expired');
    expect(gate.isOpen).toBe(false);
  });

  test('does not begin with a name that stands in both places', () => {
    using t = new KeyFixture();
    t.file.make().add(makeKey('twice', '1'));
    const configured = [makeKey('twice', '2')];
    expect(() => t.ring({ configured })).toThrow('"twice" is in the configuration and in ');
  });

  test('is closed when the first key file that it finds cannot be read', () => {
    using t = new KeyFixture();
    const gate = t.ring();
    expect(gate.isOpen).toBe(true);
    t.other().make();
    const db = new DatabaseSync(t.file.path);
    db.exec('PRAGMA user_version = 9');
    db.close();
    t.nowMs += 1_000;
    expect([gate.isOpen, codeOf(gate, undefined)]).toEqual([false, 'invalid_api_key']);
  });

  test('keeps the keys of before when the file cannot be read any more', () => {
    using t = new KeyFixture();
    t.file.make().add(makeKey('k', '1'));
    const gate = t.ring();
    const db = new DatabaseSync(t.file.path);
    db.exec('ALTER TABLE key RENAME TO gone');
    db.close();
    t.nowMs += 1_000;
    expect([codeOf(gate, '1'), codeOf(gate, '2')]).toEqual(['k', 'invalid_api_key']);
  });
});

describe('the key file', () => {
  test('is readable by its owner alone, and holds no secret', () => {
    using t = new KeyFixture();
    const secret = makeSecret();
    const store = t.file.make();
    const limits = { requestsPerMinute: 1, burst: 2, tokensPerMinute: 3, tokensPerDay: 4 };
    const key = makeKey('k', secret, {
      priorityMax: 'low',
      limits: { ...limits, concurrencyMax: 5 },
      models: ['a', 'b/c'],
      isAdmin: true,
      createdMs: 7,
      expiresMs: 8,
    });
    expect([store.add(key), store.add(makeKey('k', 'other'))]).toEqual([true, false]);
    expect(store.keys()).toEqual([{ ...key, revokedMs: undefined }]);
    expect(statSync(t.file.path).mode & 0o777).toBe(0o600);
    expect(secret).toMatch(/^sk-hearth-[\w-]{43}$/);
    expect(JSON.stringify(store.keys())).not.toContain(secret.slice(10));
    expect(hashOf(secret)).toHaveLength(32);
  });

  test('that is none is refused with its name', () => {
    using t = new KeyFixture();
    writeFileSync(t.file.path, 'this is no database, and long enough to be looked at'.repeat(20));
    expect(() => t.ring()).toThrow(`cannot use the key file ${t.file.path}: `);
  });

  test('of a newer Hearth is refused, not overwritten', () => {
    using t = new KeyFixture();
    t.file.make();
    const db = new DatabaseSync(t.file.path);
    db.exec('PRAGMA user_version = 9');
    db.close();
    expect(() => t.other().store).toThrow('made by a newer Hearth (version 9, this one knows 1)');
  });
});
