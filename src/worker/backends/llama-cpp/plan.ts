/**
 * What goes into the next decode step. Pure.
 *
 * Decode tokens come first: every running sequence gets its one token in every step. What is left
 * goes to prompts, the highest class first, then the oldest. While anybody decodes, a prompt chunk
 * is bounded by *time*, so that a long prompt never stalls a running stream for longer than that.
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
}

export interface StepBudget {
  readonly batchTokens: number;
  /** Undefined until a prompt has been read. */
  readonly prefillTokensPerMs: number | undefined;
}

export interface PlanItem {
  readonly slot: number;
  readonly tokens: number;
}

/** How long a prompt chunk may hold up the streams that run beside it. */
const CHUNK_MS = 150;
const CHUNK_MIN_TOKENS = 16;
/** Before the first measurement: small enough for a 7 B model on a slow machine. */
const CHUNK_UNKNOWN_TOKENS = 64;

/** Empty when nobody can run. */
export function planStep(sequences: readonly SequenceView[], budget: StepBudget): PlanItem[] {
  const plan: PlanItem[] = [];
  const prompts: SequenceView[] = [];
  for (const sequence of sequences) {
    if (sequence.promptLeft > 0) prompts.push(sequence);
    else if (!sequence.paused) plan.push({ slot: sequence.slot, tokens: 1 });
  }

  let left = budget.batchTokens - plan.length;
  if (plan.length > 0) left = Math.min(left, chunkTokens(budget));
  prompts.sort(
    (a, b) => PRIORITIES.indexOf(a.priority) - PRIORITIES.indexOf(b.priority) || a.order - b.order,
  );
  for (const { slot, promptLeft } of prompts) {
    if (left <= 0) break;
    const tokens = Math.min(promptLeft, left);
    plan.push({ slot, tokens });
    left -= tokens;
  }
  return plan.sort((a, b) => a.slot - b.slot);
}

function chunkTokens({ batchTokens, prefillTokensPerMs }: StepBudget): number {
  if (prefillTokensPerMs === undefined) return Math.min(CHUNK_UNKNOWN_TOKENS, batchTokens);
  const byTime = Math.round(prefillTokensPerMs * CHUNK_MS);
  return Math.min(Math.max(CHUNK_MIN_TOKENS, byTime), batchTokens);
}
