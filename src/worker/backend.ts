/**
 * What runs a model inside a worker. `session.ts` speaks the protocol and drives one of these;
 * a backend knows nothing of frames.
 *
 *   new ──load()──▶ loaded ──close()──▶ closed        load() or estimate() rejects: it is closed
 *
 * A call lives from `generate` until the backend has called exactly one of `finished` and `failed`
 * for it. Between them come `accepted` once and `tokens` any number of times, in this order.
 */
import type { WireError } from '../core/errors.ts';
import type {
  GenerateMessage,
  HeartbeatMessage,
  LoadedMessage,
  LoadMessage,
} from '../ipc/protocol.ts';

export type LoadSpec = Omit<LoadMessage, 'type'>;
export type Loaded = Omit<LoadedMessage, 'type'>;
export type GenerateJob = Omit<GenerateMessage, 'type'>;
export type BackendStats = Omit<HeartbeatMessage, 'type' | 'rssBytes'>;

/** Tokens of one sequence, with UTF-8 and stop strings settled: `text` may lag behind `ids`. */
export interface SequenceTokens {
  readonly call: number;
  readonly ids: readonly number[];
  readonly text: string;
}

export interface CallEnd {
  readonly call: number;
  readonly reason: 'stop' | 'length' | 'cancelled';
  readonly stop?: string | undefined;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

/** Where a backend reports to. None of these throws or waits. */
export interface Sink {
  loadProgress(fraction: number): void;
  accepted(call: {
    readonly call: number;
    readonly promptTokens: number;
    readonly cachedTokens: number;
    readonly promptText?: string | undefined;
  }): void;
  /** All that one step produced. The session sends first tokens at once and gathers later ones. */
  tokens(sequences: readonly SequenceTokens[]): void;
  finished(end: CallEnd): void;
  failed(call: number, error: WireError): void;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean>>;

export interface Backend {
  /** Bytes that a load would take, from the file's header. At most once, before `load`. */
  estimate(spec: LoadSpec): Promise<number>;
  /** Rejects with a LoadError, after which only `close` may be called. */
  load(spec: LoadSpec): Promise<Loaded>;
  generate(job: GenerateJob): void;
  /** Lets the sequence go on: it pauses when it has produced as many tokens as it has credit for. */
  credit(call: number, tokens: number): void;
  /** Takes effect within one step. Unknown calls are ignored: their end may be on the way. */
  cancel(call: number): void;
  /** From the next step on. Only after `load`. */
  setThreads(threads: number): void;
  stats(): BackendStats;
  /** Ends every call as cancelled and frees the model. Idempotent. */
  close(): Promise<void>;
}

export type BackendFactory = (sink: Sink) => Backend;

/** Why a model could not be loaded, in one line, with the end of the native log. */
export class LoadError extends Error {
  override name = 'LoadError';
  readonly log: string;
  constructor(reason: string, { log = '', cause }: { log?: string; cause?: unknown } = {}) {
    super(reason, { cause });
    this.log = log;
  }
}
