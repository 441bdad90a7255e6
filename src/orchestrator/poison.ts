/**
 * Requests with which workers died. One with which two have died is poison: it is not tried again, and the
 * same request is refused for a while, else a client that tries again would go on to kill one worker
 * after the other. Pure.
 *
 * What is the same: the model and the prompt. Sampling does not count, because a seed that is drawn
 * anew would make every attempt another request. Requests that ran beside the guilty one in both deaths
 * are taken for guilty, too: nobody can tell.
 *
 * Units   ms of the monotonic clock.
 * Errors  none.
 */
import { createHash } from 'node:crypto';

import type { GenerationRequest } from '../core/engine.ts';

interface Deaths {
  count: number;
  /** Of the newest: two requests of one prompt may be lost in one death. */
  death: unknown;
  untilMs: number;
}

const DEADLY = 2;
const REMEMBERED_MS = 60_000;
/** Beyond so many the oldest are forgotten: nobody can fill our memory with them. */
const REMEMBERED_MAX = 256;

export class PoisonList {
  /** By fingerprint, the one that is forgotten first in front. */
  readonly #deaths = new Map<string, Deaths>();

  /** A worker has died with it; `death` is the same for all that were lost with it. True: it is poison. */
  died(request: GenerationRequest, death: unknown, nowMs: number): boolean {
    this.#forget(nowMs);
    const print = fingerprint(request);
    const before = this.#deaths.get(print);
    const isNew = before?.death !== death;
    const count = (before?.count ?? 0) + (isNew ? 1 : 0);
    this.#deaths.delete(print);
    this.#deaths.set(print, { count, death, untilMs: nowMs + REMEMBERED_MS });
    if (this.#deaths.size > REMEMBERED_MAX) this.#deaths.delete(this.#deaths.keys().next().value!);
    return count >= DEADLY;
  }

  /** How long it is still refused; 0 when it is not. Costs nothing while nothing is remembered. */
  refusedForMs(request: GenerationRequest, nowMs: number): number {
    this.#forget(nowMs);
    if (this.#deaths.size === 0) return 0;
    const known = this.#deaths.get(fingerprint(request));
    return known === undefined || known.count < DEADLY ? 0 : known.untilMs - nowMs;
  }

  #forget(nowMs: number): void {
    for (const [print, { untilMs }] of this.#deaths) {
      if (untilMs > nowMs) return;
      this.#deaths.delete(print);
    }
  }
}

function fingerprint({ model, prompt }: GenerationRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([model, prompt]))
    .digest('base64');
}
