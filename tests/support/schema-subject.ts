/**
 * A schema beside its grammar and a validator that knows nothing of grammars, and what may be asked of the
 * three: sentences that are invalid, values that are missed.
 */
import { type CompiledSchema, compileSchema } from '../../src/schema/compile.ts';
import { drawSentence } from '../../src/schema/gbnf/draw.ts';
import {
  acceptsText,
  advance,
  isAccepting,
  type Matcher,
  type MatchState,
  makeMatcher,
  start,
} from '../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../src/schema/gbnf/parse.ts';
import { UnsupportedSchema } from '../../src/schema/unsupported.ts';
import { makeValidator } from '../../src/worker/compiler/final-check.ts';
import { nearValue } from './near-value.ts';
import { subschemas } from './random-dialect.ts';
import type { Keywords, Schema } from './random-schema.ts';

export type Judgement = ReturnType<Awaited<ReturnType<typeof makeValidator>>>['verdict'];

export interface Subject {
  readonly schema: Keywords;
  readonly compiled: CompiledSchema;
  readonly matcher: Matcher;
}

const SENTENCE = { maxCodePoints: 120 };

/** Undefined for a schema that is refused. `spelled` is what the compiler is given, if it is not `schema`. */
export function subjectOf(schema: Keywords, spelled: unknown = schema): Subject | undefined {
  try {
    const compiled = compileSchema(spelled);
    return { schema, compiled, matcher: makeMatcher(parseGrammar(compiled.grammar)) };
  } catch (error) {
    if (error instanceof UnsupportedSchema) return undefined;
    throw error;
  }
}

/** Whether it is refused because nothing is said to satisfy it. */
export function isCalledEmpty(spelled: unknown): boolean {
  try {
    compileSchema(spelled);
    return false;
  } catch (error) {
    return error instanceof UnsupportedSchema && error.why === 'no value can satisfy it';
  }
}

export async function validatorOf(schema: Keywords): Promise<(value: unknown) => Judgement> {
  const validate = await makeValidator(schema);
  const doesCount = [...subschemas(schema)].some((one) => 'contains' in one);
  // Ajv 8.20 says of `[]` what it said before of another array, by `contains` in a loop or beside `prefixItems`.
  return (value) => (doesCount && hasEmptyArray(value) ? 'unchecked' : validate(value).verdict);
}

function hasEmptyArray(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return (Array.isArray(value) && value.length === 0) || Object.values(value).some(hasEmptyArray);
}

export function sentencesOf({ matcher }: Subject, random: () => number, count: number): string[] {
  const found: string[] = [];
  for (let i = 0; i < count; i++) {
    const sentence = drawSentence(matcher, random, SENTENCE);
    if (sentence !== undefined) found.push(sentence);
  }
  return found;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null/g;

/** With one key or value in the place of another: keys repeat, and values stand where they may not. */
export function mutated(text: string, random: () => number): string {
  const tokens = [...text.matchAll(TOKEN)];
  if (tokens.length < 2) return text;
  const pick = () => tokens[Math.floor(random() * tokens.length)]!;
  const [to, from] = [pick(), pick()];
  return text.slice(0, to.index) + from[0] + text.slice(to.index + to[0].length);
}

export interface Compared {
  /** The validator takes them, and no spelling of them is in the grammar. */
  readonly missed: readonly unknown[];
  /** The validator rejects them, and the grammar has a spelling. */
  readonly wrong: readonly unknown[];
  readonly valid: number;
}

/** Values near the schema, as the validator and the grammar see them. */
export function compareOn(
  subject: Subject,
  judge: (value: unknown) => Judgement,
  { random, count }: { readonly random: () => number; readonly count: number },
): Compared {
  const missed: unknown[] = [];
  const wrong: unknown[] = [];
  let valid = 0;
  for (let i = 0; i < count; i++) {
    const value = nearValue(subject.schema, random);
    const verdict = judge(value);
    if (verdict === 'valid') valid++;
    const isThere = hasValue(subject, value);
    if (verdict === 'invalid' && isThere) wrong.push(value);
    if (verdict === 'valid' && !isThere && !isNarrowed(value, subject.schema)) missed.push(value);
  }
  return { missed, wrong, valid };
}

/** Values near a schema that the validator takes, where nothing is left out on purpose. */
export function validNear(
  schema: Keywords,
  judge: (value: unknown) => Judgement,
  { random, count }: { readonly random: () => number; readonly count: number },
): readonly unknown[] {
  return Array.from({ length: count }, () => nearValue(schema, random)).filter(
    (value) => judge(value) === 'valid' && !isNarrowed(value, schema),
  );
}

/** With its keys in the order that the grammar gives them, or in any other. */
export function hasValue({ compiled, matcher }: Subject, value: unknown): boolean {
  if (acceptsText(matcher, compiled.textOf(value)).ok) return true;
  return afterValue([start(matcher)], value).some(isAccepting);
}

/** Where a text may be after the value, however its keys are ordered. */
function afterValue(from: readonly MatchState[], value: unknown): MatchState[] {
  if (typeof value !== 'object' || value === null) return afterText(from, JSON.stringify(value));
  if (Array.isArray(value)) {
    let at = afterText(from, '[');
    for (const [index, item] of value.entries()) {
      at = afterValue(index === 0 ? at : afterText(at, ','), item);
    }
    return afterText(at, ']');
  }
  const members = (
    at: MatchState[],
    left: readonly (readonly [string, unknown])[],
    mark: string,
  ): MatchState[] =>
    at.length === 0 || left.length === 0
      ? at
      : distinct(
          left.flatMap(([key, one], index) => {
            const after = afterValue(afterText(at, `${mark}${JSON.stringify(key)}:`), one);
            return members(after, left.toSpliced(index, 1), ',');
          }),
        );
  return afterText(members(afterText(from, '{'), Object.entries(value), ''), '}');
}

function afterText(from: readonly MatchState[], text: string): MatchState[] {
  let at: readonly MatchState[] = from;
  for (const character of text) {
    at = at.flatMap((one) => advance(one, character.codePointAt(0)!) ?? []);
  }
  return distinct(at);
}

function distinct(states: readonly MatchState[]): MatchState[] {
  return [...new Map(states.map((one) => [one.state, one])).values()];
}

/**
 * Numbers that are left out on purpose: integers that have an exponent, what is no integer and close to one,
 * multiples of more than 15 digits, what is no multiple and has more than 6 decimals, and bounds that JSON may have
 * rounded. Where a schema says nothing of the kind, no number is left out.
 */
export function isNarrowed(value: unknown, schema: Keywords): boolean {
  return hasLongNumber(value) && [...subschemas(schema)].some(isAboutDigits);
}

function isAboutDigits(schema: Schema): boolean {
  const { multipleOf, type, minimum, maximum, exclusiveMinimum, exclusiveMaximum } =
    schema as Keywords;
  const isRounded = [minimum, maximum, exclusiveMinimum, exclusiveMaximum].some(
    (bound) => typeof bound === 'number' && Math.abs(bound) > Number.MAX_SAFE_INTEGER,
  );
  return multipleOf !== undefined || [type].flat().includes('integer') || isRounded;
}

function hasLongNumber(value: unknown): boolean {
  if (typeof value === 'number') {
    return !/^-?(?=[\d.]{1,16}$)\d{1,15}(\.\d{1,6})?$/.test(JSON.stringify(value));
  }
  return typeof value === 'object' && value !== null && Object.values(value).some(hasLongNumber);
}
