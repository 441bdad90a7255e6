/**
 * The decode loop: the one writer of slots and sequences of this replica.
 *
 *   idle ──add()──▶ stepping ──nothing left to run──▶ idle        close(): stopped, for good
 *
 * One native call at a time. Between two steps, and only there, sequences join, leave and are
 * cancelled; so a cancel takes effect within one step, also inside a long prompt.
 *
 * Units   tokens, milliseconds of a monotonic clock.
 * Errors  a failed step fails every call that was in it with `internal` and empties their slots;
 *         a call that cannot go on fails alone. The loop goes on.
 */
import { BugError, type HearthError, toHearthError } from '../../../core/errors.ts';
import type { BackendStats, CallEnd, SequenceTokens, Sink } from '../../backend.ts';
import type { Executor, StepItem, StepOutcome } from './executor.ts';
import type { Constraint } from './grammar/constraint.ts';
import { type PlanItem, planStep } from './plan.ts';
import { StepRates } from './rates.ts';
import type { Sequence } from './sequence.ts';
import { chooseSlot } from './slots.ts';

interface Slot {
  readonly id: number;
  sequence: Sequence | undefined;
  /** Token ids in the KV cache. Longer than the prompt once the sequence decodes. */
  cached: number[];
  tenant: string;
  lastUsed: number;
  lastStep: number;
  /** Sampled, and not yet evaluated. */
  next: number | undefined;
}

export class StepLoop {
  readonly #executor: Executor;
  readonly #sink: Sink;
  readonly #slots: readonly Slot[];
  readonly #waiting: Sequence[] = [];
  readonly #rates = new StepRates();
  #phase: 'idle' | 'prefill' | 'decode' = 'idle';
  #steps = 0;
  #stepStartedMs: number | undefined;
  /** Since when streams that could go on have not been in a step; undefined when all were. */
  #satOutSinceMs: number | undefined;
  #uses = 0;
  #isClosing = false;
  /** To be set before the next step. */
  #threads: number | undefined;
  /** Something has changed since the members were last settled. */
  #hasNews = false;
  #wake: (() => void) | undefined;
  readonly #stopped: Promise<void>;

