/**
 * What goes into the next decode step. Pure.
 *
 * Decode tokens come first: every running sequence gets its one token. Where a few rows together cost
 * more than one by one (CPU kernels made for one row), they take turns instead, the longest waiting
 * first. What is left goes to prompts, the highest class first, then the oldest, and one after the
 * other: two prompts read side by side both end late. While anybody decodes, a prompt chunk is bounded
 * by *time*, so that a long prompt never stalls a running stream for longer than that; a prompt of
 * the low class by less. While a high prompt is read the low streams sit out: their tokens would make
 * each step of it longer.
 *
 * Shapes  the plan has ascending slots, because llama.cpp takes only `last id + 1` into a pass.
 * Units   tokens, milliseconds.
 * Source  rules 3 and 4 of gguf.md; Sarathi-Serve (OSDI'24) for chunked prefill.
 */
import { PRIORITIES, type Priority } from '../../../core/priority.ts';

export interface SequenceView {
  readonly slot: number;
  readonly priority: Priority;
  /** Grows with arrival. */
  readonly order: number;
  /** Prompt tokens not yet evaluated; 0 when the sequence decodes. */
  readonly promptLeft: number;
  /** Out of credit: its reader is too far behind. */
  readonly paused: boolean;
  /** Number of the last step that this sequence was in. */
  readonly lastStep: number;
}

export interface StepBudget {
  /** For how long low streams have sat out without a break. */
  readonly satOutMs: number;
  readonly batchTokens: number;
  /** Undefined until a prompt has been read. */
  readonly prefillTokensPerMs: number | undefined;
  /** How many of so many decoding sequences a step without prompts should serve. */
  decodeRows(decoding: number): number;
}

export interface PlanItem {
  readonly slot: number;
  readonly tokens: number;
}

/** How long a prompt chunk holds up the streams that run beside it, where the machine allows it. */
const CHUNK_MS = 150;
/** On a slow machine a chunk may take this long to be full: smaller ones would be read at half speed. */
const CHUNK_SLOW_MS = 450;
/** A low prompt holds the others up for a third of that. */
const LOW_SHARE = 1 / 3;
/** After this time in a row low streams get a step: their readers must not take them for dead. */
const SIT_OUT_MAX_MS = 500;
const CHUNK_MIN_TOKENS = 16;
/** A chunk of so many tokens has the full speed of the matrix kernels: no second prompt joins it.
 *  Measured on a CPU, 115 M Q8_0: 64 tokens 72 ms, 128 tokens 92 ms. */
const CHUNK_FULL_TOKENS = 128;
/** Before the first measurement: small enough for a 7 B model on a slow machine. */
const CHUNK_UNKNOWN_TOKENS = 64;

/** Empty when nobody can run. */
export function planStep(sequences: readonly SequenceView[], budget: StepBudget): PlanItem[] {
  const prompts = sequences.filter(({ promptLeft }) => promptLeft > 0);
  const isLowOut =
    budget.satOutMs < SIT_OUT_MAX_MS && prompts.some(({ priority }) => priority === 'high');
  const streams = sequences.filter(({ promptLeft, paused }) => promptLeft === 0 && !paused);
  const decoding = streams.filter(({ priority }) => !(isLowOut && priority === 'low'));
  if (prompts.length === 0 && decoding.length > 0) {
    const rows = budget.decodeRows(decoding.length);
    decoding.sort((a, b) => a.lastStep - b.lastStep);
    decoding.length = Math.min(rows, decoding.length);
  }
  const plan: PlanItem[] = decoding.map(({ slot }) => ({ slot, tokens: 1 }));

  prompts.sort(
    (a, b) => PRIORITIES.indexOf(a.priority) - PRIORITIES.indexOf(b.priority) || a.order - b.order,
  );
  let left = budget.batchTokens - plan.length;
  if (streams.length > 0) left = Math.min(left, chunkTokens(budget, prompts[0]?.priority));
  let read = 0;
  for (const { slot, promptLeft } of prompts) {
    const tokens = Math.min(promptLeft, left - read);
    if (tokens <= 0 || read >= CHUNK_FULL_TOKENS) break;
    plan.push({ slot, tokens });
    read += tokens;
  }
  return plan.sort((a, b) => a.slot - b.slot);
}

function chunkTokens(
  { batchTokens, prefillTokensPerMs }: StepBudget,
  priority: Priority | undefined,
): number {
  if (prefillTokensPerMs === undefined) return Math.min(CHUNK_UNKNOWN_TOKENS, batchTokens);
  const share = priority === 'low' ? LOW_SHARE : 1;
  const within = (ms: number) => Math.round(prefillTokensPerMs * ms * share);
  const full = Math.min(CHUNK_FULL_TOKENS, within(CHUNK_SLOW_MS));
  return Math.min(Math.max(CHUNK_MIN_TOKENS, within(CHUNK_MS), full), batchTokens);
}
