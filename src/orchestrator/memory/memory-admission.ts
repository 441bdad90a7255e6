/**
 * A model is loaded only if it fits: what it needs is reserved before, models that nobody uses go for it,
 * and if that is not enough it is refused with both numbers. One at a time, so that two models never
 * count on the same memory.
 *
 * What a model needs: what it took the last time; else, where nothing else is loaded, a generous guess from
 * the size of its file, if that fits; else an estimate from the header, which only a worker can make. What
 * it takes in fact replaces all of them as soon as it is measured.
 *
 * Units   bytes.
 * Errors  CapacityError `insufficient_memory`; what the estimate throws.
 */
import { statSync } from 'node:fs';

import type { Log } from '../../core/log.ts';
import type { ModelSpec } from '../../models/spec.ts';
import * as refusals from '../refusals.ts';
import type { MemoryBook } from './memory-book.ts';
import { type Evictable, MemoryBudget } from './memory-budget.ts';

export interface MemoryAdmissionOptions {
  readonly budgetBytes: number;
  readonly book: MemoryBook;
  /** Models that are loaded, idle and not pinned. */
  readonly evictable: () => readonly Evictable[];
  /** Resolves when its process is gone. */
  readonly evict: (model: string) => Promise<void>;
  readonly log: Log;
}

export interface Admission {
  /** Nobody has asked for the model yet: others do not have to go for it. */
  readonly mayEvict: boolean;
  readonly estimate: () => Promise<number>;
  /** False once its worker is gone: then nothing is reserved, and nobody goes for it. */
  readonly isAlive: () => boolean;
}

/** 0 where it cannot be told: the worker will say what is wrong with it. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** Of a transformer's cache per token against its weights; seen up to 1/540 on tiny models. */
const CACHE_SHARE_PER_TOKEN = 1 / 500;
/** A process, its library, its buffers. */
const PROCESS_BYTES = 256e6;

export class MemoryAdmission {
  readonly #options: MemoryAdmissionOptions;
  readonly #budget: MemoryBudget;
  /** Of those that are loaded, by holder. */
  readonly #measured = new Map<string, number>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: MemoryAdmissionOptions) {
    this.#options = options;
    this.#budget = new MemoryBudget(options.budgetBytes);
  }

  /** Resolves when the model's memory is reserved for the holder, one worker. */
  admit(spec: ModelSpec, holder: string, admission: Admission): Promise<void> {
    const turn = this.#last.then(() => this.#admit(spec, holder, admission));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** What a loaded model takes now; of what it was seen to take, the most counts. */
  measured(spec: ModelSpec, holder: string, bytes: number): void {
    const before = this.#measured.get(holder) ?? 0;
    if (!this.#budget.has(holder) || bytes <= before) return;
    this.#measured.set(holder, bytes);
    this.#options.book.measured(spec, bytes);
    this.#budget.reserve(holder, spec.name, bytes);
  }

  /** Its worker is gone. */
  release(holder: string): void {
    this.#measured.delete(holder);
    this.#budget.release(holder);
  }

  async #admit(
    spec: ModelSpec,
    holder: string,
    { mayEvict, estimate, isAlive }: Admission,
  ): Promise<void> {
    const assertAlive = () => {
      if (!isAlive()) throw refusals.endedUnasked(spec.name);
    };
    assertAlive();
    const needBytes = this.#quickNeed(spec) ?? (await estimate());
    assertAlive();
    if (needBytes > this.#budget.freeBytes) await this.#makeRoom(spec, needBytes, mayEvict);
    assertAlive();
    this.#budget.reserve(holder, spec.name, needBytes);
  }

  #quickNeed(spec: ModelSpec): number | undefined {
    const known = this.#options.book.needOf(spec);
    const isGuessable = spec.backend === 'llama-cpp' && this.#budget.isEmpty;
    if (known !== undefined || !isGuessable) return known;
    const fileBytes = sizeOf(spec.path);
    const tokens = spec.contextTokens * (spec.slots + spec.highSpare);
    const guess = PROCESS_BYTES + fileBytes * (1 + tokens * CACHE_SHARE_PER_TOKEN);
    return guess <= this.#budget.budgetBytes ? guess : undefined;
  }

  async #makeRoom({ name }: ModelSpec, needBytes: number, mayEvict: boolean): Promise<void> {
    const { evictable, evict, log } = this.#options;
    const { budgetBytes } = this.#budget;
    const refused = () => {
      const { freeBytes } = this.#budget;
      return refusals.insufficientMemory(name, { needBytes, budgetBytes, freeBytes });
    };
    if (!mayEvict) throw refused();
    const candidates = evictable().filter(({ model }) => model !== name);
    const models = this.#budget.evictionsFor(needBytes, candidates);
    if (models === undefined) throw refused();
    for (const model of models) {
      // Somebody may have asked for it while the one before it went.
      if (!evictable().some((one) => one.model === model)) continue;
      log.info({ model, for: name, needBytes }, 'unloading a model for another one');
      await evict(model);
    }
    // One that was asked for meanwhile has not gone, or has come back.
    if (needBytes > this.#budget.freeBytes) throw refused();
  }
}