  constructor(executor: Executor, { slots, sink }: { slots: number; sink: Sink }) {
    this.#executor = executor;
    this.#sink = sink;
    this.#slots = Array.from({ length: slots }, (_, id) => ({
      id,
      sequence: undefined,
      cached: [],
      tenant: '',
      lastUsed: 0,
      lastStep: 0,
      next: undefined,
    }));
    this.#stopped = this.#run();
  }

  /** Of a job with a grammar it takes what constrains it, and others pass until that has come. */
  add(sequence: Sequence, constraint?: Promise<Constraint>): void {
    this.#waiting.push(sequence);
    this.#wakeUp();
    void constraint?.then((made) => {
      sequence.constraint = made;
      this.#wakeUp();
    });
  }

  credit(call: number, tokens: number): void {
    const sequence = this.#find(call);
    if (sequence === undefined) return;
    sequence.creditTokens += tokens;
    this.#wakeUp();
  }

  cancel(call: number): void {
    const sequence = this.#find(call);
    if (sequence === undefined) return;
    sequence.isCancelled = true;
    this.#wakeUp();
  }

  setThreads(threads: number): void {
    this.#threads = threads;
    this.#wakeUp();
  }

  stats(): BackendStats {
    return {
      phase: this.#phase,
      steps: this.#steps,
      stepMs: this.#stepStartedMs === undefined ? 0 : performance.now() - this.#stepStartedMs,
      active: this.#slots.filter((slot) => slot.sequence !== undefined).length,
      waiting: this.#waiting.length,
      threads: this.#executor.threads,
      gpuBytes: 0,
      kvUsedTokens: this.#slots.reduce((sum, slot) => sum + slot.cached.length, 0),
    };
  }

  /** Ends every call as cancelled, after the step that runs now. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#wakeUp();
    await this.#stopped;
  }

  async #run(): Promise<void> {
    for (;;) {
      this.#hasNews = false;
      await this.#settleMembers();
      if (this.#isClosing) return;
      const plan = this.#plan();
      if (plan.length === 0) {
        this.#phase = 'idle';
        await this.#news();
        continue;
      }
      await this.#step(plan);
    }
  }

  /** News that came while the members were being settled count: they would be slept through. */
  #news(): Promise<void> {
    if (this.#hasNews) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #wakeUp(): void {
    this.#hasNews = true;
    this.#wake?.();
    this.#wake = undefined;
  }

  #find(call: number): Sequence | undefined {
    const running = this.#slots.find((slot) => slot.sequence?.job.call === call);
    return running?.sequence ?? this.#waiting.find((sequence) => sequence.job.call === call);
  }

  /** Between two steps: cancelled sequences leave, waiting ones join, threads come and go. */
  async #settleMembers(): Promise<void> {
    if (this.#threads !== undefined) this.#executor.setThreads(this.#threads);
    this.#threads = undefined;
    for (const slot of this.#slots) {
      const { sequence } = slot;
      if (sequence === undefined || !(sequence.isCancelled || this.#isClosing)) continue;
      this.#release(slot);
      this.#sink.finished(toEnd(sequence, { reason: 'cancelled' }));
    }
    for (let next = 0; next < this.#waiting.length; ) {
      const sequence = this.#waiting[next]!;
      if (sequence.isCancelled || this.#isClosing) {
        this.#waiting.splice(next, 1);
        this.#sink.finished(toEnd(sequence, { reason: 'cancelled' }));
      } else if (sequence.isReady) {
        if (!(await this.#join(sequence))) return;
        this.#waiting.splice(next, 1);
      } else next++;
    }
  }

  /** False when no slot is free. A sequence that cannot be honoured has failed and is done with. */
  async #join(sequence: Sequence): Promise<boolean> {
    const { prompt, job } = sequence;
    const views = this.#slots.map((slot) => ({ ...slot, busy: slot.sequence !== undefined }));
    const choice = chooseSlot(views, prompt, job.tenant);
    if (choice === undefined) return false;

    const slot = this.#slots[choice.id]!;
    try {
      sequence.sampler = this.#executor.createSampler(job.sampling, sequence, sequence.constraint);
    } catch (error) {
      this.#sink.failed(job.call, toHearthError(error).toJSON());
      return true;
    }
    slot.tenant = job.tenant;
    slot.lastUsed = ++this.#uses;
    slot.next = undefined;
    let { cachedTokens } = choice;
    if (slot.cached.length > cachedTokens) {
      const kept = await this.#executor.truncate(slot.id, cachedTokens);
      if (!kept) cachedTokens = 0;
    }
    slot.cached.length = cachedTokens;
    slot.sequence = sequence;
    sequence.cachedTokens = cachedTokens;
    const { promptText } = sequence;
    this.#sink.accepted({
      call: job.call,
      promptTokens: prompt.length,
      cachedTokens,
      ...(promptText === undefined ? {} : { promptText }),
    });
    return true;
  }

  #release(slot: Slot): void {
    slot.sequence?.sampler?.dispose();
    slot.sequence = undefined;
    slot.next = undefined;
  }

  #plan(): PlanItem[] {
    const views = [];
    for (const { id, sequence, cached, lastStep } of this.#slots) {
      if (sequence === undefined) continue;
      views.push({
        slot: id,
        priority: sequence.job.priority,
        order: sequence.order,
        promptLeft: Math.max(0, sequence.prompt.length - cached.length),
        paused: sequence.creditTokens <= 0,
        lastStep,
      });
    }
    const nowMs = performance.now();
    const plan = planStep(views, {
      batchTokens: this.#executor.batchTokens,
      prefillTokensPerMs: this.#rates.prefillTokensPerMs,
      decodeRows: (decoding) => this.#rates.decodeRows(decoding),
      satOutMs: this.#satOutSinceMs === undefined ? 0 : nowMs - this.#satOutSinceMs,
    });
    const isReading = views.some(({ promptLeft }) => promptLeft > 0);
    const satOut = views.some(
      ({ slot, promptLeft, paused }) =>
        promptLeft === 0 && !paused && !plan.some((item) => item.slot === slot),
    );
    // Streams that take turns are in another step in a moment, and have not sat out.
    this.#satOutSinceMs = isReading && satOut ? (this.#satOutSinceMs ?? nowMs) : undefined;
    return plan;
  }

  async #step(plan: readonly PlanItem[]): Promise<void> {
    const items = plan.map((item) => this.#toStepItem(item));
    const promptTokens = items.reduce(
      (sum, item) => sum + (this.#isPrompt(item) ? item.tokens.length : 0),
      0,
    );
    const decoding = items.filter((item) => !this.#isPrompt(item)).length;
    this.#phase = promptTokens > 0 ? 'prefill' : 'decode';
    const started = performance.now();
    this.#stepStartedMs = started;
    let sampled: readonly StepOutcome[];
    try {
      sampled = await this.#executor.step(items);
    } catch (error) {
      await this.#failStep(items, error);
      return;
    } finally {
      this.#stepStartedMs = undefined;
      this.#steps++;
    }
    this.#rates.record({ promptTokens, decoding, ms: performance.now() - started });
    await this.#deliver(items, sampled);
  }

  #isPrompt({ slot, position }: StepItem): boolean {
    return position < (this.#slots[slot]!.sequence?.prompt.length ?? 0);
  }

  #toStepItem({ slot: id, tokens: count }: PlanItem): StepItem {
    const slot = this.#slots[id]!;
    const sequence = slot.sequence!;
    const position = slot.cached.length;
    const left = sequence.prompt.length - position;
    if (left <= 0) return { slot: id, position, tokens: [slot.next!], sampler: sequence.sampler };
    const tokens = sequence.prompt.slice(position, position + count);
    return { slot: id, position, tokens, sampler: count === left ? sequence.sampler : undefined };
  }

  async #deliver(items: readonly StepItem[], sampled: readonly StepOutcome[]): Promise<void> {
    const news: SequenceTokens[] = [];
    const ends: CallEnd[] = [];
    const failures: [Slot, HearthError][] = [];
    for (const [index, item] of items.entries()) {
      const slot = this.#slots[item.slot]!;
      const sequence = slot.sequence!;
      for (const token of item.tokens) slot.cached.push(token);
      slot.lastStep = this.#steps;
      const token = sampled[index];
      if (token === undefined) continue;
      if (typeof token !== 'number') {
        failures.push([slot, token]);
        continue;
      }
      slot.next = token;
      const { text, isToken, end } = sequence.accept(token);
      const { call } = sequence.job;
      if (isToken || text !== '') news.push({ call, ids: isToken ? [token] : [], text });
      if (end !== undefined) {
        ends.push(toEnd(sequence, end));
        this.#release(slot);
      }
    }
    if (news.length > 0) this.#sink.tokens(news);
    for (const end of ends) this.#sink.finished(end);
    for (const [slot, error] of failures) await this.#fail(slot, error);
  }

  async #failStep(items: readonly StepItem[], error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    this.#sink.log('error', 'decode step failed', { reason: message, sequences: items.length });
    const failure = new BugError(`The model could not compute a step: ${message}`);
    for (const { slot } of items) await this.#fail(this.#slots[slot]!, failure);
  }

  async #fail(slot: Slot, error: HearthError): Promise<void> {
    const { sequence } = slot;
    this.#release(slot);
    // What the native cache holds of a half-done step is not known.
    await this.#executor.truncate(slot.id, 0);
    slot.cached.length = 0;
    if (sequence !== undefined) this.#sink.failed(sequence.job.call, error.toJSON());
  }
}

function toEnd(
  sequence: Sequence,
  end: { readonly reason: CallEnd['reason']; readonly stop?: string | undefined },
): CallEnd {
  return {
    call: sequence.job.call,
    reason: end.reason,
    stop: end.stop,
    promptTokens: sequence.prompt.length,
    cachedTokens: sequence.cachedTokens,
    generatedTokens: sequence.generatedTokens,
  };
}
