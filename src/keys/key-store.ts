/**
 * The API keys that `hearth key` manages, and what each has used: one SQLite file in the state folder.
 * Several processes may have it open, the server and the command line among them.
 *
 * Units   ms since the epoch; days are counted from the epoch, in UTC.
 * Errors  KeyStoreError names the file: it cannot be opened, read or written, or was made by a newer Hearth.
 * Cost    calls are synchronous; a read takes some ten microseconds, a write waits for no disk (WAL,
 *         `synchronous = NORMAL`): what was written survives the death of the process, and a crash of
 *         the machine costs the last moments of usage, never the file.
 */
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

import type { ApiKey } from '../core/gate.ts';
import type { Priority } from '../core/priority.ts';

export interface DayUsage {
  readonly name: string;
  readonly day: number;
  readonly requests: number;
  readonly promptTokens: number;
  /** Part of `promptTokens`. */
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

class KeyStoreError extends Error {
  override name = 'KeyStoreError';
}

const VERSION = 1;
/** Another process writes for a few milliseconds at most. */
const BUSY_MS = 500;

const TABLES = `
  CREATE TABLE key (
    name TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    priority_max TEXT NOT NULL,
    requests_per_minute INTEGER,
    burst INTEGER,
    tokens_per_minute INTEGER,
    tokens_per_day INTEGER,
    concurrency_max INTEGER,
    models TEXT,
    admin INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
  ) STRICT;
  CREATE TABLE usage (
    name TEXT NOT NULL,
    day INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    generated_tokens INTEGER NOT NULL,
    PRIMARY KEY (name, day)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${VERSION};
`;

interface KeyRow {
  readonly name: string;
  readonly sha256: string;
  readonly priority_max: string;
  readonly requests_per_minute: number | null;
  readonly burst: number | null;
  readonly tokens_per_minute: number | null;
  readonly tokens_per_day: number | null;
  readonly concurrency_max: number | null;
  readonly models: string | null;
  readonly admin: number;
  readonly created_ms: number;
  readonly expires_ms: number | null;
  readonly revoked_ms: number | null;
}

interface UsageRow {
  readonly name: string;
  readonly day: number;
  readonly requests: number;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly generated_tokens: number;
}

export class KeyStore implements Disposable {
  readonly #path: string;
  readonly #db: DatabaseSync;

  private constructor(path: string, db: DatabaseSync) {
    this.#path = path;
    this.#db = db;
  }

  /** Makes the file when it is absent, readable by its owner alone. */
  static open(path: string): KeyStore {
    return guarded(path, () => {
      // SQLite gives its side files the mode of the file, so that must be right before they are made.
      closeSync(openSync(path, 'a', 0o600));
      chmodSync(path, 0o600);
      const db = new DatabaseSync(path, { timeout: BUSY_MS });
      try {
        db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
        prepareTables(db);
      } catch (error) {
        db.close();
        throw error;
      }
      return new KeyStore(path, db);
    });
  }

  static openExisting(path: string): KeyStore | undefined {
    return existsSync(path) ? KeyStore.open(path) : undefined;
  }

  /** Grows when another process has written. */
  get version(): number {
    const row = this.#do(() => this.#db.prepare('PRAGMA data_version').get());
    return Number((row as { data_version: number }).data_version);
  }

  /** By name. */
  keys(): readonly ApiKey[] {
    const rows = this.#do(() => this.#db.prepare('SELECT * FROM key ORDER BY name').all());
    return (rows as unknown as KeyRow[]).map(toKey);
  }

  /** False when there is one of the name already, revoked or not. */
  add({ createdMs = Date.now(), ...key }: ApiKey): boolean {
    const { requestsPerMinute, burst, tokensPerMinute, tokensPerDay, concurrencyMax } = key.limits;
    const insert = `INSERT INTO key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)
                    ON CONFLICT (name) DO NOTHING`;
    const values = [
      ...[key.name, key.sha256, key.priorityMax],
      ...[requestsPerMinute, burst, tokensPerMinute, tokensPerDay, concurrencyMax],
      key.models === undefined ? undefined : JSON.stringify(key.models),
      ...[key.isAdmin ? 1 : 0, createdMs, key.expiresMs],
    ].map((value) => value ?? null);
    const { changes } = this.#do(() => this.#db.prepare(insert).run(...values));
    return changes === 1;
  }

  /** False when there is none of the name that still holds. */
  revoke(name: string, atMs: number): boolean {
    const update = 'UPDATE key SET revoked_ms = ? WHERE name = ? AND revoked_ms IS NULL';
    return this.#do(() => this.#db.prepare(update).run(atMs, name)).changes === 1;
  }

  /** Removes the key and what it has used. False when there is none of the name. */
  forget(name: string): boolean {
    return this.#transaction(() => {
      this.#db.prepare('DELETE FROM usage WHERE name = ?').run(name);
      return this.#db.prepare('DELETE FROM key WHERE name = ?').run(name).changes === 1;
    });
  }

  /** By day and name. */
  usageSince(day: number): readonly DayUsage[] {
    const select = 'SELECT * FROM usage WHERE day >= ? ORDER BY day, name';
    const rows = this.#do(() => this.#db.prepare(select).all(day));
    return (rows as unknown as UsageRow[]).map((row) => ({
      name: row.name,
      day: row.day,
      requests: row.requests,
      promptTokens: row.prompt_tokens,
      cachedTokens: row.cached_tokens,
      generatedTokens: row.generated_tokens,
    }));
  }

  /** Adds to what is there, all of it or nothing. */
  addUsage(more: Iterable<DayUsage>): void {
    const upsert = `INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name, day) DO UPDATE SET
      requests = requests + excluded.requests,
      prompt_tokens = prompt_tokens + excluded.prompt_tokens,
      cached_tokens = cached_tokens + excluded.cached_tokens,
      generated_tokens = generated_tokens + excluded.generated_tokens`;
    this.#transaction(() => {
      const statement = this.#db.prepare(upsert);
      for (const { name, day, requests, promptTokens, cachedTokens, generatedTokens } of more) {
        statement.run(name, day, requests, promptTokens, cachedTokens, generatedTokens);
      }
    });
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #transaction<T>(act: () => T): T {
    return this.#do(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const result = act();
        this.#db.exec('COMMIT');
        return result;
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #do<T>(act: () => T): T {
    return guarded(this.#path, act);
  }
}

function prepareTables(db: DatabaseSync): void {
  // Two processes may find the file empty at once.
  db.exec('BEGIN IMMEDIATE');
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as {
    user_version: number;
  };
  if (version > VERSION) {
    throw new Error(
      `it was made by a newer Hearth (version ${version}, this one knows ${VERSION})`,
    );
  }
  if (version === 0) db.exec(TABLES);
  db.exec('COMMIT');
}

function guarded<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new KeyStoreError(`cannot use the key file ${path}: ${why}`, { cause: error });
  }
}

function toKey(row: KeyRow): ApiKey {
  return {
    name: row.name,
    sha256: row.sha256,
    priorityMax: row.priority_max as Priority,
    limits: {
      requestsPerMinute: row.requests_per_minute ?? undefined,
      burst: row.burst ?? undefined,
      tokensPerMinute: row.tokens_per_minute ?? undefined,
      tokensPerDay: row.tokens_per_day ?? undefined,
      concurrencyMax: row.concurrency_max ?? undefined,
    },
    models: row.models === null ? undefined : (JSON.parse(row.models) as string[]),
    isAdmin: row.admin === 1,
    createdMs: row.created_ms,
    expiresMs: row.expires_ms ?? undefined,
    revokedMs: row.revoked_ms ?? undefined,
  };
}
