/** A models folder of its own, and pulls into it, with all they tell. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '../../../src/core/clock.ts';
import type { PullDone, PullEvent } from '../../../src/core/puller.ts';
import { TUNING, type Tuning } from '../../../src/models/pull/download.ts';
import { type PullOptions, pull } from '../../../src/models/pull/pull.ts';
import type { LocalHub } from '../../support/hub.ts';

export const FAST: Tuning = {
  ...TUNING,
  silenceMs: 400,
  retry: { attempts: 4, firstMs: 1, maxMs: 10 },
};

const GIB = 2 ** 30;

export class PullFolder implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'hearth-pull-'));
  readonly events: PullEvent[] = [];
  readonly #hub: LocalHub;

  constructor(hub: LocalHub) {
    this.#hub = hub;
  }

  pull(
    reference: string,
    {
      name,
      revision,
      ...options
    }: Partial<PullOptions> & { name?: string; revision?: string } = {},
  ): Promise<PullDone> {
    return pull(
      { reference, name, revision },
      {
        modelsDir: this.dir,
        endpoint: new URL(this.#hub.url),
        token: undefined,
        isOffline: false,
        proxyEnvironment: {},
        userAgent: 'hearth-test',
        room: { bytes: 16 * GIB, contextTokens: 8192 },
        tuning: FAST,
        clock: systemClock,
        signal: AbortSignal.timeout(60_000),
        onEvent: (event) => this.events.push(event),
        ...options,
      },
    );
  }

  get notes(): readonly string[] {
    return this.events.flatMap((one) => (one.event === 'note' ? [one.message] : []));
  }

  /** Everything in it but locks, which stay, and the folder that holds them. */
  list(): readonly string[] {
    return readdirSync(this.dir, { recursive: true, encoding: 'utf8' })
      .filter((path) => path !== '.pull' && !path.endsWith('.lock'))
      .sort();
  }

  path(...names: readonly string[]): string {
    return join(this.dir, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
