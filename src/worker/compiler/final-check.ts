/**
 * The last look at an answer that is finished: is it in its grammar, and is it valid by a validator that
 * knows nothing of how grammars are made? A miss is a fault of ours.
 *
 * `unchecked` where the validator cannot say: drafts it has never known, spellings that it reads in
 * another way than the draft (siblings of `$ref` up to draft 7), and schemas that it cannot compile.
 *
 * Source  Ajv 8's options; where it is known to be wrong it is given our own code: `multipleOf` by exact
 *         decimals (it rejects 1,363 of the 10,001 two-decimal numbers to 100 for a step of 0.01), patterns
 *         in linear time, and the ten formats that are enforced.
 */
import type { Ajv as AjvClass, FuncKeywordDefinition, ValidateFunction } from 'ajv';

import type { Constraint } from '../../core/constraint.ts';
import { accepts } from '../../schema/automata/dfa.ts';
import { FORMATS, formatDfa } from '../../schema/automata/formats.ts';
import { multipleOf } from '../../schema/automata/multiple-of.ts';
import { type Draft, draftOf } from '../../schema/document/dialect.ts';
import { acceptsText, type Matcher, makeMatcher } from '../../schema/gbnf/match.ts';
import { parseGrammar } from '../../schema/gbnf/parse.ts';
import { hasString, matchingStrings } from '../../schema/ir/strings.ts';

export interface Checked {
  readonly verdict: 'valid' | 'invalid' | 'unchecked';
  readonly why: string;
}

type Validate = (value: unknown) => Checked;

/** What is kept from one answer to the next. */
const KEPT = 16;
const VALID: Checked = { verdict: 'valid', why: '' };

export class FinalCheck {
  /** By grammar. */
  readonly #matchers = new Map<string, Matcher>();
  /** By the text of the constraint. */
  readonly #validators = new Map<string, Validate>();

  async check(constraint: Constraint, grammar: string, answer: string): Promise<Checked> {
    const matcher = keep(this.#matchers, grammar, () => makeMatcher(parseGrammar(grammar)));
    const match = acceptsText(matcher, answer);
    if (!match.ok) {
      return { verdict: 'invalid', why: `it leaves its grammar at byte ${match.atByte}` };
    }
    return constraint.kind === 'json_schema' ? this.validate(constraint.schema, answer) : VALID;
  }

  /** By the validator alone. `answer` is JSON. */
  async validate(schema: unknown, answer: string): Promise<Checked> {
    const key = JSON.stringify(schema);
    const known = this.#validators.get(key);
    const validate = known ?? (await makeValidator(schema));
    keep(this.#validators, key, () => validate);
    return validate(JSON.parse(answer));
  }
}

/** The least recently used goes first. */
function keep<T>(kept: Map<string, T>, key: string, make: () => T): T {
  const value = kept.get(key) ?? make();
  kept.delete(key);
  kept.set(key, value);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
  return value;
}

/** What the validator says by itself, without a grammar. */
export async function makeValidator(schema: unknown): Promise<Validate> {
  const draft = draftOf(schema);
  if (draft === '4' || draft === '6') return unable(`no validator for draft ${draft}`);
  if (draft === '7' && hasRefSiblings(schema)) return unable('keywords beside `$ref`');
  const ajv = await ajvFor(draft);
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(schema as object | boolean);
  } catch (error) {
    return unable(whatOf(error));
  }
  return (value) => {
    try {
      if (validate(value)) return VALID;
    } catch (error) {
      // Some of the code that it makes does not run: `items0 is not defined`.
      return { verdict: 'unchecked', why: whatOf(error) };
    }
    // Not its message, which may hold names and values of the client's.
    const keyword = validate.errors?.[0]?.keyword ?? 'schema';
    return { verdict: 'invalid', why: `the validator objects by \`${keyword}\`` };
  };
}

function whatOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unable(why: string): Validate {
  return () => ({ verdict: 'unchecked', why });
}

async function ajvFor(draft: Draft): Promise<AjvClass> {
  const Ajv =
    draft === '7'
      ? (await import('ajv')).Ajv
      : draft === '2019-09'
        ? (await import('ajv/dist/2019.js')).Ajv2019
        : (await import('ajv/dist/2020.js')).Ajv2020;
  const ajv = new Ajv({
    strict: false,
    // What a schema may be has been decided when it was compiled.
    validateSchema: false,
    logger: false,
    // Where it stops at the first error, it takes `[]` for valid by `prefixItems` with any `contains`, and
    // does not miss a required property whose name is empty. (Under `not` and `if` it always stops.)
    allErrors: true,
    code: { regExp: linearRegex },
    formats: Object.fromEntries(
      FORMATS.map((name) => [name, (text: string) => accepts(formatDfa(name), text)]),
    ),
  });
  ajv.removeKeyword('multipleOf');
  ajv.addKeyword(EXACT_MULTIPLE);
  return ajv;
}

const EXACT_MULTIPLE: FuncKeywordDefinition = {
  keyword: 'multipleOf',
  type: 'number',
  schemaType: 'number',
  compile: (step: number) => {
    const multiples = multipleOf(step);
    return (value: number) => accepts(multiples, JSON.stringify(value));
  },
};

const linearRegex = Object.assign(
  (pattern: string) => {
    const texts = matchingStrings(pattern);
    return {
      test: (text: string) => hasString(texts, text),
      // Ajv keeps patterns by it: without it all of a schema would be the first one.
      toString: () => pattern,
    };
  },
  // Ajv writes it into code that it prints, which is asked of nobody here.
  { code: 'linearRegex' },
);

function hasRefSiblings(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false;
  if (!Array.isArray(schema) && '$ref' in schema && Object.keys(schema).length > 1) return true;
  return Object.values(schema).some(hasRefSiblings);
}
