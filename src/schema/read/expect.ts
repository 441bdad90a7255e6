/** Values of keywords, checked: a keyword with a value that it cannot have is refused, not passed over. */
import { type Place, shown } from '../document/places.ts';
import { UnsupportedSchema } from '../unsupported.ts';

export type Keywords = Readonly<Record<string, unknown>>;

function refuse(place: Place, keyword: string, expected: string): UnsupportedSchema {
  const value = (place.schema as Keywords)[keyword];
  return new UnsupportedSchema(keyword, place.pointer, `expected ${expected}, not ${shown(value)}`);
}

export function count(place: Place, keyword: string): number | undefined {
  const value = (place.schema as Keywords)[keyword];
  if (value === undefined) return undefined;
  // 2.0 is an integer here, as everywhere in JSON Schema.
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw refuse(place, keyword, 'a whole number from 0');
}

export function number(place: Place, keyword: string): number | undefined {
  const value = (place.schema as Keywords)[keyword];
  if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
  throw refuse(place, keyword, 'a number');
}

export function text(place: Place, keyword: string): string | undefined {
  const value = (place.schema as Keywords)[keyword];
  if (value === undefined || typeof value === 'string') return value;
  throw refuse(place, keyword, 'a string');
}

export function flag(place: Place, keyword: string): boolean | undefined {
  const value = (place.schema as Keywords)[keyword];
  if (value === undefined || typeof value === 'boolean') return value;
  throw refuse(place, keyword, 'true or false');
}

export function list(place: Place, keyword: string): readonly unknown[] | undefined {
  const value = (place.schema as Keywords)[keyword];
  if (value === undefined || Array.isArray(value)) return value;
  throw refuse(place, keyword, 'a list');
}

export function names(place: Place, keyword: string): readonly string[] | undefined {
  const value = list(place, keyword);
  if (value?.every((one) => typeof one === 'string') ?? true) return value as readonly string[];
  throw refuse(place, keyword, 'a list of strings');
}

export function byName(place: Place, keyword: string): Keywords | undefined {
  const value = (place.schema as Keywords)[keyword];
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Keywords;
  throw refuse(place, keyword, 'an object');
}
