/** One call in a slot of the fake model, from its prompt to the end of its answer. */
import type { CallEnd, GenerateJob, SequenceTokens } from '../../backend.ts';
import { TextAssembler } from '../../text/assembler.ts';
import type { ReplyPlan } from './reply.ts';
import type { Slot } from './slots.ts';
import { toBytes } from './vocabulary.ts';

export interface Sequence {
  readonly job: GenerateJob;
  readonly slot: Slot;
  readonly plan: ReplyPlan;
  readonly assembler: TextAssembler;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Most tokens it may produce. */
  readonly limitTokens: number;
  produced: number;
  creditTokens: number;
  /** The prompt has been read by then. */
  readonly readAtMs: number;
  /** No token before. */
  dueMs: number;
}

export type SequenceEnd = Pick<CallEnd, 'reason' | 'stop'>;

export interface Produced {
  /** Undefined when there is nothing to tell but the end. */
  readonly tokens: SequenceTokens | undefined;
  readonly end: SequenceEnd | undefined;
}

export function makeSequence(parts: {
  readonly job: GenerateJob;
  readonly slot: Slot;
  readonly plan: ReplyPlan;
  readonly cachedTokens: number;
  readonly contextTokens: number;
  readonly readAtMs: number;
}): Sequence {
  const { job, slot, plan, cachedTokens, contextTokens, readAtMs } = parts;
  const promptTokens = slot.tokens.length;
  const restTokens = contextTokens - promptTokens;
  return {
    job,
    slot,
    plan,
    assembler: new TextAssembler(job.stops),
    promptTokens,
    cachedTokens,
    limitTokens: Math.min(job.maxTokens ?? restTokens, restTokens),
    produced: 0,
    creditTokens: job.creditTokens,
    readAtMs,
    dueMs: readAtMs,
  };
}

/** One token, or the end of the turn. */
export function produceToken(sequence: Sequence): Produced {
  const { job, plan, slot, assembler, limitTokens } = sequence;
  const { call } = job;
  if (sequence.produced >= plan.naturalTokens) {
    const text = assembler.flush();
    return { tokens: text === '' ? undefined : { call, ids: [], text }, end: { reason: 'stop' } };
  }
  const id = plan.round[sequence.produced % plan.round.length] ?? 0;
  sequence.produced++;
  slot.tokens.push(id);
  const { text, stop } = assembler.push(toBytes(id));
  if (stop !== undefined) {
    return { tokens: { call, ids: [id], text }, end: { reason: 'stop', stop } };
  }
  if (sequence.produced < limitTokens) return { tokens: { call, ids: [id], text }, end: undefined };
  const tokens = { call, ids: [id], text: text + assembler.flush() };
  return { tokens, end: { reason: 'length' } };
}
