/**
 * An engine in this process that does what its script says: a real implementation of the port, for
 * tests of the HTTP layer and for measuring it without a model.
 *
 * Deterministic: the n-th submit follows the n-th script, and the last one from then on.
 */
import type {
  CallContext,
  Engine,
  FinishReason,
  GenerationEvent,
  GenerationRequest,
  ModelInfo,
  QueueInfo,
  RateState,
  Ticket,
} from '../../src/core/engine.ts';
import type { HearthError } from '../../src/core/errors.ts';

export interface Script {
  /** The answer, one delta each. */
  readonly pieces?: readonly string[];
  readonly reason?: FinishReason;
  /** The stop string that ended it. */
  readonly stop?: string;
  readonly promptTokens?: number;
  readonly cachedTokens?: number;
  /** Thrown by `submit`. */
  readonly rejects?: HearthError;
  /** Thrown by iterating, before piece number `failsAt` (0 when absent). */
  readonly fails?: HearthError;
  readonly failsAt?: number;
  /** Events before `started`. */
  readonly waiting?: readonly Omit<Extract<GenerationEvent, { type: 'waiting' }>, 'type'>[];
  /** Awaited before `started`: the test decides when the model begins. */
  readonly gate?: Promise<void>;
  /** Awaited before each piece. */
  readonly beforePiece?: (index: number) => Promise<void>;
  /** Waits for ever instead of finishing, deaf to its signal. */
  readonly hangs?: boolean;
}

export interface Submitted {
  readonly request: GenerationRequest;
  readonly call: CallContext;
  /** Pieces that were asked for so far. */
  pulled: number;
  /** The reader was told everything, or left. */
  ended: 'done' | 'left' | undefined;
}

export const SCRIPTED_MODEL: ModelInfo = {
  name: 'scripted',
  backend: 'fake',
  state: 'ready',
  createdS: 1_700_000_000,
  slots: 4,
  contextTokens: 4096,
  defaults: {},
};

export interface ScriptedEngineOptions {
  readonly models?: readonly ModelInfo[];
  readonly scripts?: readonly Script[];
  readonly rate?: RateState | undefined;
  /** Keeps every submitted request for inspection. Off for long measurements. */
  readonly keeps?: boolean;
}

export class ScriptedEngine implements Engine {
  readonly submitted: Submitted[] = [];
  #models: readonly ModelInfo[];
  readonly #scripts: readonly Script[];
  readonly #keeps: boolean;
  readonly #rate: RateState | undefined;
  #count = 0;

  constructor({
    models = [SCRIPTED_MODEL],
    scripts = [{}],
    rate,
    keeps = true,
  }: ScriptedEngineOptions = {}) {
    this.#models = models;
    this.#scripts = scripts;
    this.#rate = rate;
    this.#keeps = keeps;
  }

  models(): readonly ModelInfo[] {
    return this.#models;
  }

  rate(): RateState | undefined {
    return this.#rate;
  }

  queue(): QueueInfo {
    const none = { high: 0, normal: 0, low: 0 };
    const models = this.#models.map(({ name, slots }) => {
      return { name, busy: 0, free: slots, waiting: none, estimateMs: none, first: [] };
    });
    return { depth: 0, depthMax: 100, highSpare: 20, models };
  }

  setModels(models: readonly ModelInfo[]): void {
    this.#models = models;
  }

  get last(): Submitted {
    const last = this.submitted.at(-1);
    if (last === undefined) throw new Error('Expected a submitted request');
    return last;
  }

  async submit(request: GenerationRequest, call: CallContext): Promise<Ticket> {
    const script = this.#scripts[Math.min(this.#count, this.#scripts.length - 1)] ?? {};
    this.#count += 1;
    const submitted: Submitted = { request, call, pulled: 0, ended: undefined };
    if (this.#keeps) this.submitted.push(submitted);
    if (script.rejects !== undefined) throw script.rejects;
    const id = `ticket-${this.#count}`;
    return { id, priority: call.priority, events: run(script, submitted) };
  }
}

const DEFAULT_PIECES = ['Hello', ' world'];

async function* run(script: Script, submitted: Submitted): AsyncGenerator<GenerationEvent> {
  const { pieces = DEFAULT_PIECES, reason = 'stop', promptTokens = 7, cachedTokens = 0 } = script;
  const { request, call } = submitted;
  try {
    for (const event of script.waiting ?? []) yield { type: 'waiting', ...event };
    if (script.gate !== undefined) await script.gate;
    const promptText =
      request.echo === true && 'text' in request.prompt ? request.prompt.text : undefined;
    yield { type: 'started', promptTokens, cachedTokens, promptText };
    for (const [index, text] of pieces.entries()) {
      if (index === (script.failsAt ?? 0) && script.fails !== undefined) throw script.fails;
      await script.beforePiece?.(index);
      call.signal.throwIfAborted();
      submitted.pulled = index + 1;
      yield { type: 'delta', choice: 0, text, ids: [index] };
    }
    if (script.fails !== undefined) throw script.fails;
    if (script.hangs === true) await new Promise<never>(() => {});
    yield { type: 'finished', choice: 0, reason, stop: script.stop };
    submitted.ended = 'done';
    yield {
      type: 'done',
      usage: { promptTokens, cachedTokens, generatedTokens: pieces.length },
      timings: { queueMs: 0, prefillMs: 1, decodeMs: 1 },
    };
  } finally {
    submitted.ended ??= 'left';
  }
}
