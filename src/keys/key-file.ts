/**
 * The key file as a running server sees it: it may not be there yet, and others may write it.
 *
 *   absent ──somebody makes it, or `make()`──▶ open ──close()──▶ closed
 *
 * Errors  KeyStoreError.
 */
import { join } from 'node:path';

import type { ApiKey } from '../core/gate.ts';
import { KeyStore } from './key-store.ts';

export class KeyFile implements Disposable {
  readonly path: string;
  #store: KeyStore | undefined;
  #version: number | undefined;
  #isClosed = false;

  constructor(stateDir: string) {
    this.path = join(stateDir, 'keys.sqlite');
  }

  /** Undefined while there is no file. */
  get store(): KeyStore | undefined {
    if (!this.#isClosed) this.#store ??= KeyStore.openExisting(this.path);
    return this.#store;
  }

  make(): KeyStore {
    this.#store ??= KeyStore.open(this.path);
    return this.#store;
  }

  /** All keys, when the file is another than at the last call; undefined when nothing has changed. */
  changedKeys(): readonly ApiKey[] | undefined {
    const { store } = this;
    if (store === undefined) return undefined;
    const { version } = store;
    if (version === this.#version) return undefined;
    const keys = store.keys();
    this.#version = version;
    return keys;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#store?.[Symbol.dispose]();
    this.#store = undefined;
  }
}
