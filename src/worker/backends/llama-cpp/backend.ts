/**
 * GGUF models by node-llama-cpp, with a decode loop of our own.
 *
 *   new ──load()──▶ loaded ──close()──▶ closed
 *
 * This file turns a request into tokens and hands it to `loop.ts`; what cannot be honoured is
 * refused here, before any prefill.
 */
import { RequestError, toHearthError } from '../../../core/errors.ts';
import {
  type Backend,
  type BackendStats,
  type GenerateJob,
  LoadError,
  type Loaded,
  type LoadSpec,
  type Sink,
} from '../../backend.ts';
import { Constraint } from './grammar/constraint.ts';
import { Spelling } from './grammar/spelling.ts';
import { estimateLlama, type LlamaPath, type LoadedLlama, loadLlama } from './load.ts';
import { StepLoop } from './loop.ts';
import { toPromptTokens } from './prompt.ts';
import { Sequence } from './sequence.ts';
import type { Vocabulary } from './vocabulary.ts';

export function createBackend(sink: Sink): Backend {
  return new LlamaBackend(sink);
}

const NOT_LOADED: BackendStats = {
  phase: 'starting',
  steps: 0,
  stepMs: 0,
  active: 0,
  waiting: 0,
  threads: 0,
  gpuBytes: 0,
  kvUsedTokens: 0,
};

class LlamaBackend implements Backend {
  readonly #sink: Sink;
  #phase: BackendStats['phase'] = 'starting';
  #llama: LoadedLlama | undefined;
  #loop: StepLoop | undefined;
  /** Read when the first grammar comes. */
  #spelling: Promise<Spelling> | undefined;
  #arrivals = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  estimate(spec: LoadSpec): Promise<number> {
    return estimateLlama(spec);
  }

  async load(spec: LoadSpec): Promise<Loaded> {
    this.#phase = 'loading';
    this.#llama = await loadLlama(spec, {
      path: llamaPath(spec),
      onProgress: (fraction) => this.#sink.loadProgress(Math.min(1, Math.max(0, fraction))),
    });
    this.#loop = new StepLoop(this.#llama.executor, {
      slots: this.#llama.loaded.slots,
      sink: this.#sink,
    });
    return this.#llama.loaded;
  }

  generate(job: GenerateJob): void {
    const llama = this.#llama!;
    try {
      assertBiasInVocabulary(job, llama.vocabulary.size);
      assertGrammarCanHold(job, llama.vocabulary);
      const { contextTokens } = llama.loaded;
      const prompt = toPromptTokens(job.prompt, llama, contextTokens);
      const sequence = new Sequence({
        job,
        prompt,
        order: ++this.#arrivals,
        vocabulary: llama.vocabulary,
        contextTokens,
        ...(job.echo ? { promptText: echoOf(job, prompt, llama) } : {}),
      });
      if (job.maxTokens === 0) this.#answerNothing(sequence);
      else this.#loop!.add(sequence, this.#constraintOf(job, llama.vocabulary));
    } catch (error) {
      this.#sink.failed(job.call, toHearthError(error).toJSON());
    }
  }

  credit(call: number, tokens: number): void {
    this.#loop?.credit(call, tokens);
  }

  cancel(call: number): void {
    this.#loop?.cancel(call);
  }

  setThreads(threads: number): void {
    this.#loop?.setThreads(threads);
  }

  stats(): BackendStats {
    if (this.#loop === undefined) return { ...NOT_LOADED, phase: this.#phase };
    return { ...this.#loop.stats(), gpuBytes: this.#llama!.gpuBytes };
  }

  async close(): Promise<void> {
    await this.#loop?.close();
    await this.#llama?.close();
  }

  #constraintOf({ grammar }: GenerateJob, vocabulary: Vocabulary): Promise<Constraint> | undefined {
    if (grammar === undefined) return undefined;
    this.#spelling ??= Spelling.read(vocabulary);
    return this.#spelling.then((spelling) => new Constraint(grammar, spelling));
  }

  /** `max_tokens` 0: the prompt is counted and echoed, nothing is computed. */
  #answerNothing({ job, prompt, promptText }: Sequence): void {
    const counts = { promptTokens: prompt.length, cachedTokens: 0 };
    this.#sink.accepted({
      call: job.call,
      ...counts,
      ...(promptText === undefined ? {} : { promptText }),
    });
    this.#sink.finished({ call: job.call, reason: 'length', ...counts, generatedTokens: 0 });
  }
}

function echoOf(job: GenerateJob, prompt: readonly number[], llama: LoadedLlama): string {
  if ('text' in job.prompt) return job.prompt.text;
  return new TextDecoder().decode(Buffer.concat(prompt.map((id) => llama.vocabulary.bytes(id))));
}

function assertBiasInVocabulary(job: GenerateJob, size: number): void {
  const unknown = job.sampling.logitBias.find(([id]) => id >= size);
  if (unknown === undefined) return;
  throw new RequestError(
    'invalid_value',
    `logit_bias names token ${unknown[0]}, this model has ids from 0 to ${size - 1}`,
    { param: 'logit_bias' },
  );
}

function assertGrammarCanHold({ grammar, sampling }: GenerateJob, vocabulary: Vocabulary): void {
  if (grammar === undefined) return;
  if (sampling.ignoreEos) {
    throw new RequestError(
      'unsupported_parameter',
      'ignore_eos cannot be honoured together with response_format, after whose end nothing may follow; leave it out',
      { param: 'ignore_eos' },
    );
  }
  if (vocabulary.isExact) return;
  throw new RequestError(
    'unsupported_parameter',
    'response_format is not supported for the tokenizer of this model; leave it out, or choose another model',
    { param: 'response_format' },
  );
}

const PATHS: readonly string[] = ['auto', 'internal', 'public'] satisfies LlamaPath[];

function llamaPath({ options = {} }: LoadSpec): LlamaPath {
  const unknown = Object.keys(options).find((name) => name !== 'llamaPath');
  if (unknown !== undefined) throw new LoadError(`llama-cpp knows no option "${unknown}"`);
  const path = options.llamaPath ?? 'auto';
  if (!PATHS.includes(path)) {
    throw new LoadError(`llamaPath is "${path}", expected ${PATHS.join(', ')}`);
  }
  return path as LlamaPath;
}
