/**
 * What the orchestrator and a worker say to each other. This file is the document: message types,
 * version first, no behaviour beyond checking what came in.
 *
 *   worker ── hello ──▶            states of the conversation:
 *          ◀─ welcome ──           hello → welcome → load → (load_progress)* → loaded | load_failed
 *          ◀─ load ─────           then any number of calls, many at once:
 *          ── loaded ──▶             generate → accepted → (step)* → finished | failed
 *          ◀─ generate ─             cancel at any time: the call ends with finished "cancelled",
 *          ── accepted ▶             or with whatever end crossed it on the way
 *          ── step ────▶           drain → drained: no new calls are sent, running ones end first
 *          ── finished ▶           shutdown: the worker exits with 0 as soon as it can
 *   heartbeat ▶  ◀ tick          both from welcome on, once each interval (`heartbeat.ts`)
 *
 * What is large travels beside the conversation, as a payload: see `Transfer` below.
 *
 * Units   `…Ms` milliseconds, `…Bytes` bytes, `…Tokens` tokens. Integers are < 2^53; `call` is a
 *         positive number that the orchestrator never uses twice on one channel.
 * Errors  a message that these schemas refuse is a protocol error: the worker is killed.
 * Frames  `codec.ts`. A change here is a new VERSION and a line in CHANGELOG.
 */
import * as z from 'zod';

import { CATALOGUE, type ErrorCode, type WireError } from '../core/errors.ts';
import { Heartbeat } from './heartbeat.ts';
import { VERSION } from './version.ts';

export { VERSION };

/** Tokens a stream may be ahead of its reader before the worker pauses it. */
export const INITIAL_CREDIT_TOKENS = 256;

const MAX_GRAMMAR_CHARS = 1024 * 1024;

const count = z.int().nonnegative();
const call = z.int().positive();
const errorCode = z.enum(Object.keys(CATALOGUE) as [ErrorCode, ...ErrorCode[]]);

const wireError: z.ZodType<WireError> = z.object({
  code: errorCode,
  message: z.string(),
  param: z.string().optional(),
  retryAfterMs: z.number().nonnegative().optional(),
  detail: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});

const part = z.object({ type: z.literal('text'), text: z.string() });

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  parts: z.array(part),
  name: z.string().optional(),
  toolCalls: z
    .array(z.object({ id: z.string(), name: z.string(), arguments: z.string() }))
    .optional(),
  toolCallId: z.string().optional(),
});

const prompt = z.union([
  z.object({ messages: z.array(message) }),
  z.object({ text: z.string() }),
  z.object({ tokens: z.array(count) }),
]);

const sampling = z.object({
  temperature: z.number().nonnegative(),
  topP: z.number().positive().max(1),
  topK: count,
  minP: z.number().min(0).max(1),
  frequencyPenalty: z.number(),
  presencePenalty: z.number(),
  repeatPenalty: z.number().positive(),
  seed: z.int().min(0).max(0xffff_ffff),
  logitBias: z.array(z.tuple([count, z.number()])),
  ignoreEos: z.boolean(),
});

/** GBNF that was linted before: a text that the native parser does not expect ends the process. */
const grammar = z.object({
  /** SHA-256 of `text`. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  text: z.string().min(1).max(MAX_GRAMMAR_CHARS),
  /** It holds from the end of the first appearance of this in the answer on; absent: from its beginning. */
  after: z.string().min(1).max(64).optional(),
});

/** What a model is loaded with. */
const loadSpec = {
  path: z.string(),
  contextTokens: z.int().positive(),
  slots: z.int().positive(),
  threads: z.int().positive(),
  gpu: z.enum(['auto', 'metal', 'cuda', 'vulkan', 'off']),
  /** For one backend only, such as `llamaPath`; a backend refuses those it does not know. */
  options: z.record(z.string(), z.string()).optional(),
};

/** Orchestrator → worker. */
export const ToWorker = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    version: z.literal(VERSION),
    heartbeat: Heartbeat,
  }),
  /** A sign of life, each heartbeat interval; any other message is one, too. */
  z.object({ type: z.literal('tick') }),
  /** How much memory would it take? At most once, before `load`. */
  z.object({ type: z.literal('estimate'), ...loadSpec }),
  z.object({ type: z.literal('load'), ...loadSpec }),
  z.object({
    type: z.literal('generate'),
    call,
    requestId: z.string(),
    tenant: z.string(),
    priority: z.enum(['high', 'normal', 'low']),
    prompt,
    sampling,
    maxTokens: count.optional(),
    stops: z.array(z.string().min(1)),
    grammar: grammar.optional(),
    echo: z.boolean(),
    creditTokens: z.int().positive(),
  }),
  z.object({ type: z.literal('credit'), call, tokens: z.int().positive() }),
  z.object({ type: z.literal('cancel'), call }),
  /** Another number of CPU threads, from the next step on. Only after `loaded`. */
  z.object({ type: z.literal('threads'), threads: z.int().positive() }),
  z.object({ type: z.literal('drain') }),
  z.object({ type: z.literal('shutdown') }),
]);

const facts = z.object({
  architecture: z.string(),
  parameters: count,
  fileBytes: count,
  trainedContextTokens: count,
  vocabularySize: count,
  chat: z.boolean(),
  device: z.string(),
});

