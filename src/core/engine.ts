/**
 * The port between the HTTP layer and everything that can generate text.
 *
 * Units   times in ms, lengths in tokens, log-probabilities natural.
 * Errors  `submit` rejects with a HearthError while a status is still possible; from then on
 *         the same errors are thrown by iterating `events`.
 */
import type { Priority } from './priority.ts';
import type { TenantLimits } from './tenant.ts';

export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool';

/** Messages always have parts. Media parts come with the models that can see. */
export interface Part {
  readonly type: 'text';
  readonly text: string;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text, as the model wrote it. */
  readonly arguments: string;
}

export interface Message {
  readonly role: Role;
  readonly parts: readonly Part[];
  readonly name?: string | undefined;
  /** Calls an assistant turn made. */
  readonly toolCalls?: readonly ToolCall[] | undefined;
  /** The call that a `tool` turn answers. */
  readonly toolCallId?: string | undefined;
}

export type Prompt =
  | { readonly messages: readonly Message[] }
  | { readonly text: string }
  | { readonly tokens: readonly number[] };

/** Every field is resolved: defaults are applied before the engine sees a request. */
export interface Sampling {
  /** ≥ 0; 0 is greedy. */
  readonly temperature: number;
  /** (0, 1]; 1 is off. */
  readonly topP: number;
  /** ≥ 0; 0 is off. */
  readonly topK: number;
  /** [0, 1]; 0 is off. */
  readonly minP: number;
  /** [-2, 2], over generated tokens only; 0 is off. */
  readonly frequencyPenalty: number;
  /** [-2, 2], over generated tokens only; 0 is off. */
  readonly presencePenalty: number;
  /** > 0, over the last 64 tokens of prompt and answer; 1 is off. */
  readonly repeatPenalty: number;
  /** Unsigned 32-bit. Drawn at random where the client gave none, so that it can be reported. */
  readonly seed: number;
  /** Added to the logits: [token id, bias]. -100 and below bans, 100 and above forces. */
  readonly logitBias: readonly (readonly [id: number, bias: number])[];
  /** Go on after the model's own end of generation, until a limit or a stop string. */
  readonly ignoreEos: boolean;
}

/** What holds for a model where a request says nothing. */
export interface RequestDefaults extends Partial<Omit<Sampling, 'seed' | 'logitBias'>> {
  /** As in GenerationRequest. */
  readonly maxTokens?: number;
}

/** A language that the answer must be a sentence of. */
export interface Grammar {
  /** SHA-256 of `text` in hex: what a worker finds a grammar by that it has read before. */
  readonly hash: string;
  /** GBNF, linted; the answer is a `root`. */
  readonly text: string;
  /** The grammar holds from the end of the first appearance of this text in the answer on; absent:
   *  from the first token on. An answer in which it never appears is free. */
  readonly after?: string | undefined;
}

export interface GenerationRequest {
  readonly model: string;
  readonly prompt: Prompt;
  readonly sampling: Sampling;
  /** Undefined: the rest of the slot's context. 0: read nothing, generate nothing. */
  readonly maxTokens?: number | undefined;
  /** Up to 4 strings, none empty. The answer ends before the first that appears. */
  readonly stops: readonly string[];
  /** A stop string or a limit still ends the answer, wherever the grammar is. */
  readonly grammar?: Grammar | undefined;
  /** Report the prompt's own text in `started`. */
  readonly echo?: boolean | undefined;
}

export interface CallContext {
  readonly requestId: string;
  /** Who asks: the name of an API key, or one name for everybody who needs none. Tenants of a class get
   *  equal shares, and never see what another one left in a cache. */
  readonly tenant: string;
  /** What the tenant may have; absent: what everybody may. */
  readonly limits?: TenantLimits | undefined;
  readonly priority: Priority;
  /** Where one request of a client is several of ours, a list of prompts: all of them, and which this
   *  is. They are submitted in order and without a pause, and let in or refused together. */
  readonly lot?:
    | { readonly index: number; readonly requests: readonly GenerationRequest[] }
    | undefined;
  /** Keeps requests of one conversation on one replica. */
  readonly affinity?: string | undefined;
  /** How long the model stays loaded after it without another one; infinite: until it is unloaded. */
  readonly keepAliveMs?: number | undefined;
  /** Aborted when nobody wants the answer any more. The slot is free within one step. */
  readonly signal: AbortSignal;
}

