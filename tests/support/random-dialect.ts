/**
 * A schema of 2020-12 in the words of an older draft: the same set of values, so that one validator can
 * judge how each is read.
 */
import type { Keywords, Schema } from './random-schema.ts';

export type Dialect = '4' | '6' | '7' | '2019-09' | '2020-12';
export const DIALECTS: readonly Dialect[] = ['4', '6', '7', '2019-09', '2020-12'];

const NAMES: Readonly<Record<Dialect, string>> = {
  '4': 'http://json-schema.org/draft-04/schema#',
  '6': 'http://json-schema.org/draft-06/schema#',
  '7': 'http://json-schema.org/draft-07/schema#',
  '2019-09': 'https://json-schema.org/draft/2019-09/schema',
  '2020-12': 'https://json-schema.org/draft/2020-12/schema',
};

const SINCE: Readonly<Record<string, number>> = {
  contains: 1,
  propertyNames: 1,
  if: 2,
  minContains: 3,
  maxContains: 3,
  unevaluatedProperties: 3,
  unevaluatedItems: 3,
};

const ONE = [
  ...['additionalProperties', 'propertyNames', 'items', 'contains', 'not', 'if', 'then', 'else'],
  ...['unevaluatedProperties', 'unevaluatedItems'],
];
const LISTS = ['prefixItems', 'anyOf', 'allOf', 'oneOf'];
const BY_NAME = ['properties', 'patternProperties', 'dependentSchemas', '$defs'];

/** With `$schema` if `isNamed`; undefined for what the draft cannot say. */
export function spelledIn(
  dialect: Dialect,
  schema: Keywords,
  { isNamed }: { readonly isNamed: boolean },
): Keywords | undefined {
  const level = DIALECTS.indexOf(dialect);
  const words = [...subschemas(schema)].flatMap((one) => Object.keys(one));
  if (words.some((word) => (SINCE[word] ?? 0) > level)) return undefined;
  const spelled = spell(schema, level) as Keywords;
  return isNamed ? { $schema: NAMES[dialect], ...spelled } : spelled;
}

/** The schema and all inside of it that are objects. */
export function* subschemas(schema: Schema): Generator<Keywords> {
  if (typeof schema === 'boolean') return;
  yield schema;
  for (const inner of inside(schema)) yield* subschemas(inner);
}

function* inside(schema: Keywords): Generator<Schema> {
  for (const [word, value] of Object.entries(schema)) {
    if (ONE.includes(word)) yield value as Schema;
    else if (LISTS.includes(word)) yield* value as Schema[];
    else if (BY_NAME.includes(word)) yield* Object.values(value as Record<string, Schema>);
  }
}

function spell(schema: Schema, level: number): Schema {
  if (typeof schema === 'boolean') return level > 0 ? schema : schema ? {} : { not: {} };
  const found: Record<string, unknown> = {};
  const more: Keywords[] = [];
  for (const [word, value] of Object.entries(schema)) {
    if (ONE.includes(word)) found[word] = spell(value as Schema, level);
    else if (LISTS.includes(word)) {
      found[word] = (value as Schema[]).map((one) => spell(one, level));
    } else if (BY_NAME.includes(word)) {
      const spelled = Object.entries(value as Record<string, Schema>).map(([name, one]) => [
        name,
        spell(one, level),
      ]);
      found[word] = Object.fromEntries(spelled);
    } else found[word] = value;
  }
  if (level < 4 && 'prefixItems' in found) {
    if ('items' in found) found.additionalItems = found.items;
    found.items = found.prefixItems;
    delete found.prefixItems;
  }
  if (level < 3) toOldDependencies(found, more);
  if (level < 1) toOldScalars(found, more);
  if (level < 3 && '$defs' in found) {
    found.definitions = found.$defs;
    delete found.$defs;
  }
  if (level < 3 && typeof found.$ref === 'string') {
    // Alone, since it hides what stands beside it.
    more.push({ $ref: found.$ref.replace('$defs', 'definitions') });
    delete found.$ref;
  }
  return more.length === 0
    ? found
    : { ...found, allOf: [...((found.allOf as Schema[] | undefined) ?? []), ...more] };
}

function toOldDependencies(found: Record<string, unknown>, more: Keywords[]): void {
  for (const word of ['dependentRequired', 'dependentSchemas']) {
    if (!(word in found)) continue;
    if ('dependencies' in found) more.push({ dependencies: found[word] });
    else found.dependencies = found[word];
    delete found[word];
  }
}

function toOldScalars(found: Record<string, unknown>, more: Keywords[]): void {
  if ('const' in found) {
    if ('enum' in found) more.push({ enum: [found.const] });
    else found.enum = [found.const];
    delete found.const;
  }
  for (const [plain, exclusive] of [
    ['minimum', 'exclusiveMinimum'],
    ['maximum', 'exclusiveMaximum'],
  ] as const) {
    if (!(exclusive in found)) continue;
    const limit = { [plain]: found[exclusive], [exclusive]: true };
    delete found[exclusive];
    if (plain in found) more.push(limit);
    else Object.assign(found, limit);
  }
}
