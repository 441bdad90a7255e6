/**
 * Where schemas stand inside a document: a schema with the pointer to it and the base that its references
 * start from; references to any local pointer, `$id` or `$anchor` are resolved to such a place.
 *
 * Errors  UnsupportedSchema for a reference that leaves the document, leads nowhere or to something that
 *         is no schema, and for dynamic references.
 * Source  JSON Schema 2020-12 core, sections 8.2 and 9.1; RFC 3986; RFC 6901.
 */
import { UnsupportedSchema } from '../unsupported.ts';
import { type Draft, draftOf, type Spelling, spellingOf } from './dialect.ts';

export type JsonSchema = boolean | Readonly<Record<string, unknown>>;

export interface Place {
  readonly schema: JsonSchema;
  readonly pointer: string;
  /** Absolute. */
  readonly base: string;
}

/** Relative references have to start somewhere; nothing is ever fetched from it. */
const NOWHERE = 'hearth://document/';

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE = new Set([
  ...[
    'additionalItems',
    'additionalProperties',
    'contains',
    'contentSchema',
    'else',
    'if',
    'items',
  ],
  ...['not', 'propertyNames', 'then', 'unevaluatedItems', 'unevaluatedProperties'],
]);
const LISTS = new Set(['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems']);
const BY_NAME = new Set([
  ...[
    '$defs',
    'definitions',
    'dependencies',
    'dependentSchemas',
    'patternProperties',
    'properties',
  ],
]);

const KEYWORDS = new Set([...ONE, ...LISTS, ...BY_NAME]);

export class Places {
  readonly root: Place;
  readonly draft: Draft;
  readonly spelling: Spelling;
  readonly #byAddress = new Map<string, Place>();
  readonly #all: Place[] = [];
  #depth = 0;
  /** The base of each object that stands where a schema may. */
  readonly #bases = new Map<object, string>();

