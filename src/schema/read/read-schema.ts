/**
 * One schema object as a formula over terms: every keyword that constrains is read, or refused by name.
 * Keywords that nobody knows, and those that only describe, constrain nothing.
 *
 * Errors  UnsupportedSchema with the keyword and where it stands.
 */
import type { Place, Places } from '../document/places.ts';
import { shown } from '../document/places.ts';
import { INTEGERS } from '../ir/numbers.ts';
import type { Sets } from '../ir/sets.ts';
import { ANY, type Term } from '../ir/term.ts';
import type { ValueSet } from '../ir/value-set.ts';
import { EVERYTHING, NOTHING } from '../ir/whole.ts';
import { DYNAMIC_REFERENCES } from '../keywords.ts';
import { UnsupportedSchema } from '../unsupported.ts';
import { readArrays } from './arrays.ts';
import { constants } from './constants.ts';
import { flag, type Keywords, list, text } from './expect.ts';
import { readNumbers } from './numbers.ts';
import { readObjects } from './objects.ts';
import { readStrings } from './strings.ts';

export function readSchema(place: Place, places: Places, sets: Sets): Term {
  const schema = place.schema as Keywords;
  const { terms } = sets;
  const { spelling } = places;
  for (const keyword of DYNAMIC_REFERENCES) {
    if (keyword in schema) {
      throw new UnsupportedSchema(
        keyword,
        place.pointer,
        'what it means depends on who refers to it: use $ref',
      );
    }
  }
  const found: Term[] = [];
  const reference = text(place, '$ref');
  if (reference !== undefined) {
    found.push(terms.place(places.resolve(place, reference)));
    if (spelling.isRefAlone) return found[0]!;
  }
  const below = (keyword: string) => terms.place(places.below(place, keyword));
  const all = (keyword: string): readonly Term[] | undefined =>
    list(place, keyword)?.map((_, index) => terms.place(places.below(place, keyword, index)));

  const types = readTypes(place, sets);
  if (types !== undefined) found.push(types);
  if ('enum' in schema) found.push(constants(list(place, 'enum') ?? [], sets));
  if (spelling.has6 && 'const' in schema) found.push(constants([schema.const], sets));
  found.push(...readNumbers(place, spelling, sets), ...readStrings(place, sets));
  found.push(...readArrays(place, places, sets), ...readObjects(place, places, sets));
  found.push(...(all('allOf') ?? []));
  const any = all('anyOf');
  if (any !== undefined) found.push(terms.or(any));
  const one = all('oneOf');
  if (one !== undefined) found.push(terms.one(one));
  if ('not' in schema) found.push(terms.not(below('not')));
  if (spelling.has7 && 'if' in schema) found.push(...conditions(schema, below, sets));
  return terms.and(found);
}

function conditions(
  schema: Keywords,
  below: (keyword: string) => Term,
  { terms }: Sets,
): readonly Term[] {
  const yes = 'then' in schema ? below('then') : ANY;
  const no = 'else' in schema ? below('else') : ANY;
  if (yes === ANY && no === ANY) return [];
  const test = below('if');
  return [terms.or([terms.and([test, yes]), terms.and([terms.not(test), no])])];
}

const TYPES: Readonly<Record<string, Partial<ValueSet>>> = {
  null: { hasNull: true },
  boolean: { hasTrue: true, hasFalse: true },
  number: { numbers: EVERYTHING.numbers },
  integer: { numbers: INTEGERS },
  string: { strings: EVERYTHING.strings },
  array: { arrays: EVERYTHING.arrays },
  object: { objects: EVERYTHING.objects },
};

function readTypes(place: Place, sets: Sets): Term | undefined {
  const { type } = place.schema as Keywords;
  if (type === undefined) return undefined;
  const names = Array.isArray(type) ? type : [type];
  const parts = names.map((name) => {
    const part = typeof name === 'string' && Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
    if (part === undefined) {
      const known = Object.keys(TYPES).join(', ');
      throw new UnsupportedSchema(
        'type',
        place.pointer,
        `${shown(name)} is no type: name ${known}`,
      );
    }
    return sets.of({ ...NOTHING, ...part });
  });
  // OpenAPI's spelling of a union with null.
  if (flag(place, 'nullable') === true) parts.push(sets.of({ ...NOTHING, hasNull: true }));
  return sets.terms.or(parts);
}