/** Worker → orchestrator. */
export const FromWorker = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    version: z.int(),
    runId: z.string(),
    backend: z.string(),
    /** Version of the library that runs the model. */
    build: z.string(),
    pid: z.int().positive(),
  }),
  /** Weights, KV caches of all slots, buffers; in RAM and on the GPU together. */
  z.object({ type: z.literal('estimated'), needBytes: count }),
  z.object({ type: z.literal('load_progress'), fraction: z.number().min(0).max(1) }),
  z.object({
    type: z.literal('loaded'),
    contextTokens: z.int().positive(),
    slots: z.int().positive(),
    facts,
    /** Where the time went: part of loading → ms. */
    loadMs: z.record(z.string(), z.number().nonnegative()),
  }),
  /** Also the answer to `estimate`. `log` is the tail of what the native library wrote. */
  z.object({ type: z.literal('load_failed'), reason: z.string(), log: z.string() }),
  z.object({
    type: z.literal('accepted'),
    call,
    promptTokens: count,
    cachedTokens: count,
    promptText: z.string().optional(),
  }),
  /** One per decode step at most, for all the sequences that have something to say. */
  z.object({
    type: z.literal('step'),
    sequences: z.array(z.object({ call, ids: z.array(count), text: z.string() })),
  }),
  z.object({
    type: z.literal('finished'),
    call,
    reason: z.enum(['stop', 'length', 'cancelled']),
    stop: z.string().optional(),
    promptTokens: count,
    cachedTokens: count,
    generatedTokens: count,
  }),
  z.object({ type: z.literal('failed'), call, error: wireError }),
  /** `steps` counts decode steps since the load: it moves while there is work, or the loop hangs. */
  z.object({
    type: z.literal('heartbeat'),
    phase: z.enum(['starting', 'loading', 'idle', 'prefill', 'decode']),
    steps: count,
    stepMs: z.number().nonnegative(),
    active: count,
    waiting: count,
    rssBytes: count,
    /** CPU threads of a step; 0 before the load. */
    threads: count,
    gpuBytes: count,
    kvUsedTokens: count,
  }),
  z.object({ type: z.literal('drained') }),
  z.object({
    type: z.literal('log'),
    level: z.enum(['debug', 'info', 'warn', 'error']),
    message: z.string(),
    fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  }),
]);

/**
 * Payloads: what would hold up the conversation if it stood in a message.
 *
 *   generate {payload: {id, bytes}}   announced: the message waits at the receiver until it is whole
 *   payload {payload, offset} + body  a part, in order, of at most 1 MiB; other messages pass between
 *                              or     two of them, the parts of other payloads too
 *   arena {path, bytes} ──▶           a file for the blocks of this sender, offered once, before the
 *     ◀── arena_opened                first of them; the sender unlinks it when it is answered. Refused:
 *         | arena_refused             all goes in parts, as it does when there is no room for a block
 *   block {payload, offset, …}        the whole payload lies in the file, see `arena.ts`
 *     ◀── release {payload}           it was read, and its room is free again
 *
 * A payload stands in for one field of its message, as JSON. Its id is larger than that of every payload
 * before it. `cancel` of a call whose message still waits ends both: the sender sends no more of
 * it, the receiver drops what it has and answers the call. A block that is damaged fails its call.
 *
 * Errors  a payload that nobody announced, a part that does not begin where the one before it ended,
 *         is empty or too long, an id that is not new: protocol errors.
 */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;
export const MAX_PART_BYTES = 1024 * 1024;
/** What takes more is a payload. */
export const LARGE_BYTES = 256 * 1024;
/** A payload from here on goes through the arena where there is one; smaller ones are faster in parts. */
export const ARENA_FROM_BYTES = 4 * 1024 * 1024;
export const ARENA_BYTES = 64 * 1024 * 1024;

/** Messages that may carry a payload → the field that it holds. */
export const TO_WORKER_CARRIERS = { generate: 'prompt' } as const;

const payload = z.int().positive();
const offset = z.int().min(0).max(MAX_PAYLOAD_BYTES);
const u32 = z.int().min(0).max(0xffff_ffff);

/** All that is looked at before the payload is whole. */
export const Announcement = z.looseObject({
  type: z.string(),
  call,
  payload: z.object({ id: payload, bytes: z.int().positive().max(MAX_PAYLOAD_BYTES) }),
});

/** Both ways, below the conversation: `channel.ts` keeps them to itself. */
export const Transfer = z.discriminatedUnion('type', [
  z.object({ type: z.literal('payload'), payload, offset }),
  z.object({ type: z.literal('arena'), path: z.string(), bytes: z.literal(ARENA_BYTES) }),
  z.object({ type: z.literal('arena_opened') }),
  z.object({ type: z.literal('arena_refused'), reason: z.string() }),
  /** `crc`: CRC-32 of the payload. */
  z.object({ type: z.literal('block'), payload, offset, generation: u32, crc: u32 }),
  z.object({ type: z.literal('release'), payload }),
]);

export type AnnouncementMessage = z.output<typeof Announcement>;
export type TransferMessage = z.output<typeof Transfer>;
export type BlockMessage = Extract<TransferMessage, { type: 'block' }>;
export type ToWorkerMessage = z.output<typeof ToWorker>;
export type FromWorkerMessage = z.output<typeof FromWorker>;
export type GenerateMessage = Extract<ToWorkerMessage, { type: 'generate' }>;
export type EstimateMessage = Extract<ToWorkerMessage, { type: 'estimate' }>;
export type LoadMessage = Extract<ToWorkerMessage, { type: 'load' }>;
export type LoadedMessage = Extract<FromWorkerMessage, { type: 'loaded' }>;
export type HelloMessage = Extract<FromWorkerMessage, { type: 'hello' }>;
export type HeartbeatMessage = Extract<FromWorkerMessage, { type: 'heartbeat' }>;
