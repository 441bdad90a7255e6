/** The compiler of constraints without its process: the same code, called in place. */
import { createHash } from 'node:crypto';

import type { AskedConstraint, ConstraintCompiler, Verdict } from '../../src/core/constraint.ts';
import type { Grammar } from '../../src/core/engine.ts';
import { unreadable, unsupported } from '../../src/orchestrator/compiler/refusals.ts';
import { compileConstraint } from '../../src/worker/compiler/compile-job.ts';
import { FinalCheck } from '../../src/worker/compiler/final-check.ts';

export class DirectCompiler implements ConstraintCompiler {
  readonly #check = new FinalCheck();

  async compile({ constraint, param }: AskedConstraint): Promise<Grammar> {
    const made = compileConstraint(constraint, { maxDepth: 20, maxGrammarBytes: 262_144 });
    if ('grammar' in made) {
      const hash = createHash('sha256').update(made.grammar).digest('hex');
      return { hash, text: made.grammar };
    }
    throw made.fault === 'text' ? unreadable(param, made.why) : unsupported(param, made);
  }

  async check(
    { constraint }: AskedConstraint,
    { text }: Grammar,
    answer: string,
  ): Promise<Verdict> {
    return this.#check.check(constraint, text, answer);
  }
}
