/** What a model name means: one row of the table that requests are looked up in. */
import type { RequestDefaults } from '../core/engine.ts';

export const BACKENDS = ['llama-cpp', 'mlx', 'fake'] as const;
export type BackendName = (typeof BACKENDS)[number];

export interface ModelSpec {
  /** What clients write in `model`. An identifier, never a path. */
  readonly name: string;
  readonly backend: BackendName;
  /** A GGUF file; for `mlx` a folder or a GGUF file; for `fake` a JSON script. Absolute. */
  readonly path: string;
  /** What it is good for, in one line for people. */
  readonly description?: string | undefined;
  readonly slots: number;
  /** Beyond `slots`, for the high class alone. */
  readonly highSpare: number;
  /** Workers that hold it, each with all its slots. */
  readonly replicas: number;
  /** When a worker of it is replaced by a new one. */
  readonly recycle: {
    readonly afterMs?: number | undefined;
    readonly afterRequests?: number | undefined;
    readonly aboveBytes?: number | undefined;
    readonly driftBytes?: number | undefined;
  };
  /** Per slot. */
  readonly contextTokens: number;
  /** `auto`: a part of the machine's, by how many workers there are (`thread-budget.ts`). */
  readonly threads: 'auto' | number;
  /** False: the first request loads it. */
  readonly preload: boolean;
  /** Unloaded after so long without a request; infinite: never. */
  readonly keepAliveMs: number;
  /** Never unloaded for another model. */
  readonly pin: boolean;
  readonly gpu: 'auto' | 'metal' | 'cuda' | 'vulkan' | 'off';
  /** For the backend alone, such as `llamaPath`. */
  readonly options?: Readonly<Record<string, string>> | undefined;
  readonly defaults: RequestDefaults;
}
