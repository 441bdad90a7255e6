/**
 * The words between the pure scheduler and the loop that owns it: events go in, effects come out.
 *
 * A request is named by its `key`, a number that is never used twice; ids that clients may choose
 * are not names. The life of a key, as the scheduler sees it:
 *
 *   submitted ──▶ rejected                                         (the end)
 *            `──▶ queued ──▶ dropped                               (the end)
 *             `─────┴──────▶ granted ──ended──▶                    (the end)
 *                    ▲          │
 *                    `─returned─´    before it had a token: its replica died, or it was preempted
 *
 * Units  times in ms of the monotonic clock; `units` are sequences.
 */
import type { Priority } from '../../core/priority.ts';
import type { Trail } from './prefix-memory.ts';

export type SchedulerEvent =
  | {
      readonly type: 'submitted';
      readonly key: number;
      readonly model: string;
      readonly priority: Priority;
      /** Whose it is: tenants of a class get equal shares. */
      readonly tenant: string;
      /** Slots it needs at once. More than a replica has means: all that it has. */
      readonly units: number;
      /** Slots that its tenant may have at once, over all models; undefined: as many as there are. */
      readonly tenantMax?: number | undefined;
      /** The beginnings of its prompt, for models with several replicas. */
      readonly trail?: Trail | undefined;
    }
  /** The worker has counted its prompt. */
  | {
      readonly type: 'accepted';
      readonly key: number;
      readonly promptTokens: number;
      readonly cachedTokens: number;
    }
  /** Tokens of it have come: from the first on it cannot be begun anew. */
  | { readonly type: 'generated'; readonly key: number; readonly tokens: number }
  /** Nobody wants the answer any more. */
  | { readonly type: 'cancelled'; readonly key: number }
  /** A granted request is over, however it ended: its slots are free. */
  | { readonly type: 'ended'; readonly key: number }
  /** A granted request goes back to its place in the queue, at most once per grant. */
  | { readonly type: 'returned'; readonly key: number }
  /** Deadlines may have passed. */
  | { readonly type: 'tick' }
  /** A replica can answer with so many slots, and `spare` more that are for the high class alone. */
  | {
      readonly type: 'ready';
      readonly model: string;
      /** Never used twice. */
      readonly replica: number;
      readonly slots: number;
      readonly spare: number;
    }
  /** It takes no more requests; what runs on it is reported by `ended` or `returned`, one by one. */
  | { readonly type: 'lost'; readonly model: string; readonly replica: number }
  /** No replica will come: what waits is dropped, what arrives is rejected. */
  | { readonly type: 'failed'; readonly model: string }
  /** A failed model is tried again: requests may wait for it. */
  | { readonly type: 'revived'; readonly model: string }
  /** A model that requests may come for from now on. Idempotent. */
  | { readonly type: 'added'; readonly model: string }
  /** Nothing waits or runs for it, and nothing more will come. */
  | { readonly type: 'removed'; readonly model: string }
  /** Nothing new; what is queued and running goes on. */
  | { readonly type: 'drain' }
  /** Drops everything that waits. */
  | { readonly type: 'stop' };

export type Rejection = 'queue_full' | 'draining' | 'model_failed';
export type Drop = 'cancelled' | 'queue_timeout' | 'draining' | 'model_failed';

/** What the scheduler decided. None of these may throw, wait or call the scheduler. */
export interface Effects {
  /** `retryAfterMs` is undefined when no time helps. */
  rejected(key: number, reason: Rejection, retryAfterMs: number | undefined): void;
  /** Admitted, and `position` requests will be granted before it. */
  queued(key: number, position: number): void;
  granted(key: number, waitMs: number, replica: number): void;
  /** Left the queue unserved. */
  dropped(key: number, reason: Drop, waitMs: number): void;
  /** Makes room for the high class: its replica must be told, and `returned` must follow. */
  preempted(key: number): void;
  /** Was running when it was cancelled: its replica must be told. Its slot is busy until `ended`. */
  interrupted(key: number): void;
}
