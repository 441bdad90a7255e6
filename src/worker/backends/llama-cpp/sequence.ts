/**
 * One call inside the worker: what it asked for, how far it is, what its reader has been given.
 *
 *   waiting ──join(slot)──▶ prefill ──last prompt token──▶ decode ──▶ ended
 *       └──────────────────────┴───── cancel ─────────────────┴──────▶ ended
 *
 * The step loop is the only one that moves it. Units: tokens.
 */
import type { GenerateJob } from '../../backend.ts';
import { TextAssembler } from '../../text/assembler.ts';
import type { SamplerHistory, SequenceSampler } from './executor.ts';
import type { Constraint } from './grammar/constraint.ts';
import { REPEAT_WINDOW_TOKENS } from './penalties.ts';
import type { Vocabulary } from './vocabulary.ts';

export type SequenceEnd = {
  readonly reason: 'stop' | 'length';
  readonly stop?: string | undefined;
};

export class Sequence implements SamplerHistory {
  readonly job: GenerateJob;
  readonly prompt: readonly number[];
  /** Only when the request asked for an echo. */
  readonly promptText: string | undefined;
  /** Grows with arrival. */
  readonly order: number;
  readonly generatedCounts = new Map<number, number>();
  /** Of a job with a grammar; it may join once it is there. */
  constraint: Constraint | undefined;
  sampler: SequenceSampler | undefined;
  cachedTokens = 0;
  creditTokens: number;
  isCancelled = false;

  readonly #vocabulary: Vocabulary;
  readonly #assembler: TextAssembler;
  readonly #limitTokens: number;
  readonly #lastTokens: number[];
  #generatedTokens = 0;

  constructor(options: {
    job: GenerateJob;
    prompt: readonly number[];
    promptText?: string | undefined;
    order: number;
    vocabulary: Vocabulary;
    contextTokens: number;
  }) {
    const { job, prompt, order, vocabulary, contextTokens } = options;
    this.job = job;
    this.prompt = prompt;
    this.promptText = options.promptText;
    this.order = order;
    this.#vocabulary = vocabulary;
    this.#assembler = new TextAssembler(job.stops);
    this.#limitTokens = Math.min(
      job.maxTokens ?? Number.POSITIVE_INFINITY,
      contextTokens - prompt.length,
    );
    this.#lastTokens = prompt.slice(-REPEAT_WINDOW_TOKENS);
    this.creditTokens = job.creditTokens;
  }

  get isReady(): boolean {
    return this.job.grammar === undefined || this.constraint !== undefined;
  }

  get generatedTokens(): number {
    return this.#generatedTokens;
  }

  lastTokens(): readonly number[] {
    return this.#lastTokens;
  }

  /** Takes a sampled token. `text` is what the reader may see now; `end` when it was the last. */
  accept(id: number): {
    readonly text: string;
    readonly isToken: boolean;
    readonly end?: SequenceEnd;
  } {
    if (!this.job.sampling.ignoreEos && this.#vocabulary.isEndOfGeneration(id)) {
      return { text: this.#assembler.flush(), isToken: false, end: { reason: 'stop' } };
    }
    this.#generatedTokens++;
    this.creditTokens--;
    this.generatedCounts.set(id, (this.generatedCounts.get(id) ?? 0) + 1);
    this.#lastTokens.push(id);
    if (this.#lastTokens.length > REPEAT_WINDOW_TOKENS) this.#lastTokens.shift();

    const { text, stop } = this.#assembler.push(this.#vocabulary.bytes(id));
    if (stop !== undefined) return { text, isToken: true, end: { reason: 'stop', stop } };
    if (this.#generatedTokens < this.#limitTokens) return { text, isToken: true };
    return { text: text + this.#assembler.flush(), isToken: true, end: { reason: 'length' } };
  }
}
