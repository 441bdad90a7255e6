/**
 * A JSON Schema as the grammar of its answers, or a refusal that names the keyword and where it stands.
 *
 *   document ──▶ places (references, drafts) ──▶ terms ──▶ sets ──▶ GBNF
 *
 * Pure and deterministic: the same schema gives the same text, and what is too large is refused by counting
 * and not by the clock.
 *
 * Units   bytes of UTF-8; `maxDepth` counts schemas inside of schemas.
 * Errors  UnsupportedSchema, and nothing else.
 */
import { BudgetError } from './automata/budget.ts';
import { NumberError } from './automata/numbers/error.ts';
import { type Place, Places } from './document/places.ts';
import { PresenceBudgetError } from './ir/presence.ts';
import { Sets } from './ir/sets.ts';
import { ShapeBudgetError } from './ir/shape-budget.ts';
import type { Term } from './ir/term.ts';
import { TermBudgetError } from './ir/term-budget-error.ts';
import { printGrammar } from './print/print-grammar.ts';
import { GrammarBudgetError, MAX_BYTES } from './print/rules.ts';
import { readSchema } from './read/read-schema.ts';
import { writeInOrder } from './reorder.ts';
import { UnsupportedSchema } from './unsupported.ts';

/** The `why` of a schema that refuses everything by itself. */
export const UNSATISFIABLE = 'no value can satisfy it';

export interface CompileLimits {
  readonly maxDepth: number;
  readonly maxGrammarBytes: number;
}

const DEFAULT_LIMITS: CompileLimits = { maxDepth: 20, maxGrammarBytes: MAX_BYTES };

const BUDGETS = [
  PresenceBudgetError,
  ShapeBudgetError,
  TermBudgetError,
  BudgetError,
  GrammarBudgetError,
  NumberError,
  // Deeper than any reader would write: our own calls follow the nesting.
  RangeError,
];

export interface CompiledSchema {
  /** GBNF. Its sentences are the canonical texts of the values that satisfy the schema. */
  readonly grammar: string;
  /** The canonical text of a value, with its keys in the order of the grammar. */
  textOf(value: unknown): string;
}

export function compileSchema(
  document: unknown,
  limits: CompileLimits = DEFAULT_LIMITS,
): CompiledSchema {
  const places = new Places(document, limits.maxDepth);
  const sets = new Sets((place: Place, own: Sets) => readSchema(place, places, own));
  try {
    const root = sets.terms.place(places.root);
    if (sets.isEmpty(root)) {
      throw new UnsupportedSchema(...whereEmpty(places, sets), UNSATISFIABLE);
    }
    return {
      grammar: printGrammar(root, sets, limits.maxGrammarBytes),
      textOf: (value) => textOf(value, root, sets),
    };
  } catch (error) {
    if (isBudget(error)) {
      throw new UnsupportedSchema('schema', '', `too large to enforce: ${error.message}`);
    }
    throw error;
  }
}

function textOf(value: unknown, root: Term, sets: Sets): string {
  try {
    return writeInOrder(value, root, sets);
  } catch (error) {
    // A part that no answer reaches is worked out for the first time, and may be one that is refused.
    if (error instanceof UnsupportedSchema || isBudget(error)) return JSON.stringify(value);
    throw error;
  }
}

function isBudget(error: unknown): error is Error {
  return BUDGETS.some((kind) => error instanceof kind);
}

/** The deepest required part that is empty by itself, which is what a person has to look at. */
function whereEmpty(places: Places, sets: Sets): [keyword: string, pointer: string] {
  let place = places.root;
  let keyword = 'schema';
  for (let isDeeper = true; isDeeper; ) {
    isDeeper = false;
    for (const [name, inner] of requiredBelow(place, places)) {
      if (!sets.isEmpty(sets.terms.place(inner)) || inner.schema === false) continue;
      place = inner;
      keyword = name;
      isDeeper = true;
      break;
    }
  }
  return [keyword, place.pointer];
}

function* requiredBelow(place: Place, places: Places): Generator<[string, Place]> {
  if (typeof place.schema === 'boolean') return;
  const { required, properties, allOf } = place.schema;
  if (Array.isArray(required) && typeof properties === 'object' && properties !== null) {
    for (const name of required) {
      if (typeof name === 'string' && Object.hasOwn(properties, name)) {
        yield ['properties', places.below(place, 'properties', name)];
      }
    }
  }
  if (Array.isArray(allOf)) {
    for (const index of allOf.keys()) yield ['allOf', places.below(place, 'allOf', index)];
  }
}
