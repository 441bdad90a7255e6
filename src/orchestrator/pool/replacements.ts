/**
 * Replaces workers by new ones, so that no request fails: the new one first where there is memory for both, else what
 * runs ends first, while requests wait. One at a time, so that a model whose workers are all due goes on serving
 * with the others.
 *
 *   serving ──replace()──▶ a new one is hired ──serves──▶ the old one leaves
 *                                │       └──no memory──▶ the old one leaves, and the new one comes after it
 *                                └──died──▶ the old one goes on
 *
 * Units   ms of the monotonic clock.
 * Errors  none: what became of the new one is the answer.
 */
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { ReplicaEnd } from '../replica/replica.ts';
import type { Member } from './member.ts';
import type { RecycleReason } from './recycling.ts';

export interface ReplacementsOptions {
  /** One more than is missing; nobody goes for it. */
  readonly hire: () => Member;
  /** It is given nothing more, and ends when what runs on it has. Resolves when it is gone. */
  readonly letGo: (member: Member) => Promise<void>;
  /** Resolves when the model is ready, or will not be. */
  readonly untilSettled: () => Promise<void>;
  readonly isStopped: () => boolean;
  readonly onReplaced: (reason: RecycleReason) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** One that failed is tried again by itself after it. */
const AGAIN_MS = 60_000;

export class Replacements {
  readonly #options: ReplacementsOptions;
  #running: Promise<unknown> | undefined;
  #dueAgainMs = 0;

  constructor(options: ReplacementsOptions) {
    this.#options = options;
  }

  /** In its turn. Resolves with how the new one ended, when it did not come to serve. */
  async replace(member: Member, reason: RecycleReason): Promise<ReplicaEnd | undefined> {
    while (this.#running !== undefined) await this.#running;
    if (!member.isServing) return undefined;
    const { log, clock, onReplaced } = this.#options;
    log.info({ reason, ...member.info }, 'a worker is replaced');
    const running = this.#replace(member);
    this.#running = running;
    const outcome = await running;
    this.#running = undefined;
    if (outcome === 'replaced') onReplaced(reason);
    if (typeof outcome !== 'object') return undefined;
    this.#dueAgainMs = clock.nowMs() + AGAIN_MS;
    return outcome;
  }

  /** The first of them that is due by its age, its requests or its memory. */
  replaceDue(members: readonly Member[], nowMs: number): void {
    if (this.#running !== undefined || nowMs < this.#dueAgainMs) return;
    for (const member of members) {
      const reason = member.due(nowMs);
      if (reason === undefined) continue;
      void this.replace(member, reason);
      return;
    }
  }

  /** `moot`: it is unloaded or dead, and there is nothing to replace. */
  async #replace(member: Member): Promise<'replaced' | 'moot' | ReplicaEnd> {
    const { hire, letGo, untilSettled, isStopped } = this.#options;
    const next = hire();
    await next.settled;
    if (!member.isServing || isStopped()) return 'moot';
    if (next.isServing) {
      void letGo(member);
      return 'replaced';
    }
    const end = await next.ended;
    if (end === undefined) return 'moot';
    if (end.refused === undefined) return end;
    await letGo(member);
    await untilSettled();
    return 'replaced';
  }
}
