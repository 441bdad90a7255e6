/** Keys of a server under test: a real key file in a folder of its own, and clocks that the test sets. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ApiKey } from '../../src/core/gate.ts';
import { silentLog } from '../../src/core/log.ts';
import { KeyFile } from '../../src/keys/key-file.ts';
import { KeyRing, type KeyRingOptions } from '../../src/keys/key-ring.ts';
import { hashOf } from '../../src/keys/secret.ts';

export function makeKey(name: string, secret: string, more: Partial<ApiKey> = {}): ApiKey {
  return {
    name,
    sha256: hashOf(secret).toString('hex'),
    priorityMax: 'high',
    limits: {},
    models: undefined,
    isAdmin: false,
    ...more,
  };
}

export class KeyFixture implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'hearth-keys-'));
  readonly file = new KeyFile(this.dir);
  nowMs = 0;
  wallMs = Date.UTC(2026, 0, 1, 12);
  readonly #others: KeyFile[] = [];

  ring(options: Partial<KeyRingOptions> = {}): KeyRing {
    return new KeyRing({
      configured: [],
      file: this.file,
      isPublic: false,
      clock: { nowMs: () => this.nowMs },
      wallMs: () => this.wallMs,
      log: silentLog,
      ...options,
    });
  }

  /** As another process sees it. */
  other(): KeyFile {
    const file = new KeyFile(this.dir);
    this.#others.push(file);
    return file;
  }

  [Symbol.dispose](): void {
    for (const file of [this.file, ...this.#others]) file[Symbol.dispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