  /** `maxDepth`: how many schemas may stand inside of each other. */
  constructor(document: unknown, maxDepth: number) {
    this.draft = draftOf(document);
    this.spelling = spellingOf(this.draft);
    this.root = { schema: toSchema(document, '', ''), pointer: '', base: NOWHERE };
    this.#index(maxDepth);
    this.root = { ...this.root, base: this.#baseOf(this.root.schema, NOWHERE) };
  }

  /** Wherever a schema may stand, also where nothing leads to. */
  get all(): readonly Place[] {
    return this.#all;
  }

  /** Schemas inside of schemas, the deepest; 0 for one alone. */
  get depth(): number {
    return this.#depth;
  }

  /** The schema under `keys` of one. */
  below(place: Place, ...keys: readonly (string | number)[]): Place {
    let value: unknown = place.schema;
    for (const key of keys) value = (value as Readonly<Record<string, unknown>>)[key];
    const pointer = keys.reduce<string>(
      (path, key) => `${path}/${escapeKey(String(key))}`,
      place.pointer,
    );
    const schema = toSchema(value, String(keys[0] ?? ''), pointer);
    return { schema, pointer, base: this.#baseOf(schema, place.base) };
  }

  resolve(from: Place, reference: string): Place {
    const refuse = (why: string) => new UnsupportedSchema('$ref', from.pointer, why);
    let address: URL;
    try {
      address = new URL(reference, from.base);
    } catch {
      throw refuse(`${shown(reference)} is no reference`);
    }
    const fragment = decode(address.hash.slice(1));
    if (fragment === undefined) throw refuse(`${shown(reference)} has a broken escape`);
    address.hash = '';
    const document = address.href;
    if (fragment !== '' && !fragment.startsWith('/')) {
      const anchored = this.#byAddress.get(`${document}#${fragment}`);
      if (anchored !== undefined) return anchored;
      throw refuse(`${shown(reference)} leads to no anchor of this schema`);
    }
    const start = document === NOWHERE ? this.root : this.#byAddress.get(document);
    if (start === undefined) {
      throw refuse(
        `${shown(reference)} leaves this schema, and nothing is fetched: put it under $defs`,
      );
    }
    return this.#walk(start, fragment, () =>
      refuse(`${shown(reference)} leads nowhere in this schema`),
    );
  }

  #walk(start: Place, fragment: string, nowhere: () => Error): Place {
    let value: unknown = start.schema;
    let { pointer, base } = start;
    for (const part of fragment.split('/').slice(1)) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key))
        throw nowhere();
      value = (value as Readonly<Record<string, unknown>>)[key];
      pointer += `/${escapeKey(key)}`;
      base = this.#baseOf(value, base);
    }
    if (!isSchema(value)) throw nowhere();
    return { schema: value, pointer, base };
  }

  #baseOf(schema: unknown, outer: string): string {
    if (typeof schema !== 'object' || schema === null) return outer;
    return this.#bases.get(schema) ?? outer;
  }

  /** Without recursion: the nesting is the sender's choice. */
  #index(maxDepth: number): void {
    const open: { readonly place: Place; readonly depth: number }[] = [
      { place: this.root, depth: 0 },
    ];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { place, depth } = next;
      const { schema, pointer, base: outer } = place;
      if (depth > maxDepth) {
        const keyword = pointer.split('/').findLast((part) => KEYWORDS.has(part)) ?? 'schema';
        throw new UnsupportedSchema(
          keyword,
          pointer,
          `more than ${maxDepth} schemas stand inside of each other`,
        );
      }
      this.#depth = Math.max(this.#depth, depth);
      this.#all.push(place);
      if (typeof schema === 'boolean') continue;
      const base = this.#ownBase(schema, outer);
      this.#bases.set(schema, base);
      const found = { schema, pointer, base };
      if (base !== outer) this.#byAddress.set(base, found);
      for (const anchor of this.#anchorsOf(schema)) {
        const address = `${base}#${anchor}`;
        if (!this.#byAddress.has(address)) this.#byAddress.set(address, found);
      }
      for (const [key, value] of Object.entries(schema)) {
        for (const [path, inner] of subschemas(key, value)) {
          const below = { schema: inner, pointer: `${pointer}/${path}`, base };
          open.push({ place: below, depth: depth + 1 });
        }
      }
    }
  }

  #ownBase(schema: Readonly<Record<string, unknown>>, outer: string): string {
    const { hasDollarId, hasPlainId, isRefAlone } = this.spelling;
    if (isRefAlone && '$ref' in schema) return outer;
    const id = hasDollarId && '$id' in schema ? schema.$id : hasPlainId ? schema.id : undefined;
    // "#name" is an anchor in the old spelling.
    if (typeof id !== 'string' || id.startsWith('#')) return outer;
    try {
      const address = new URL(id, outer);
      address.hash = '';
      return address.href;
    } catch {
      return outer;
    }
  }

  #anchorsOf(schema: Readonly<Record<string, unknown>>): readonly string[] {
    const { hasAnchors, hasDollarId, hasPlainId } = this.spelling;
    const found: string[] = [];
    const id = hasDollarId && '$id' in schema ? schema.$id : hasPlainId ? schema.id : undefined;
    if (typeof id === 'string' && id.startsWith('#') && id.length > 1) found.push(id.slice(1));
    if (hasAnchors && typeof schema.$anchor === 'string') found.push(schema.$anchor);
    if (hasAnchors && typeof schema.$dynamicAnchor === 'string') found.push(schema.$dynamicAnchor);
    return found;
  }
}

function* subschemas(key: string, value: unknown): Generator<readonly [string, JsonSchema]> {
  if (typeof value !== 'object' || value === null) {
    if (ONE.has(key) && typeof value === 'boolean') yield [key, value];
    return;
  }
  if (Array.isArray(value)) {
    if (!LISTS.has(key)) return;
    for (const [index, one] of value.entries()) if (isSchema(one)) yield [`${key}/${index}`, one];
  } else if (BY_NAME.has(key)) {
    for (const [name, one] of Object.entries(value)) {
      if (isSchema(one)) yield [`${key}/${escapeKey(name)}`, one];
    }
  } else if (ONE.has(key)) yield [key, value as JsonSchema];
}

function toSchema(value: unknown, keyword: string, pointer: string): JsonSchema {
  if (isSchema(value)) return value;
  throw new UnsupportedSchema(
    keyword === '' ? 'schema' : keyword,
    pointer,
    `a schema is an object or a boolean, not ${shown(value)}`,
  );
}

function isSchema(value: unknown): value is JsonSchema {
  return (
    typeof value === 'boolean' ||
    (typeof value === 'object' && value !== null && !Array.isArray(value))
  );
}

function escapeKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // A lone % or bytes that are no UTF-8.
  }
}

/** Short enough for a line. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
