/**
 * When a worker has served long enough to be replaced by a new one. Pure.
 *
 * Drift: the memory that a worker holds with nothing to do, against the most that it held so while its first
 * WARM_REQUESTS ended: by then caches are filled and what still grows leaks.
 *
 * Units   ms, bytes, requests.
 * Errors  none. Source: rows SP-128 … SP-156.
 */
export interface RecycleLimits {
  readonly afterMs?: number | undefined;
  readonly afterRequests?: number | undefined;
  readonly aboveBytes?: number | undefined;
  readonly driftBytes?: number | undefined;
}

export type RecycleReason =
  | 'ttl_expired'
  | 'max_requests'
  | 'memory_threshold'
  | 'memory_drift'
  | 'configuration'
  | 'manual';

export interface Age {
  readonly ageMs: number;
  /** Requests that it has ended. */
  readonly served: number;
  readonly active: number;
  /** Undefined until it has said so. */
  readonly bytes: number | undefined;
}

const WARM_REQUESTS = 100;

export class Recycling {
  readonly #limits: RecycleLimits;
  #warmBytes = 0;

  constructor(limits: RecycleLimits) {
    this.#limits = limits;
  }

  /** Why it is due, or undefined when it is not. Looked at often: it learns from what it is shown. */
  due({
    ageMs,
    served,
    active,
    bytes,
  }: Age): Exclude<RecycleReason, 'manual' | 'configuration'> | undefined {
    const { afterMs, afterRequests, aboveBytes, driftBytes } = this.#limits;
    if (afterMs !== undefined && ageMs >= afterMs) return 'ttl_expired';
    if (afterRequests !== undefined && served >= afterRequests) return 'max_requests';
    if (bytes === undefined) return undefined;
    if (aboveBytes !== undefined && bytes > aboveBytes) return 'memory_threshold';
    if (active > 0) return undefined;
    if (served <= WARM_REQUESTS) this.#warmBytes = Math.max(this.#warmBytes, bytes);
    else if (driftBytes !== undefined && this.#warmBytes > 0) {
      if (bytes - this.#warmBytes > driftBytes) return 'memory_drift';
    }
    return undefined;
  }
}
