/**
 * A model without a model: deterministic, scripted, and otherwise like a real one. Everything above
 * a backend is tested against it, through a real process.
 *
 *   call: waiting ──slot──▶ prefill ──▶ decode ──▶ finished | failed
 *         cancel ends it in every state, within a step
 *
 * One step serves all slots that are due, as a decode batch would; a slot without credit pauses and
 * is woken by more. The one timer and the one immediate belong to the loop and end with `close`.
 *
 * Source  `script.ts` for what can be scripted, `reply.ts` for the commands in a prompt.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import type {
  Backend,
  BackendStats,
  GenerateJob,
  Loaded,
  LoadSpec,
  SequenceTokens,
  Sink,
} from '../../backend.ts';
import { LoadError } from '../../backend.ts';
import { buildOf } from '../../builds.ts';
import { runFaults } from './faults.ts';
import { refuseCall } from './refuse.ts';
import { planReply } from './reply.ts';
import { type FakeScript, readScript } from './script.ts';
import { makeSequence, produceToken, type Sequence, type SequenceEnd } from './sequence.ts';
import { type Slot, Slots } from './slots.ts';
import { type PieceBytes, toPromptTokens, toText, VOCABULARY_SIZE } from './vocabulary.ts';

/** The orchestrator sends no more than there are slots; this bounds what a fault of it could do. */
const MAX_WAITING = 1_000;
/** While prompts are read the step counter moves this often, as with chunks. */
const CHUNK_MS = 50;
const LOAD_PARTS = 4;

interface Waiting {
  readonly job: GenerateJob;
  readonly prompt: readonly number[];
}

export function createBackend(sink: Sink): Backend {
  return new FakeBackend(sink);
}

