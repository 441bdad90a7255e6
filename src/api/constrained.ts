/**
 * The answers of one request that must be something: compiled before the request is admitted, looked at once more
 * before the client is told that an answer is finished.
 *
 * Errors  what the compiler refuses with; BugError for a finished answer that is not what was asked for.
 */
import type { AskedConstraint, Verdict } from '../core/constraint.ts';
import type { FinishReason, Grammar } from '../core/engine.ts';
import { BugError, HearthError } from '../core/errors.ts';
import type { Exchange } from './exchange.ts';

const HASH_SHOWN = 12;

export class Constrained {
  readonly #exchange: Exchange;
  readonly #asked: AskedConstraint;
  readonly grammar: Grammar;

  private constructor(exchange: Exchange, asked: AskedConstraint, grammar: Grammar) {
    this.#exchange = exchange;
    this.#asked = asked;
    this.grammar = grammar;
  }

  static async compile(exchange: Exchange, asked: AskedConstraint): Promise<Constrained> {
    const { compiler, clock, metrics } = exchange.deps;
    const { kind } = asked.constraint;
    const startedMs = clock.nowMs();
    try {
      const grammar = await compiler.compile(asked);
      metrics.constraintCompiled(kind, 'compiled', clock.nowMs() - startedMs);
      return new Constrained(exchange, asked, grammar);
    } catch (error) {
      const isRefused = error instanceof HearthError && !(error instanceof BugError);
      metrics.constraintCompiled(kind, isRefused ? 'refused' : 'failed', clock.nowMs() - startedMs);
      throw error;
    }
  }

  /** How the client is told that the answer ended. A stop string that cuts it makes it `length`. */
  async settle(
    answer: string,
    { reason, stop }: { readonly reason: FinishReason; readonly stop?: string | undefined },
  ): Promise<FinishReason> {
    if (reason === 'length') return reason;
    const verdict = await this.#check(answer);
    if (verdict.verdict !== 'invalid') return reason;
    if (stop !== undefined) return 'length';
    const { log } = this.#exchange.deps;
    // All of it would look like a key to the log.
    const grammar = this.grammar.hash.slice(0, HASH_SHOWN);
    log.error({ grammar, why: verdict.why }, 'a finished answer is not what was asked for');
    throw new BugError(`A finished answer is not what \`${this.#asked.param}\` asks for.`);
  }

  async #check(answer: string): Promise<Verdict> {
    const { compiler, metrics } = this.#exchange.deps;
    const verdict = await compiler.check(this.#asked, this.grammar, answer);
    metrics.finalCheck(verdict.verdict);
    return verdict;
  }
}
