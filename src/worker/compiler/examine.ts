/**
 * One line of `hearth schema check`: is what is served for a schema right about the instances that come with it?
 *
 * What is judged is the text of the grammar, read as the engine reads it; neither the schema nor a validator is
 * asked once that text is there. Each instance is tried as given (compact JSON, its own key order), and then
 * with its keys in the order of the grammar, since objects are unordered and answers are written in order.
 *
 * Shapes  `{"id": string | number, "schema": any, "tests": [{"valid": boolean, "data": any}]}`.
 * Errors  none for whatever a line says; anything thrown is a fault of ours.
 */
import * as z from 'zod';

import type { Clock } from '../../core/clock.ts';
import type { Examined, ExamineLimits } from '../../ipc/compiler-protocol.ts';
import { type CompiledSchema, UNSATISFIABLE } from '../../schema/compile.ts';
import { draftOf } from '../../schema/document/dialect.ts';
import { GrammarError } from '../../schema/gbnf/error.ts';
import { acceptsText, makeMatcher } from '../../schema/gbnf/match.ts';
import { parseGrammar } from '../../schema/gbnf/parse.ts';
import { UnsupportedSchema } from '../../schema/unsupported.ts';
import { compileAffordable } from './compile-job.ts';
import { BodyError, parseBody, parseSpelled } from './json-body.ts';

const id = z.union([z.string(), z.number()], 'expected a string or a number');
const Named = z.object({ id });
const Line = Named.extend({
  schema: z.unknown(),
  tests: z.array(z.object({ valid: z.boolean(), data: z.unknown() })),
});

const Spelled = z.object({ tests: z.array(z.object({ data: z.unknown() })) });

interface Test {
  readonly valid: boolean;
  readonly data: unknown;
  /** As it was written, where that says more than the value. */
  readonly spelled?: string;
}

type Outcome = Omit<Examined, 'id' | 'ms'>;

export function examineLine(bytes: Uint8Array, limits: ExamineLimits, clock: Clock): Examined {
  let value: unknown;
  try {
    value = parseBody(bytes);
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    return { id: null, result: 'refused', why: error.message, ms: 0 };
  }
  const line = Line.safeParse(value);
  if (!line.success) {
    return { id: idOf(value), result: 'refused', why: whyNoLine(line.error), ms: 0 };
  }
  const { id, schema } = line.data;
  const isOfDraft4 = typeof schema === 'object' && schema !== null && isDraft4(schema);
  const tests = isOfDraft4 ? withSpelling(line.data.tests, bytes) : line.data.tests;
  return { id, ...examine({ schema, tests }, limits, clock) };
}

function isDraft4(schema: object): boolean {
  try {
    return draftOf(schema) === '4';
  } catch {
    // Told by the compiler.
    return false;
  }
}

function withSpelling(tests: readonly Test[], bytes: Uint8Array): readonly Test[] {
  const spelled = Spelled.parse(parseSpelled(bytes)).tests;
  return tests.map((test, index) => {
    const text = JSON.stringify(spelled[index]?.data);
    return text === JSON.stringify(test.data) ? test : { ...test, spelled: text };
  });
}

function whyNoLine({ issues: [issue] }: z.ZodError): string {
  const where = issue?.path.join('.') || 'the line';
  const isMissing = issue?.message.endsWith('received undefined');
  return isMissing ? `${where} is missing` : `${where}: ${issue?.message}`;
}

/** Null where there is none. */
function idOf(value: unknown): string | number | null {
  const named = Named.safeParse(value);
  return named.success ? named.data.id : null;
}

function examine(
  { schema, tests }: { readonly schema: unknown; readonly tests: readonly Test[] },
  limits: ExamineLimits,
  clock: Clock,
): Omit<Examined, 'id'> {
  const bytes = Buffer.byteLength(JSON.stringify(schema));
  if (bytes > limits.maxSchemaBytes) {
    const why = `it has ${bytes} bytes, of at most ${limits.maxSchemaBytes}`;
    return { result: 'refused', keyword: 'schema', pointer: '', why, ms: 0 };
  }
  const startedMs = clock.nowMs();
  const taken = () => clock.nowMs() - startedMs;
  let compiled: CompiledSchema;
  try {
    compiled = compileAffordable(schema, limits);
  } catch (error) {
    const ms = taken();
    if (error instanceof UnsupportedSchema) return { ...refused(error, tests), ms };
    throw error;
  }
  const ms = taken();
  return { ...judge(compiled, tests), ms };
}

/** That nothing satisfies a schema is right if all of its instances are invalid, and else a mistake of ours. */
function refused({ keyword, pointer, why }: UnsupportedSchema, tests: readonly Test[]): Outcome {
  const place = { keyword, pointer, why };
  if (why !== UNSATISFIABLE || tests.length === 0) return { result: 'refused', ...place };
  return tests.some(({ valid }) => valid) ? { result: 'over', ...place } : { result: 'pass' };
}

function judge({ grammar, textOf }: CompiledSchema, tests: readonly Test[]): Outcome {
  const matcher = makeMatcher(parseGrammar(grammar));
  let over: Outcome | undefined;
  let isReordered = false;
  try {
    for (const [index, { valid, data, spelled }] of tests.entries()) {
      // The canonical text of an invalid one may be that of a value which is valid.
      const own = valid ? undefined : spelled;
      const given = acceptsText(matcher, own ?? JSON.stringify(data));
      const verdict = given.ok || own !== undefined ? given : acceptsText(matcher, textOf(data));
      if (verdict.ok && !valid) {
        return { result: 'under', why: `test ${index + 1} is invalid and is accepted` };
      }
      if (verdict.ok) isReordered ||= !given.ok;
      else if (valid) {
        const why = `test ${index + 1} is valid and leaves the grammar at byte ${verdict.atByte}`;
        over ??= { result: 'over', why };
      }
    }
  } catch (error) {
    // It has counted its work and stopped: that is time, and no fault of the grammar's.
    if (error instanceof GrammarError) return { result: 'timeout', why: error.message };
    throw error;
  }
  return over ?? { result: 'pass', ...(isReordered ? { reordered: true } : {}) };
}