class FakeBackend implements Backend {
  readonly build = buildOf('fake');
  readonly #sink: Sink;
  readonly #closing = new AbortController();
  readonly #running = new Map<number, Sequence>();
  readonly #waiting: Waiting[] = [];
  #script!: FakeScript;
  #spec!: LoadSpec;
  #slots!: Slots;
  #phase: 'starting' | 'loading' | 'loaded' = 'starting';
  #steps = 0;
  #hungSinceMs: number | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  async estimate({ path }: LoadSpec): Promise<number> {
    return readScript(path).memoryBytes;
  }

  async load(spec: LoadSpec): Promise<Loaded> {
    this.#phase = 'loading';
    const script = readScript(spec.path);
    const startedMs = performance.now();
    for (let part = 1; part <= LOAD_PARTS; part++) {
      if (script.loadMs > 0) await this.#sleep(script.loadMs / LOAD_PARTS);
      this.#sink.loadProgress(part / LOAD_PARTS);
    }
    if (script.abortOnLoad) process.abort();
    if (script.failLoad !== undefined) {
      throw new LoadError(script.failLoad, { log: `fake: ${script.failLoad}\n` });
    }
    this.#script = script;
    this.#spec = spec;
    this.#slots = new Slots(spec.slots);
    this.#phase = 'loaded';
    return {
      contextTokens: spec.contextTokens,
      slots: spec.slots,
      loadMs: { script: performance.now() - startedMs },
      facts: {
        architecture: 'fake',
        parameters: 0,
        fileBytes: 0,
        trainedContextTokens: spec.contextTokens,
        vocabularySize: VOCABULARY_SIZE,
        chat: script.chat,
        device: 'cpu',
      },
    };
  }

  generate(job: GenerateJob): void {
    const prompt = toPromptTokens(job.prompt, this.#pieceBytes);
    const { contextTokens } = this.#spec;
    const refusal = refuseCall(job, prompt, { contextTokens, chat: this.#script.chat });
    if (refusal) {
      this.#sink.failed(job.call, refusal);
    } else if (job.maxTokens === 0) {
      this.#finishUnread(job, prompt);
    } else if (this.#waiting.length >= MAX_WAITING) {
      const message = `${MAX_WAITING} calls wait for a slot of the worker.`;
      this.#sink.failed(job.call, { code: 'queue_full', message });
    } else {
      this.#waiting.push({ job, prompt });
      this.#wake();
    }
  }

  credit(call: number, tokens: number): void {
    const running = this.#running.get(call);
    if (running) {
      running.creditTokens += tokens;
      this.#wake();
      return;
    }
    const index = this.#waiting.findIndex(({ job }) => job.call === call);
    const waiting = this.#waiting[index];
    if (!waiting) return;
    const job = { ...waiting.job, creditTokens: waiting.job.creditTokens + tokens };
    this.#waiting[index] = { ...waiting, job };
  }

  cancel(call: number): void {
    if (this.#hungSinceMs !== undefined) return;
    const running = this.#running.get(call);
    if (running) {
      this.#finish(running, { reason: 'cancelled' });
      return;
    }
    const index = this.#waiting.findIndex(({ job }) => job.call === call);
    if (index < 0) return;
    const [waiting] = this.#waiting.splice(index, 1);
    this.#sink.finished({
      call,
      reason: 'cancelled',
      promptTokens: waiting?.prompt.length ?? 0,
      cachedTokens: 0,
      generatedTokens: 0,
    });
  }

  setThreads(threads: number): void {
    this.#spec = { ...this.#spec, threads };
  }

  stats(): BackendStats {
    const isReading = [...this.#running.values()].some(({ readAtMs }) => readAtMs > nowMs());
    const busy = isReading ? 'prefill' : this.#running.size > 0 ? 'decode' : 'idle';
    return {
      phase: this.#phase === 'loaded' ? busy : this.#phase,
      steps: this.#steps,
      stepMs: this.#hungSinceMs === undefined ? 0 : nowMs() - this.#hungSinceMs,
      active: this.#running.size,
      waiting: this.#waiting.length,
      threads: this.#phase === 'loaded' ? this.#spec.threads : 0,
      gpuBytes: this.#phase === 'loaded' ? this.#script.memoryBytes : 0,
      kvUsedTokens: this.#phase === 'loaded' ? this.#slots.usedTokens : 0,
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#hungSinceMs = undefined;
    for (const { job } of [...this.#waiting]) this.cancel(job.call);
    for (const call of [...this.#running.keys()]) this.cancel(call);
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
  }

  get #pieceBytes(): PieceBytes {
    return this.#script.vocabulary === 'bytes' ? 1 : 3;
  }

  async #sleep(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#closing.signal });
    } catch (cause) {
      throw new LoadError('The load was given up because the worker ends.', { cause });
    }
  }

  #finishUnread(job: GenerateJob, prompt: readonly number[]): void {
    const counts = { call: job.call, promptTokens: prompt.length, cachedTokens: 0 };
    this.#sink.accepted({ ...counts, ...(job.echo && { promptText: toText(prompt) }) });
    this.#sink.finished({ ...counts, reason: 'length', generatedTokens: 0 });
  }

  /** Makes a step happen soon. Harmless when nothing is due. */
  #wake(): void {
    if (this.#hungSinceMs !== undefined || this.#closing.signal.aborted) return;
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#step();
    });
  }

  #step(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#admit();
    const produced: SequenceTokens[] = [];
    const ended: [Sequence, SequenceEnd][] = [];
    const now = nowMs();
    let isReading = false;
    for (const running of this.#running.values()) {
      if (running.readAtMs > now) isReading = true;
      if (running.dueMs > now || running.produced >= running.creditTokens) continue;
      if (runFaults(running.plan, running.produced, this.#spec.path)) {
        this.#hungSinceMs = now;
        return;
      }
      const { tokens, end } = produceToken(running);
      if (tokens) produced.push(tokens);
      if (end) ended.push([running, end]);
      else running.dueMs = now + running.plan.msPerToken;
    }
    if (produced.length > 0 || ended.length > 0 || isReading) this.#steps++;
    if (produced.length > 0) this.#sink.tokens(produced);
    for (const [running, end] of ended) this.#finish(running, end);
    this.#schedule();
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const { job, prompt } = next;
      const taken = this.#slots.take(job.tenant, prompt);
      if (!taken) return;
      this.#waiting.shift();
      this.#start(job, taken.slot, taken.cachedTokens);
    }
  }

  #start(job: GenerateJob, slot: Slot, cachedTokens: number): void {
    const promptTokens = slot.tokens.length;
    const plan = planReply(this.#script, job.prompt, {
      sampling: job.sampling,
      grammar: job.grammar,
      pieceBytes: this.#pieceBytes,
    });
    const rate = this.#script.prefillTokensPerSecond;
    const scriptedMs = rate > 0 ? ((promptTokens - cachedTokens) / rate) * 1000 : 0;
    const readAtMs = nowMs() + (plan.prefillMs ?? scriptedMs);
    const { contextTokens } = this.#spec;
    const sequence = makeSequence({ job, slot, plan, cachedTokens, contextTokens, readAtMs });
    this.#running.set(job.call, sequence);
    this.#sink.accepted({
      call: job.call,
      promptTokens,
      cachedTokens,
      ...(job.echo && { promptText: toText(slot.tokens) }),
    });
  }

  #finish(running: Sequence, end: SequenceEnd): void {
    const { job, slot, promptTokens, cachedTokens, produced } = running;
    this.#running.delete(job.call);
    slot.isBusy = false;
    this.#sink.finished({
      call: job.call,
      ...end,
      promptTokens,
      cachedTokens,
      generatedTokens: produced,
    });
    this.#wake();
  }

  #schedule(): void {
    let nextMs = Number.POSITIVE_INFINITY;
    const now = nowMs();
    for (const { readAtMs, dueMs, produced, creditTokens } of this.#running.values()) {
      if (readAtMs > now) nextMs = Math.min(nextMs, readAtMs, now + CHUNK_MS);
      else if (produced < creditTokens) nextMs = Math.min(nextMs, dueMs);
    }
    if (nextMs <= now) this.#wake();
    else if (nextMs < Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(() => this.#step(), nextMs - now);
    }
  }
}

function nowMs(): number {
  return performance.now();
}
