/**
 * The gate: which key a secret belongs to, among those of the configuration and those of the key file.
 *
 *   open ──a key appears──▶ closed ──the last one is forgotten──▶ open        on loopback
 *   closed                                                                    when other machines can reach us
 *
 * The file is looked at once a second at most, when somebody asks, and at once for a secret that is not
 * known: a key that was just added holds at its first use, one that was revoked holds a second longer.
 *
 * A file that cannot be read keeps the gate closed: the keys of before hold, and no others.
 *
 * Units   ms of the wall clock, for expiry; the caller's clock says when to look.
 * Errors  RequestError `invalid_api_key` or `key_expired`. KeyStoreError at construction only: later the
 *         keys of before hold on, and the log says why. Error when a key of the configuration has the name of
 *         one in the file.
 */
import { timingSafeEqual } from 'node:crypto';

import type { Clock } from '../core/clock.ts';
import { RequestError } from '../core/errors.ts';
import { ANYBODY, type ApiKey, type Caller, type Gate } from '../core/gate.ts';
import type { Log } from '../core/log.ts';
import type { KeyFile } from './key-file.ts';
import { hashOf } from './secret.ts';

export interface KeyRingOptions {
  /** Those of the configuration, at first. */
  readonly configured: readonly ApiKey[];
  readonly file: KeyFile;
  /** Other machines can reach the server: without a key nobody passes, whatever was revoked. */
  readonly isPublic: boolean;
  readonly clock: Clock;
  /** ms since the epoch. */
  readonly wallMs: () => number;
  readonly log: Log;
}

interface Known {
  readonly key: ApiKey;
  readonly hash: Buffer;
}

const LOOK_INTERVAL_MS = 1_000;

export class KeyRing implements Gate {
  readonly #options: KeyRingOptions;
  #configured: readonly Known[];
  #stored: readonly Known[] = [];
  #lookedMs: number;
  #isUnreadable = false;

  constructor(options: KeyRingOptions) {
    this.#options = options;
    this.#configured = options.configured.map(toKnown);
    this.#lookedMs = options.clock.nowMs();
    this.#stored = (options.file.changedKeys() ?? []).map(toKnown);
    this.#assertNamesDiffer(this.#configured);
  }

  /** Hold from now on, in place of those of the configuration before. Throws and changes nothing, or takes all. */
  setConfigured(configured: readonly ApiKey[]): void {
    const known = configured.map(toKnown);
    this.#look();
    this.#assertNamesDiffer(known);
    this.#configured = known;
  }

  get isOpen(): boolean {
    this.#lookIfDue();
    // There may be keys that we cannot read: whoever made them thinks that the server is closed.
    if (this.#isUnreadable) return false;
    return !this.#options.isPublic && this.#configured.length === 0 && this.#stored.length === 0;
  }

  /** Keys that would let somebody in now. */
  get valid(): readonly ApiKey[] {
    return this.validWith(this.#configured.map(({ key }) => key));
  }

  /** Those that would if `configured` were those of the configuration. */
  validWith(configured: readonly ApiKey[]): readonly ApiKey[] {
    return [...configured, ...this.#stored.map(({ key }) => key)].filter(
      (key) => key.revokedMs === undefined && !this.#isExpired(key),
    );
  }

  identify(secret: string | undefined): Caller {
    if (this.isOpen) return ANYBODY;
    if (secret === undefined) {
      throw new RequestError(
        'invalid_api_key',
        'This server needs an API key: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`',
      );
    }
    const hash = hashOf(secret);
    let key = this.#find(hash);
    if (key === undefined && this.#look()) key = this.#find(hash);
    if (key === undefined) {
      throw new RequestError('invalid_api_key', 'The API key is not one of this server');
    }
    if (key.revokedMs !== undefined) {
      throw new RequestError(
        'invalid_api_key',
        `The API key ${JSON.stringify(key.name)} was revoked on ${toDate(key.revokedMs)}`,
      );
    }
    if (this.#isExpired(key)) {
      throw new RequestError(
        'key_expired',
        `The API key ${JSON.stringify(key.name)} expired on ${toDate(key.expiresMs!)}`,
      );
    }
    return key;
  }

  /** Looks at every key, so that the time says nothing about which one it was. */
  #find(hash: Buffer): ApiKey | undefined {
    let found: ApiKey | undefined;
    for (const keys of [this.#configured, this.#stored]) {
      for (const known of keys) if (timingSafeEqual(known.hash, hash)) found = known.key;
    }
    return found;
  }

  #isExpired({ expiresMs }: ApiKey): boolean {
    return expiresMs !== undefined && expiresMs <= this.#options.wallMs();
  }

  #lookIfDue(): void {
    if (this.#options.clock.nowMs() - this.#lookedMs >= LOOK_INTERVAL_MS) this.#look();
  }

  /** True when the keys of the file are others now. */
  #look(): boolean {
    const { file, clock, log } = this.#options;
    this.#lookedMs = clock.nowMs();
    try {
      const keys = file.changedKeys();
      this.#isUnreadable = false;
      if (keys === undefined) return false;
      this.#stored = keys.map(toKnown);
      log.info({ count: keys.length }, 'API keys read');
      return true;
    } catch (error) {
      if (!this.#isUnreadable) {
        log.error({ err: error }, 'cannot read the API keys; those of before hold, and no others');
      }
      this.#isUnreadable = true;
      return false;
    }
  }

  #assertNamesDiffer(configured: readonly Known[]): void {
    const stored = new Set(this.#stored.map(({ key }) => key.name));
    const twice = configured.find(({ key }) => stored.has(key.name));
    if (twice === undefined) return;
    const name = JSON.stringify(twice.key.name);
    throw new Error(
      `the API key ${name} is in the configuration and in ${this.#options.file.path}. Rename the one in the configuration, or remove the other with "hearth key revoke --forget".`,
    );
  }
}

function toKnown(key: ApiKey): Known {
  return { key, hash: Buffer.from(key.sha256, 'hex') };
}

function toDate(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
