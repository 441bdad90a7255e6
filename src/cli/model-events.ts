/**
 * Metrics that also tell when a model's state changes. The orchestrator reports to one observer;
 * the command line wants to show the load, so it listens on the way.
 */
import { Metrics } from '../api/metrics.ts';
import type { ModelInfo, ModelState } from '../core/engine.ts';

export type ModelListener = (model: ModelInfo) => void;

export class WatchedMetrics extends Metrics {
  readonly #onChange: (model: string) => void;

  constructor(onChange: (model: string) => void) {
    super();
    this.#onChange = onChange;
  }

  override workerState(model: string, state: ModelState): void {
    super.workerState(model, state);
    // The reporter is in the middle of its change: listeners look at it when it is done.
    queueMicrotask(() => this.#onChange(model));
  }
}
