/**
 * Makes grammars of constraints in child processes, before a request is admitted: a refusal costs no place in
 * a queue, and a schema that takes too long costs a child and nobody's time but its own.
 *
 * What was compiled is remembered by its text; what took too long, or what two children have died with, is refused for
 * a minute without another try. One death may be somebody else's doing.
 *
 * Units   ms of a monotonic clock, bytes of UTF-8.
 * Errors  RequestError `unsupported_schema`, `invalid_value`; CapacityError `queue_full`; BugError where
 *         the compiler itself is at fault.
 */
import { createHash } from 'node:crypto';

import type { Clock } from '../../core/clock.ts';
import type {
  AskedConstraint,
  Constraint,
  ConstraintCompiler,
  Verdict,
} from '../../core/constraint.ts';
import type { Grammar } from '../../core/engine.ts';
import { BugError, type HearthError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { WorkerProcess } from '../replica/worker-process.ts';
import { CompilerChildren } from './compiler-children.ts';
import type { CompilerJob, JobEnd } from './compiler-process.ts';
import { grammarMaxBytes } from './grammar-bytes.ts';
import { Recent } from './recent.ts';
import * as refusals from './refusals.ts';

export interface CompilerPoolOptions {
  /** `number` counts those that there were. */
  readonly spawn: (number: number) => WorkerProcess;
  /** May change: read for each constraint. */
  readonly limits: { readonly schemaMaxBytes: number; readonly schemaMaxDepth: number };
  readonly clock: Clock;
  readonly log: Log;
  /** Of the processor, for one job. */
  readonly cpuMs?: number;
}

type Result = Grammar | { readonly refused: (param: string) => HearthError };

const CPU_MS = 1_000;
const START_MS = 20_000;
const CHILDREN_MAX = 2;
const WAITING_MAX = 64;
const BUDGET_REFUSED_MS = 60_000;
/** Of the text of all grammars that are remembered. */
const REMEMBERED_BYTES = 16 * 1024 * 1024;
/** Of a refusal, which is a few lines. */
const REFUSAL_BYTES = 1024;

export class CompilerPool implements ConstraintCompiler {
  readonly #options: CompilerPoolOptions;
  readonly #children: CompilerChildren;
  /** By the text of the constraint. */
  readonly #results = new Recent<Result>(REMEMBERED_BYTES);
  /** Texts that cost a child its life, until when they are refused. */
  readonly #overBudget = new Map<string, number>();
  readonly #compiling = new Map<string, Promise<Result>>();

  constructor(options: CompilerPoolOptions) {
    const { spawn, log, cpuMs = CPU_MS } = options;
    this.#options = options;
    this.#children = new CompilerChildren({
      spawn,
      cpuMs,
      startMs: START_MS,
      max: CHILDREN_MAX,
      isKeptWarm: true,
      onEnd: (how) => log.debug({ how }, 'a compiler of constraints has ended'),
    });
  }

  async compile({ constraint, param }: AskedConstraint): Promise<Grammar> {
    const { schemaMaxBytes, schemaMaxDepth } = this.#options.limits;
    const text = textOf(constraint);
    if (Buffer.byteLength(text) > schemaMaxBytes) throw refusals.tooLarge(param, schemaMaxBytes);
    const key = hashOf(`${schemaMaxDepth} ${schemaMaxBytes} ${constraint.kind} ${text}`);
    const found = this.#results.get(key) ?? (await this.#compileOnce(key, constraint));
    if ('refused' in found) throw found.refused(param);
    return found;
  }

  async check(
    { constraint }: AskedConstraint,
    { hash, text }: Grammar,
    answer: string,
  ): Promise<Verdict> {
    const { log } = this.#options;
    const end = await this.#children.run({ type: 'check', constraint, grammar: text, answer });
    if (end.type === 'checked' && end.verdict !== 'unchecked') return end;
    const why = 'why' in end ? end.why : end.type === 'died' ? end.how : 'it took too long';
    log.debug({ grammar: hash.slice(0, 12), why }, 'a finished answer could not be checked');
    return { verdict: 'unchecked' };
  }

  /** Ends the children; jobs that wait fail. Idempotent. */
  async close(): Promise<void> {
    await this.#children[Symbol.asyncDispose]();
  }

  #compileOnce(key: string, constraint: Constraint): Promise<Result> {
    const running = this.#compiling.get(key);
    if (running !== undefined) return running;
    const made = this.#make(key, constraint).finally(() => this.#compiling.delete(key));
    this.#compiling.set(key, made);
    return made;
  }

  async #make(key: string, constraint: Constraint): Promise<Result> {
    const { clock, limits, log } = this.#options;
    const overBudget = {
      refused: (param: string) => refusals.overBudget(param, constraint.kind),
    };
    const untilMs = this.#overBudget.get(key);
    if (untilMs !== undefined && clock.nowMs() < untilMs) return overBudget;
    this.#forgetOverBudget();

    if (this.#children.waiting >= WAITING_MAX) throw refusals.busy(this.#children.waiting);
    const job: CompilerJob = {
      type: 'compile',
      constraint,
      limits: {
        maxDepth: limits.schemaMaxDepth,
        maxGrammarBytes: grammarMaxBytes(limits.schemaMaxBytes),
      },
    };
    const first = await this.#children.run(job);
    const end = first.type === 'died' ? await this.#children.run(job) : first;
    if (end.type === 'late' || end.type === 'died') {
      const how = end.type === 'late' ? 'it took too long' : end.how;
      log.warn({ constraint: key.slice(0, 12), how }, 'a compiler was ended by a constraint');
      this.#overBudget.set(key, clock.nowMs() + BUDGET_REFUSED_MS);
      return overBudget;
    }
    const result = resultOf(end);
    this.#results.set(key, result, 'text' in result ? result.text.length : REFUSAL_BYTES);
    return result;
  }

  #forgetOverBudget(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [key, untilMs] of this.#overBudget) {
      if (untilMs <= nowMs) this.#overBudget.delete(key);
    }
  }
}

function resultOf(end: JobEnd): Result {
  switch (end.type) {
    case 'compiled':
      return { hash: hashOf(end.grammar), text: end.grammar };
    case 'refused':
      return {
        refused: (param) =>
          end.fault === 'text'
            ? refusals.unreadable(param, end.why)
            : refusals.unsupported(param, end),
      };
    default:
      throw new BugError(
        `The compiler of constraints failed: ${end.type === 'failed' ? end.why : end.type}`,
      );
  }
}

/** What its size is measured by. */
function textOf(constraint: Constraint): string {
  switch (constraint.kind) {
    case 'json_object':
      return '';
    case 'json_schema':
      return JSON.stringify(constraint.schema);
    case 'regex':
      return constraint.pattern;
    case 'grammar':
      return constraint.text;
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
