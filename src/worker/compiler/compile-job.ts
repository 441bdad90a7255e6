/**
 * A constraint as GBNF, or why there is none. Everything that comes from a client is read here and nowhere
 * else, because this process may be killed.
 */
import type { Constraint } from '../../core/constraint.ts';
import type { CompileLimitsMessage } from '../../ipc/compiler-protocol.ts';
import { RegexError } from '../../schema/automata/regex/error.ts';
import { type CompiledSchema, compileSchema } from '../../schema/compile.ts';
import { compileRegex } from '../../schema/compile-regex.ts';
import { GrammarError } from '../../schema/gbnf/error.ts';
import { assertAffordable, lintGrammar } from '../../schema/gbnf/lint.ts';
import { UnsupportedSchema } from '../../schema/unsupported.ts';

export type Compiled =
  | { readonly grammar: string }
  | {
      readonly fault: 'unsupported' | 'text';
      readonly keyword: string;
      readonly pointer: string;
      readonly why: string;
    };

export function compileConstraint(constraint: Constraint, limits: CompileLimitsMessage): Compiled {
  try {
    return { grammar: grammarOf(constraint, limits) };
  } catch (error) {
    if (error instanceof UnsupportedSchema) {
      const { keyword, pointer, why } = error;
      return { fault: 'unsupported', keyword, pointer, why };
    }
    if (error instanceof GrammarError || error instanceof RegexError) {
      const why = error.message.replace(/\.$/, '');
      return { fault: 'text', keyword: constraint.kind, pointer: '', why };
    }
    throw error;
  }
}

function grammarOf(constraint: Constraint, limits: CompileLimitsMessage): string {
  switch (constraint.kind) {
    case 'grammar':
      lintGrammar(constraint.text);
      return constraint.text;
    case 'regex':
      return affordable(compileRegex(constraint.pattern, limits.maxGrammarBytes), 'regex');
    case 'json_object':
      return compileSchema({ type: 'object' }, limits).grammar;
    case 'json_schema':
      return compileAffordable(constraint.schema, limits).grammar;
  }
}

/** As it is served. */
export function compileAffordable(schema: unknown, limits: CompileLimitsMessage): CompiledSchema {
  const compiled = compileSchema(schema, limits);
  affordable(compiled.grammar, 'schema');
  return compiled;
}

function affordable(grammar: string, keyword: string): string {
  try {
    assertAffordable(grammar);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    throw new UnsupportedSchema(keyword, '', `too large to enforce: ${error.message}`);
  }
  return grammar;
}
