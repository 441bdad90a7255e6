/**
 * The port for whoever runs the server: what its workers do, and what they shall do.
 *
 * Units   ms, bytes, tokens.
 * Errors  RequestError `model_not_found`, `worker_not_found`; CapacityError `model_failed`.
 */
import type { ModelInfo, ModelState } from './engine.ts';

export interface WorkerInfo {
  /** `<model>-<n>`, as `hearth ps` shows it. */
  readonly id: string;
  readonly model: string;
  readonly pid: number | undefined;
  readonly state: ModelState;
  /** Since it was started. */
  readonly ageMs: number;
  /** Requests that run on it, and those that it has ended. */
  readonly active: number;
  readonly served: number;
  /** Of the last heartbeat; undefined before the first. */
  readonly heartbeat:
    | {
        readonly ageMs: number;
        readonly phase: string;
        readonly steps: number;
        readonly rssBytes: number;
        readonly threads: number;
        readonly gpuBytes: number;
        readonly kvUsedTokens: number;
      }
    | undefined;
}

export interface Operator {
  workers(): readonly WorkerInfo[];
  /** Also one that was stopped or has failed. Resolves when it is ready, rejects with `model_failed`. */
  load(model: string): Promise<ModelInfo>;
  /**
   * Takes no new requests to it, lets running ones end within the drain timeout, then ends
   * its worker. The next request loads it again.
   */
  unload(model: string): Promise<ModelInfo>;
  /**
   * Replaces the workers of a model, or one by its id or pid: new ones first where there is memory for both, and no
   * request fails. Resolves when the new ones serve, rejects with `model_failed` when they do not.
   */
  recycle(name: string): Promise<ModelInfo>;
  /** A worker by id or pid, or all of a model. As `unload`, and nothing but `load` starts it again. */
  stop(worker: string): Promise<ModelInfo>;
}
