/**
 * The keys of the configuration as a list, read from the schema: what a document, an environment
 * variable or a message needs to know about one key.
 *
 * `[models.NAME]` keys have no variable: a name may hold characters that a variable cannot. Nor have those
 * of `[[keys]]`, of which there are many.
 */
import * as z from 'zod';

import { FileSchema, KeySection, ModelSection, SECTIONS } from './schema.ts';

export interface Key {
  /** `limits.queue_depth_max`; keys of a model stand under `models.NAME`, of an API key under `keys`. */
  readonly path: string;
  readonly section: string;
  readonly key: string;
  /** `HEARTH_LIMITS_QUEUE_DEPTH_MAX`; undefined for keys of a model. */
  readonly variable: string | undefined;
  readonly description: string;
  /** "a whole number from 0 to 65535" */
  readonly expected: string;
  /** Undefined where there is none. */
  readonly byDefault: unknown;
  readonly isRequired: boolean;
  readonly kinds: ReadonlySet<Kind>;
}

export type Kind = 'string' | 'number' | 'boolean' | 'list';

/** The part of JSON Schema that our own schema uses. */
interface Shape {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Shape[];
  readonly items?: Shape;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly default?: unknown;
  readonly description?: string;
}

export function listKeys(): readonly Key[] {
  const fixed = Object.entries(SECTIONS).flatMap(([section, schema]) =>
    keysOf(section, schema.shape, (key) => `HEARTH_${section}_${key}`.toUpperCase()),
  );
  const { defaults, ...model } = ModelSection.shape;
  return [
    ...fixed,
    ...keysOf('models.NAME', model, () => undefined),
    ...keysOf('models.NAME.defaults', defaults.def.innerType.shape, () => undefined),
    ...keysOf('keys', KeySection.shape, () => undefined),
  ];
}

export function sectionDescription(section: string): string {
  const schema = Object.entries(FileSchema.shape).find(([name]) => name === section)?.[1];
  return schema?.description ?? '';
}

function keysOf(
  section: string,
  shape: Readonly<Record<string, z.ZodType>>,
  variableOf: (key: string) => string | undefined,
): readonly Key[] {
  return Object.entries(shape).map(
    ([key, schema]) => new SchemaKey({ section, key, variable: variableOf(key), schema }),
  );
}

/**
 * What takes the schema apart waits until it is asked for: a start with one variable set needs one of the
 * hundred keys, and the JSON schemas of all of them are 7 MB that never go away.
 */
class SchemaKey implements Key {
  readonly path: string;
  readonly section: string;
  readonly key: string;
  readonly variable: string | undefined;
  readonly #schema: z.ZodType;
  #json: Shape | undefined;

  constructor({
    section,
    key,
    variable,
    schema,
  }: Pick<Key, 'section' | 'key' | 'variable'> & { readonly schema: z.ZodType }) {
    this.path = `${section}.${key}`;
    this.section = section;
    this.key = key;
    this.variable = variable;
    this.#schema = schema;
  }

  get description(): string {
    return this.#schema.description ?? '';
  }

  get expected(): string {
    return expectation(this.#shape);
  }

  get byDefault(): unknown {
    return this.#shape.default;
  }

  get isRequired(): boolean {
    return !this.#schema.safeParse(undefined).success;
  }

  get kinds(): ReadonlySet<Kind> {
    return kindsOf(this.#shape);
  }

  get #shape(): Shape {
    this.#json ??= z.toJSONSchema(this.#schema, { io: 'input' }) as Shape;
    return this.#json;
  }
}

function kindsOf(json: Shape): ReadonlySet<Kind> {
  if (json.anyOf) return new Set(json.anyOf.flatMap((shape) => [...kindsOf(shape)]));
  switch (json.type) {
    case 'array':
      return new Set(['list']);
    case 'boolean':
      return new Set(['boolean']);
    case 'integer':
    case 'number':
      return new Set(['number']);
    default:
      return new Set(['string']);
  }
}

function expectation(json: Shape): string {
  if (json.anyOf) return json.anyOf.map(expectation).join(' or ');
  if (json.enum) return `one of ${json.enum.map((value) => JSON.stringify(value)).join(', ')}`;
  if (json.const !== undefined) return JSON.stringify(json.const);
  switch (json.type) {
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `a whole number${range(json)}`;
    case 'number':
      return `a number${range(json)}`;
    case 'array':
      return 'a list of strings';
    default:
      return 'a string';
  }
}

function range({ minimum, maximum, exclusiveMinimum }: Shape): string {
  const from = exclusiveMinimum === undefined ? minimum : `above ${exclusiveMinimum}`;
  if (from === undefined || maximum === undefined) return '';
  return exclusiveMinimum === undefined
    ? ` from ${from} to ${maximum}`
    : ` ${from} and up to ${maximum}`;
}