export interface Usage {
  readonly promptTokens: number;
  /** Part of `promptTokens` that was found in the KV cache. */
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

/** From a monotonic clock, ms. */
export interface Timings {
  /** Arrival to grant. */
  readonly queueMs: number;
  /** Grant to first token; undefined when no token was produced. */
  readonly prefillMs?: number | undefined;
  /** First to last token. */
  readonly decodeMs: number;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls';

export type GenerationEvent =
  | {
      readonly type: 'waiting';
      readonly why: 'queue' | 'loading';
      /** Requests that will be granted before this one. */
      readonly position?: number | undefined;
      /** Until it is granted, by what requests took so far; undefined until one has ended. */
      readonly etaMs?: number | undefined;
    }
  | {
      /** The worker has the exact counts. Comes before any token, exactly once. */
      readonly type: 'started';
      readonly promptTokens: number;
      readonly cachedTokens: number;
      /** Only when `echo` was asked for. */
      readonly promptText?: string | undefined;
    }
  | {
      /** Never splits a character, never holds text that may still become a stop string. */
      readonly type: 'delta';
      readonly choice: number;
      readonly text: string;
      readonly ids: readonly number[];
    }
  | {
      readonly type: 'finished';
      readonly choice: number;
      readonly reason: FinishReason;
      /** The stop string that ended the answer, if one did. */
      readonly stop?: string | undefined;
    }
  /** Exactly once, last. Failures are thrown instead. */
  | { readonly type: 'done'; readonly usage: Usage; readonly timings: Timings };

export interface Ticket {
  readonly id: string;
  readonly priority: Priority;
  /** May be iterated once. Leaving the loop early cancels the request. */
  readonly events: AsyncIterable<GenerationEvent>;
}

/** `unloaded`: the next request loads it. `stopped`: only the operator starts it again. */
export type ModelState =
  | 'unloaded'
  | 'starting'
  | 'loading'
  | 'ready'
  | 'draining'
  | 'stopped'
  | 'failed';

export interface ModelInfo {
  readonly name: string;
  readonly backend: string;
  /** What it is good for, in one line for people. */
  readonly description?: string | undefined;
  readonly state: ModelState;
  /** Why `state` is `failed` or `stopped`, in one line. */
  readonly reason?: string | undefined;
  /** 0 to 1 while loading. */
  readonly progress?: number | undefined;
  /** Seconds since the epoch at which the model entered the table. */
  readonly createdS: number;
  readonly slots: number;
  /** Per slot. */
  readonly contextTokens: number;
  /** What the model uses where a request says nothing. */
  readonly defaults: RequestDefaults;
  /** Known once the model has been loaded. */
  readonly facts?: ModelFacts | undefined;
}

/** What a worker found in the file. */
export interface ModelFacts {
  readonly architecture: string;
  readonly parameters: number;
  readonly fileBytes: number;
  readonly trainedContextTokens: number;
  readonly vocabularySize: number;
  /** Has a chat template, so that messages can be rendered. */
  readonly chat: boolean;
  /** `metal`, `cuda`, `vulkan` or `cpu`. */
  readonly device: string;
}

/** Who runs and who waits, at one moment. */
export interface QueueInfo {
  /** Requests that run and wait, over all models. */
  readonly depth: number;
  /** The next one above it is refused; so many of the class high are not counted. */
  readonly depthMax: number;
  readonly highSpare: number;
  readonly models: readonly ModelQueueInfo[];
}

export interface ModelQueueInfo {
  readonly name: string;
  /** Slots that are busy, and those that any class may have. */
  readonly busy: number;
  readonly free: number;
  readonly waiting: Readonly<Record<Priority, number>>;
  /** Until one that came now would be granted, by what requests took so far. */
  readonly estimateMs: Readonly<Record<Priority, number>>;
  /** The first of those that wait, by class and arrival. */
  readonly first: readonly {
    readonly requestId: string;
    readonly priority: Priority;
    readonly waitedMs: number;
  }[];
}

/** How much of its limits a tenant has left. */
export interface RateState {
  /** Undefined where requests are not limited. */
  readonly requests: RateWindow | undefined;
  readonly tokens: RateWindow | undefined;
}

export interface RateWindow {
  readonly limit: number;
  readonly remaining: number;
  /** Until all of the limit may be spent again. */
  readonly resetMs: number;
}

export interface Engine {
  /** The configured models, the default one first. */
  models(): readonly ModelInfo[];
  queue(): QueueInfo;
  /** Undefined where nothing is limited. */
  rate(tenant: string): RateState | undefined;
  submit(request: GenerationRequest, call: CallContext): Promise<Ticket>;
}
