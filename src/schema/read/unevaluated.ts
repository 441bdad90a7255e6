/**
 * What `unevaluatedProperties` and `unevaluatedItems` leave over, where it does not depend on the value:
 * beside `properties`, patterns, `allOf` and `$ref`. Beside `anyOf`, `oneOf`, `if` and the like it does, where
 * these speak of keys or items themselves, and is refused.
 *
 * Errors  UnsupportedSchema.
 * Source  JSON Schema 2020-12 core, section 11.
 */
import type { Place, Places } from '../document/places.ts';
import { ALL_STRINGS, NO_STRINGS, type StringSet, stringsOf, unionStrings } from '../ir/strings.ts';
import { DYNAMIC_REFERENCES } from '../keywords.ts';
import { UnsupportedSchema } from '../unsupported.ts';
import { byName, type Keywords, list } from './expect.ts';
import { patternStrings } from './strings.ts';

const DYNAMIC = ['anyOf', 'oneOf', 'if', 'then', 'else', 'dependentSchemas', ...DYNAMIC_REFERENCES];

export function evaluatedKeys(place: Place, places: Places): StringSet {
  const found: StringSet[] = [];
  const names: string[] = [];
  for (const { schema, at } of inPlace(place, places, 'unevaluatedProperties')) {
    names.push(...Object.keys(byName(at, 'properties') ?? {}));
    for (const pattern of Object.keys(byName(at, 'patternProperties') ?? {})) {
      found.push(patternStrings(pattern, { keyword: 'patternProperties', pointer: at.pointer }));
    }
    if ('additionalProperties' in schema) return ALL_STRINGS;
    if ('unevaluatedProperties' in schema && at !== place) return ALL_STRINGS;
  }
  if (names.length > 0) found.push(stringsOf(names));
  return found.reduce(unionStrings, NO_STRINGS);
}

/** How many of the first items; infinite for all. */
export function evaluatedItems(place: Place, places: Places): number {
  let evaluated = 0;
  for (const { schema, at } of inPlace(place, places, 'unevaluatedItems')) {
    if ('contains' in schema) {
      throw new UnsupportedSchema(
        'unevaluatedItems',
        place.pointer,
        'it is not enforced beside `contains`',
      );
    }
    evaluated = Math.max(evaluated, (list(at, 'prefixItems') ?? []).length);
    if (Array.isArray(schema.items)) {
      evaluated = Math.max(evaluated, schema.items.length);
      if ('additionalItems' in schema) return Number.POSITIVE_INFINITY;
    } else if ('items' in schema) return Number.POSITIVE_INFINITY;
    if ('unevaluatedItems' in schema && at !== place) return Number.POSITIVE_INFINITY;
  }
  return evaluated;
}

interface Found {
  readonly at: Place;
  readonly schema: Keywords;
}

/** The schema and all that hold for the same value without a condition. */
function inPlace(place: Place, places: Places, keyword: string): readonly Found[] {
  const found: Found[] = [];
  const seen = new Set<unknown>();
  const open = [place];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (typeof at.schema === 'boolean' || seen.has(at.schema)) continue;
    seen.add(at.schema);
    const { schema } = at;
    const dynamic = DYNAMIC.find((name) => name in schema);
    if (dynamic !== undefined) {
      throw new UnsupportedSchema(
        keyword,
        place.pointer,
        `it is not enforced beside \`${dynamic}\` at ${at.pointer || 'the root'}`,
      );
    }
    found.push({ at, schema });
    if (typeof schema.$ref === 'string') open.push(places.resolve(at, schema.$ref));
    for (const index of (list(at, 'allOf') ?? []).keys())
      open.push(places.below(at, 'allOf', index));
  }
  return found;
}
