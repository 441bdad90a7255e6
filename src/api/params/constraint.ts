/**
 * `response_format`, `grammar` and `regex`: what the answer must be. One of them at most; each is enforced or
 * refused, `strict` or not.
 *
 * Errors  RequestError invalid_value, unsupported_parameter; whether a schema can be enforced is decided later, by
 *         the compiler.
 * Source  OpenAI's document 2.3.0, `ResponseFormatJsonSchema`; `grammar` as llama-server has it, `regex` as
 *         SGLang has it.
 */
import * as z from 'zod';

import type { AskedConstraint } from '../../core/constraint.ts';
import { RequestError } from '../../core/errors.ts';
import { unsupportedParameter } from './sort.ts';

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const HONOURED = new Set(['type', 'json_schema']);
const HONOURED_INSIDE = new Set(['name', 'description', 'schema', 'strict']);

const jsonSchema = z.looseObject({
  name: z.string().regex(NAME, 'expected 1 to 64 letters, digits, "_" or "-"'),
  description: z.string().nullish().meta({ description: 'Not shown to the model.' }),
  schema: z
    .unknown()
    .refine(isSchema, 'expected a JSON Schema: an object or a boolean')
    .meta({ type: ['object', 'boolean'], description: 'Not shown to the model.' }),
  strict: z.boolean().nullish().meta({ description: 'Enforced in either case.' }),
});

export const CONSTRAINT_FIELDS = {
  response_format: z
    .discriminatedUnion('type', [
      z.looseObject({ type: z.literal('text') }),
      z.looseObject({ type: z.literal('json_object') }),
      z.looseObject({ type: z.literal('json_schema'), json_schema: jsonSchema }),
    ])
    .nullish()
    .meta({ description: 'What the answer must be; one that cannot be enforced is refused.' }),
  grammar: z
    .string()
    .nullish()
    .meta({ description: 'GBNF as llama.cpp reads it, rule `root`: the whole answer.' }),
  regex: z.string().nullish().meta({ description: 'ECMA-262: the whole answer matches it.' }),
} as const;

const fields = z.object(CONSTRAINT_FIELDS);
export type ConstraintFields = z.output<typeof fields>;

/** Members of `response_format` that nobody has heard of go into `ignored`. */
export function toConstraint(
  { response_format: format, grammar, regex }: ConstraintFields,
  ignored: string[],
): AskedConstraint | undefined {
  const asked: AskedConstraint[] = [];
  const formatted = format === null || format === undefined ? undefined : ofFormat(format, ignored);
  if (formatted !== undefined) asked.push(formatted);
  if (grammar) asked.push({ constraint: { kind: 'grammar', text: grammar }, param: 'grammar' });
  if (regex) asked.push({ constraint: { kind: 'regex', pattern: regex }, param: 'regex' });
  const [first, second] = asked;
  if (second !== undefined) {
    const { param } = second;
    const message = `\`${param}\`: expected only one of response_format, grammar and regex; \`${first!.param}\` is there, too`;
    throw new RequestError('invalid_value', message, { param });
  }
  return first;
}

/** After the end of a grammar nothing may come. */
export function refuseIgnoreEos(ignoreEos: boolean, { param }: AskedConstraint): void {
  if (!ignoreEos) return;
  throw unsupportedParameter('ignore_eos', `\`${param}\` decides where the answer ends`);
}

function ofFormat(
  format: NonNullable<ConstraintFields['response_format']>,
  ignored: string[],
): AskedConstraint | undefined {
  const param = 'response_format';
  if (format.type === 'json_object' && 'schema' in format && format.schema !== null) {
    throw unsupportedParameter(
      'response_format.schema',
      'send it as `json_schema` with `type: "json_schema"`',
    );
  }
  for (const name of Object.keys(format)) {
    if (!HONOURED.has(name)) ignored.push(`${param}.${name}`);
  }
  if (format.type === 'text') return undefined;
  if (format.type === 'json_object') return { constraint: { kind: 'json_object' }, param };
  for (const name of Object.keys(format.json_schema)) {
    if (!HONOURED_INSIDE.has(name)) ignored.push(`${param}.json_schema.${name}`);
  }
  return { constraint: { kind: 'json_schema', schema: format.json_schema.schema }, param };
}

function isSchema(value: unknown): boolean {
  return (
    typeof value === 'boolean' ||
    (typeof value === 'object' && value !== null && !Array.isArray(value))
  );
}
