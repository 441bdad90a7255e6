/**
 * What the orchestrator tells the outside about itself, for metrics. Calls are synchronous, cheap
 * and never throw. Units: ms, bytes, tokens; labels are bounded (model names come from the table).
 */

import type { ModelState, Usage } from './engine.ts';
import type { Latency } from './latency.ts';
import type { Priority } from './priority.ts';

interface RequestLabels {
  readonly model: string;
  readonly priority: Priority;
}

export type Outcome = 'stop' | 'length' | 'tool_calls' | 'cancelled' | 'failed';

/** `unavailable`: it cannot be made, opened or written. */
export type ArenaFallback = 'unavailable' | 'full' | 'disk_full';

export interface WorkerVitals {
  /** Its number among those of its model. */
  readonly worker: number;
  readonly ageMs: number;
  readonly steps: number;
  readonly rssBytes: number;
  readonly gpuBytes: number;
  readonly kvUsedTokens: number;
}

export interface Observer {
  queued(labels: RequestLabels): void;
  /** Left the queue, to a slot or otherwise. */
  dequeued(labels: RequestLabels & { readonly granted: boolean; readonly waitMs: number }): void;
  rejected(refused: {
    readonly reason: 'rate_limited' | 'queue_full' | 'draining' | 'model_failed';
    readonly priority: Priority;
  }): void;
  /** Beside `rejected`: whose limit it was. The names of keys are few. */
  rateLimited(tenant: string): void;
  /** A generation is over, for whom, and what it took. Of a list of prompts the first is the request. */
  used(tenant: string, usage: Usage, requests: 0 | 1): void;
  queueTimeout(priority: Priority): void;
  /** Gave its slot back to the high class before its first token, and waits again. */
  preempted(labels: RequestLabels): void;
  firstToken(labels: RequestLabels & { readonly ttftMs: number }): void;
  /** Time between two frames with tokens of one sequence. */
  tokenGap(gapMs: number): void;
  ended(
    labels: RequestLabels & {
      readonly outcome: Outcome;
      readonly usage: Usage;
      readonly latency: Latency | undefined;
    },
  ): void;
  slots(model: string, counts: { readonly busy: number; readonly free: number }): void;
  workerState(model: string, state: ModelState): void;
  workerRestarted(model: string, reason: string): void;
  /** Replaced by a new one, before anything was wrong with it. */
  workerRecycled(model: string, reason: string): void;
  /** Of all workers of a model. */
  workerVitals(model: string, vitals: readonly WorkerVitals[]): void;
  /** Unloaded to make room for another one. */
  evicted(model: string): void;
  modelLoaded(model: string, loadMs: number): void;
  /** It is no more in the table. */
  modelRemoved(model: string): void;
  /** A large prompt went to its worker over the channel, because shared memory could not be used. */
  arenaFallback(reason: ArenaFallback): void;
}

function nothing(): void {}

export const silentObserver: Observer = {
  queued: nothing,
  dequeued: nothing,
  rejected: nothing,
  rateLimited: nothing,
  used: nothing,
  queueTimeout: nothing,
  preempted: nothing,
  firstToken: nothing,
  tokenGap: nothing,
  ended: nothing,
  slots: nothing,
  workerState: nothing,
  workerRestarted: nothing,
  workerRecycled: nothing,
  workerVitals: nothing,
  evicted: nothing,
  modelLoaded: nothing,
  modelRemoved: nothing,
  arenaFallback: nothing,
};
