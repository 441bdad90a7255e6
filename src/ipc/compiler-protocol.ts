/**
 * What the orchestrator and the compiler of constraints say to each other, in frames of `codec.ts`.
 *
 *   compiler ── ready ──▶
 *            ◀─ compile ──    then one job after the other, each with exactly one answer:
 *            ── compiled | refused ──▶
 *            ◀─ check ──
 *            ── checked ──▶              or `failed` to either, which is a fault of ours
 *
 * A compiler knows nothing from one job to the next but what it keeps to be faster; it may be killed at
 * any time, and the next one gives the same answers.
 *
 * Units   bytes of UTF-8. `call` is a positive number that is never used twice on one channel.
 * Errors  a message that these schemas refuse is a protocol error: the compiler is killed.
 */
import * as z from 'zod';

const call = z.int().positive();

const constraint = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('json_object') }),
  z.object({ kind: z.literal('json_schema'), schema: z.unknown() }),
  z.object({ kind: z.literal('regex'), pattern: z.string() }),
  z.object({ kind: z.literal('grammar'), text: z.string() }),
]);

const limits = z.object({
  /** Schemas inside of schemas. */
  maxDepth: z.int().positive(),
  maxGrammarBytes: z.int().positive(),
});

/** Orchestrator → compiler. */
export const ToCompiler = z.discriminatedUnion('type', [
  z.object({ type: z.literal('compile'), call, constraint, limits }),
  /** `answer` was generated under `grammar`, which `constraint` was compiled to. */
  z.object({ type: z.literal('check'), call, constraint, grammar: z.string(), answer: z.string() }),
]);

/** Compiler → orchestrator. */
export const FromCompiler = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('compiled'), call, grammar: z.string() }),
  z.object({
    type: z.literal('refused'),
    call,
    /** `text`: it cannot be read at all. */
    fault: z.enum(['unsupported', 'text']),
    keyword: z.string(),
    /** RFC 6901, into the schema as it was given. */
    pointer: z.string(),
    why: z.string(),
  }),
  z.object({
    type: z.literal('checked'),
    call,
    verdict: z.enum(['valid', 'invalid', 'unchecked']),
    why: z.string(),
  }),
  z.object({ type: z.literal('failed'), call, why: z.string() }),
]);

export type ToCompilerMessage = z.output<typeof ToCompiler>;
export type FromCompilerMessage = z.output<typeof FromCompiler>;
export type CompileLimitsMessage = z.output<typeof limits>;
