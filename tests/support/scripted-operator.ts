/** An operator's port over nothing, that remembers what it was told. */
import type { ModelInfo } from '../../src/core/engine.ts';
import { RequestError } from '../../src/core/errors.ts';
import type { Operator, WorkerInfo } from '../../src/core/operator.ts';
import { SCRIPTED_MODEL } from './scripted-engine.ts';

export class ScriptedOperator implements Operator {
  readonly told: string[] = [];
  readonly #workers: readonly WorkerInfo[];

  constructor(workers: readonly WorkerInfo[] = []) {
    this.#workers = workers;
  }

  workers(): readonly WorkerInfo[] {
    return this.#workers;
  }

  async load(model: string): Promise<ModelInfo> {
    return this.#note('load', model, 'ready');
  }

  async unload(model: string): Promise<ModelInfo> {
    return this.#note('unload', model, 'unloaded');
  }

  async recycle(model: string): Promise<ModelInfo> {
    return this.#note('recycle', model, 'ready');
  }

  async stop(worker: string): Promise<ModelInfo> {
    return this.#note('stop', worker, 'stopped');
  }

  #note(what: string, name: string, state: ModelInfo['state']): ModelInfo {
    if (name === 'nobody') throw new RequestError('model_not_found', 'No model is called nobody');
    this.told.push(`${what} ${name}`);
    return { ...SCRIPTED_MODEL, name, state };
  }
}

export const noOperator: Operator = new ScriptedOperator();
