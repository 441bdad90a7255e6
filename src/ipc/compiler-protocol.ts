/**
 * What the orchestrator and the compiler of constraints say to each other, in frames of `codec.ts`.
 *
 *   compiler ── ready ──▶
 *            ◀─ compile ──    then one job after the other, each with exactly one answer:
 *            ── compiled | refused ──▶
 *            ◀─ check ──
 *            ── checked ──▶
 *            ◀─ examine, explain ──      with the text of a schema as the body of the frame: for the command line
 *            ── examined, explained ──▶              or `failed` to any, which is a fault of ours
 *
 * A compiler knows nothing from one job to the next but what it keeps to be faster; it may be killed at
 * any time, and the next one gives the same answers.
 *
 * Units   bytes of UTF-8, ms. `call` is a positive number that is never used twice on one channel.
 * Errors  a message that these schemas refuse is a protocol error: the compiler is killed.
 */
import * as z from 'zod';

const call = z.int().positive();

const job = z.object({
  call,
  /** Of the processor: a compiler that has used them ends itself (`cpu-budget.ts`). */
  cpuMs: z.int().positive(),
});

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

const examineLimits = limits.extend({
  /** Of the schema as compact JSON. */
  maxSchemaBytes: z.int().positive(),
});

/** Orchestrator → compiler. */
export const ToCompiler = z.discriminatedUnion('type', [
  job.extend({ type: z.literal('compile'), constraint, limits }),
  /** `answer` was generated under `grammar`, which `constraint` was compiled to. */
  job.extend({ type: z.literal('check'), constraint, grammar: z.string(), answer: z.string() }),
  /** The body is one line: a schema with tests. */
  job.extend({ type: z.literal('examine'), limits: examineLimits }),
  /** The body is a schema. */
  job.extend({
    type: z.literal('explain'),
    limits: examineLimits,
    /** Values to draw from the grammar. */
    examples: z.int().nonnegative(),
  }),
]);

const lineId = z.union([z.string(), z.number(), z.null()]);

/** `over`: a valid instance is rejected; `under`: an invalid one is accepted. */
export const EXAMINE_RESULTS = ['pass', 'refused', 'over', 'under', 'timeout', 'crash'] as const;
export type ExamineResult = (typeof EXAMINE_RESULTS)[number];

const examined = z.object({
  /** Null where the line has none. */
  id: lineId,
  result: z.enum(EXAMINE_RESULTS),
  /** A valid instance was accepted with its keys in the order of the grammar, and not as given. */
  reordered: z.literal(true).optional(),
  keyword: z.string().optional(),
  pointer: z.string().optional(),
  why: z.string().optional(),
  /** What it took to make the grammar. */
  ms: z.number().nonnegative(),
});

const explained = z.object({
  /** Undefined when it is no JSON, or of no draft that is known. */
  draft: z.string().optional(),
  schemaBytes: z.int().nonnegative(),
  /** Schemas inside of schemas, the deepest. */
  depth: z.int().nonnegative().optional(),
  ms: z.number().nonnegative(),
  enforced: z
    .object({
      grammar: z.string(),
      grammarBytes: z.int(),
      rules: z.int(),
      examples: z.array(z.string()),
    })
    .optional(),
  refused: z.object({ keyword: z.string(), pointer: z.string(), why: z.string() }).optional(),
  /** What is in it and constrains nothing: the first place of each, and how many there are. */
  annotations: z.array(
    z.object({
      keyword: z.string(),
      why: z.string(),
      pointer: z.string(),
      count: z.int().positive(),
    }),
  ),
});

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
  examined.extend({ type: z.literal('examined'), call }),
  explained.extend({ type: z.literal('explained'), call }),
  z.object({ type: z.literal('failed'), call, why: z.string() }),
]);

export type ToCompilerMessage = z.output<typeof ToCompiler>;
export type FromCompilerMessage = z.output<typeof FromCompiler>;
export type CompileLimitsMessage = z.output<typeof limits>;
export type ExamineLimits = z.output<typeof examineLimits>;
export type Examined = z.output<typeof examined>;
export type Explained = z.output<typeof explained>;
