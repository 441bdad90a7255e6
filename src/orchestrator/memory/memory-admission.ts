/**
 * A model is loaded only if it fits: what it needs is reserved before, models that nobody uses go for it, and busy
 * ones after what runs on them, if requests wait for it. If all that is not enough it is refused with both numbers.
 * One decision at a time, so that two models never count on the same memory.
 *
 *   asked ──▶ admitted
 *     │  └──▶ refused          pinned ones are in the way, or nobody waits for it
 *     └─▶ waiting for busy ones ──▶ asked again      meanwhile smaller ones may pass, with what it leaves over
 *
 * A model that has just been loaded stays for a while (`RESIDENCE_LOADS`), or two models that are both asked for all
 * the time would do nothing but load.
 *
 * What a model needs: what it took the last time; else, where nothing else is loaded, a generous guess from
 * the size of its file, if that fits; else an estimate from the header, which only a worker can make. What
 * it takes in fact replaces all of them as soon as it is measured.
 *
 * Units   bytes, ms.
 * Errors  CapacityError `insufficient_memory`; what the estimate throws.
 */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Clock } from '../../core/clock.ts';
import type { CapacityError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ModelSpec } from '../../models/spec.ts';
import * as refusals from '../refusals.ts';
import type { MemoryBook } from './memory-book.ts';
import { MemoryBudget, type Resident } from './memory-budget.ts';

/** A model that holds memory, perhaps on its way out, and is not pinned. */
export interface Evictable extends Resident {
  /** Since when it serves, and how long its load took; undefined while it does not serve. */
  readonly served: { readonly sinceMs: number; readonly loadMs: number } | undefined;
}

export interface MemoryAdmissionOptions {
  readonly budgetBytes: number;
  readonly book: MemoryBook;
  readonly evictable: () => readonly Evictable[];
  /** Ends what runs there first. Resolves when its processes are gone. */
  readonly evict: (model: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Admission {
  /** Nobody has asked for the model yet: others do not have to go for it. */
  readonly mayEvict: boolean;
  readonly estimate: () => Promise<number>;
  /** False once its worker is gone: then nothing is reserved, and nobody goes for it. */
  readonly isAlive: () => boolean;
  /** Requests wait for it: then busy models go for it, too. */
  readonly isAwaited: () => boolean;
}

/** 0 where it cannot be told: the worker will say what is wrong with it. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** How often it looks again while it waits. */
const LOOK_MS = 50;
/** A loaded model stays for so many times as long as its load took, and not less than RESIDENCE_MIN_MS. */
const RESIDENCE_LOADS = 4;
const RESIDENCE_MIN_MS = 1_000;
/** Of a transformer's cache per token against its weights; seen up to 1/540 on tiny models. */
const CACHE_SHARE_PER_TOKEN = 1 / 500;
/** A process, its library, its buffers. */
const PROCESS_BYTES = 256e6;

export class MemoryAdmission {
  readonly #options: MemoryAdmissionOptions;
  readonly #budget: MemoryBudget;
  /** Of those that are loaded, by holder. */
  readonly #measured = new Map<string, number>();
  /** What they need, by holder, those that came first first. */
  readonly #waiting = new Map<string, number>();
  /** Models that are on their way out, for others. */
  readonly #going = new Map<string, Promise<void>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: MemoryAdmissionOptions) {
    this.#options = options;
    this.#budget = new MemoryBudget(options.budgetBytes);
  }

  /** Resolves when the model's memory is reserved for the holder, one worker. */
  async admit(spec: ModelSpec, holder: string, admission: Admission): Promise<void> {
    try {
      while (!(await this.#inTurn(() => this.#admit(spec, holder, admission)))) {
        await this.#waitForOthers(spec, holder);
      }
    } finally {
      this.#waiting.delete(holder);
    }
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

  #inTurn<T>(decide: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(decide);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** False: it has to wait until busy models have gone. */
  async #admit(spec: ModelSpec, holder: string, admission: Admission): Promise<boolean> {
    const { mayEvict, estimate, isAlive, isAwaited } = admission;
    const { name } = spec;
    const assertAlive = () => {
      if (!isAlive()) throw refusals.endedUnasked(name);
    };
    assertAlive();
    const needBytes = this.#waiting.get(holder) ?? this.#quickNeed(spec) ?? (await estimate());
    assertAlive();
    const owedBytes = this.#owedBefore(holder);
    if (!this.#fits(name, needBytes, owedBytes)) {
      const going = mayEvict ? this.#goingFor(name, needBytes + owedBytes) : undefined;
      if (going === undefined) throw this.#refusal(name, needBytes);
      if (going.some(({ isIdle }) => !isIdle)) {
        if (!isAwaited()) throw this.#refusal(name, needBytes);
        this.#waiting.set(holder, needBytes);
        return false;
      }
      for (const { model } of going) await this.#evict(model, spec);
      assertAlive();
      // One that was asked for meanwhile has not gone, or has come back.
      return this.#admit(spec, holder, admission);
    }
    this.#budget.reserve(holder, name, needBytes);
    return true;
  }

  /** Makes the busy ones go that have been there for long enough; comes back to be decided anew. */
  async #waitForOthers(spec: ModelSpec, holder: string): Promise<void> {
    const bytes = this.#waiting.get(holder)! + this.#owedBefore(holder);
    const nowMs = this.#options.clock.nowMs();
    for (const { model, served } of this.#goingFor(spec.name, bytes) ?? []) {
      if (served === undefined || this.#going.has(model)) continue;
      const staysMs = Math.max(RESIDENCE_MIN_MS, RESIDENCE_LOADS * served.loadMs);
      if (nowMs - served.sinceMs >= staysMs) void this.#evict(model, spec);
    }
    await sleep(LOOK_MS, undefined, { ref: false });
  }

  #evict(model: string, { name }: ModelSpec): Promise<void> {
    const { evict, evictable, log } = this.#options;
    // Somebody may have unloaded it while the one before it went.
    if (!evictable().some((one) => one.model === model)) return Promise.resolve();
    const before = this.#going.get(model);
    if (before !== undefined) return before;
    log.info({ model, for: name }, 'unloading a model for another one');
    const going = evict(model).finally(() => this.#going.delete(model));
    this.#going.set(model, going);
    return going;
  }

  /** Also beside those that came before, once they have what they wait for. */
  #fits(name: string, needBytes: number, owedBytes: number): boolean {
    if (needBytes > this.#budget.freeBytes) return false;
    const going = this.#goingFor(name, owedBytes);
    return going === undefined || needBytes + owedBytes <= this.#budget.freeBytesAfter(going);
  }

  #goingFor(name: string, bytes: number): readonly Evictable[] | undefined {
    const residents = this.#options.evictable().filter(({ model }) => model !== name);
    return this.#budget.evictionsFor(bytes, residents);
  }

  #owedBefore(holder: string): number {
    let owed = 0;
    for (const [other, bytes] of this.#waiting) {
      if (other === holder) break;
      owed += bytes;
    }
    return owed;
  }

  #refusal(name: string, needBytes: number): CapacityError {
    const { freeBytes, budgetBytes } = this.#budget;
    return refusals.insufficientMemory(name, { needBytes, budgetBytes, freeBytes });
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
}
